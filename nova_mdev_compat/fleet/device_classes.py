# SPDX-License-Identifier: Apache-2.0
"""The classes of devices of a cloud, and which accepts which. Pure."""

from collections.abc import Iterable, Iterator, Sequence
import dataclasses
import functools
import itertools
import string

from nova_mdev_compat.core import equivalence
from nova_mdev_compat.core.identity import Identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core.pattern import Pattern
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import model


@dataclasses.dataclass(frozen=True)
class PublishedClass(equivalence.DeviceClass):
    """Devices that are the same in all that some accept pattern asks about.

    :ivar label: a short name, ``A``
    :ivar accepts: in order
    :ivar serves: mdev types that it takes
    :ivar note: why nothing is known of it, if so
    """

    label: str
    accepts: tuple[Pattern, ...]
    serves: frozenset[str]
    note: verdict.Reason | None = None

    def __str__(self) -> str:
        if self.note:
            return str(self.note)
        return ' or '.join(map(str, self.sources)) or 'serves no mdev type'

    @functools.cached_property
    def offer(self) -> Offer | None:
        """What it advertises, None if no collector has published there."""
        if self.note is matching.NOT_PUBLISHED:
            return None
        return Offer(frozenset(self.accepts), self.serves)

    def judge(self, source: Identity) -> verdict.Verdict:
        """Return whether it accepts a source, or why not."""
        if self.offer is None:
            return verdict.Verdict(
                verdict.Status.UNKNOWN, (matching.NOT_PUBLISHED,)
            )
        return self.offer.judge(source)


@dataclasses.dataclass(frozen=True)
class Cell:
    """Whether one class accepts a source of another.

    :ivar number: of pairs of devices on different hosts
    """

    origin: PublishedClass
    source: Identity
    destination: PublishedClass
    number: int
    verdict: verdict.Verdict


def kinds(
    parents: Iterable[tuple[model.Host, model.Parent]],
) -> tuple[PublishedClass, ...]:
    """Return the classes of devices, the most frequent first."""
    parents = list(parents)
    asked = facts_asked_about(
        said.accepts.values()
        for said in {
            id(parent.traits): parent.traits for _, parent in parents
        }.values()
    )
    members: dict[PublishedClass, list[equivalence.Member]] = {}
    for host, parent in parents:
        kind = device_class(host.published, parent.traits, asked)
        members.setdefault(kind, []).append(
            equivalence.Member(host.name, parent.name)
        )
    ordered = sorted(
        members,
        key=lambda kind: (
            kind.note is not None,
            -len(members[kind]),
            str(kind),
            members[kind],
        ),
    )
    return tuple(
        dataclasses.replace(
            kind, label=label, members=tuple(sorted(members[kind]))
        )
        for kind, label in zip(ordered, labels(), strict=False)
    )


def facts_asked_about(
    patterns: Iterable[Iterable[Pattern]],
) -> frozenset[str]:
    """Return the facts on which a decision can depend."""
    return frozenset(
        condition.fact
        for pattern in itertools.chain(*patterns)
        for condition in pattern.conditions
    )


def labels() -> Iterator[str]:
    """Return A, B, … Z, AA, AB, …"""
    for length in itertools.count(1):
        for letters in itertools.product(
            string.ascii_uppercase, repeat=length
        ):
            yield ''.join(letters)


def device_class(
    published: bool, said: traits.Description, asked: frozenset[str]
) -> PublishedClass:
    """Return what a device is in all that some accept pattern asks about.

    :param published: a collector runs on its host, or has
    :param asked: the facts that are asked about
    :returns: a class without members and label
    """
    sources = sorted(
        {reduced(one, asked) for one in said.identities()}, key=str
    )
    note = None
    if not published:
        note = matching.NOT_PUBLISHED
    elif not sources and not said.accepts:
        note = matching.NO_IDENTITY
    return PublishedClass(
        (),
        tuple(sources),
        '',
        tuple(said.accepts[name] for name in sorted(said.accepts)),
        said.types,
        note,
    )


@functools.lru_cache(maxsize=4096)
def reduced(identity: Identity, asked: frozenset[str]) -> Identity:
    """Return an identity with only the facts that are asked about."""
    return dataclasses.replace(
        identity,
        facts=frozenset(
            (name, value) for name, value in identity.facts if name in asked
        ),
    )


def matrix(
    origins: Sequence[PublishedClass], destinations: Sequence[PublishedClass]
) -> list[list[Cell]]:
    """Return a row for each source of each origin, a cell a destination.

    A class of which nothing is known is not an origin and has no row.
    """
    return [
        [
            Cell(
                origin,
                source,
                destination,
                equivalence.number_of_pairs(origin, destination),
                destination.judge(source),
            )
            for destination in destinations
        ]
        for origin in origins
        for source in origin.sources
    ]
