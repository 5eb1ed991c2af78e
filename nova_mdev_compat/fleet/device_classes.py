# SPDX-License-Identifier: Apache-2.0
"""The classes of devices of a cloud, and which accepts which. Pure."""

import collections
from collections.abc import Iterable, Iterator, Sequence
import dataclasses
import itertools
import string

from nova_mdev_compat.core import equivalence
from nova_mdev_compat.core import identity
from nova_mdev_compat.core.identity import Identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core.pattern import Pattern
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import verdict
from nova_mdev_compat.core.verdict import Reason
from nova_mdev_compat.fleet import model


_NO_IDENTITY = {
    identity.MDEV: matching.NO_IDENTITY,
    identity.VFIO: verdict.Reason(
        verdict.Cause.MISSING,
        'no virtual function has a type, or no complete identity is published',
    ),
}


@dataclasses.dataclass(frozen=True)
class PublishedClass(equivalence.DeviceClass):
    """Devices of one framework, equal in all that some pattern asks about.

    :ivar label: a short name, ``A``
    :ivar unpublished: why nothing is known of their hosts, None if something
        is
    :ivar framework: MDEV or VFIO
    """

    label: str
    offer: Offer
    unpublished: verdict.Reason | None = None
    framework: str = identity.MDEV

    @property
    def note(self) -> verdict.Reason | None:
        """Why nothing is known of them, None if something is."""
        if self.unpublished or self.sources or self.offer.accepts:
            return self.unpublished
        return _NO_IDENTITY[self.framework]

    def __str__(self) -> str:
        if self.note:
            return str(self.note)
        return ' or '.join(map(str, self.sources)) or 'serves no mdev type'

    @property
    def boards(self) -> tuple[str, ...]:
        """The parent ids of its sources; empty if it has none."""
        return tuple(sorted({source.parent for source in self.sources}))

    def judge(self, source: Identity) -> verdict.Verdict:
        """Return whether it accepts a source, or why not."""
        if self.unpublished:
            return verdict.Verdict(verdict.Status.UNKNOWN, (self.unpublished,))
        return self.offer.judge(source)

    def differences(self, source: Identity) -> tuple[verdict.Reason, ...]:
        """Return all reasons why it does not accept a source."""
        if self.unpublished:
            return (self.unpublished,)
        return self.offer.differences(source)


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

    @property
    def differences(self) -> tuple[Reason, ...]:
        """All reasons of the verdict, which names only the first."""
        return self.destination.differences(self.source)


def classify(
    parents: Iterable[tuple[model.Host, model.Parent]],
) -> tuple[PublishedClass, ...]:
    """Return the classes of devices, grouped by board, the largest first.

    Those of which nothing is known come last.
    """
    parents = list(parents)
    # Parents with equal traits share one description.
    distinct = {id(parent.traits): parent.traits for _, parent in parents}
    asked = facts_asked_about(
        said.accepts.values() for said in distinct.values()
    )
    class_of: dict[tuple[object, int], PublishedClass] = {}
    members: dict[PublishedClass, list[equivalence.Member]] = {}
    for host, parent in parents:
        key = host.unpublished, id(parent.traits)
        if key not in class_of:
            class_of[key] = device_class(
                host.unpublished, parent.traits, asked
            )
        members.setdefault(class_of[key], []).append(
            equivalence.Member(host.name, parent.name)
        )
    of_board = collections.Counter[tuple[str, ...]]()
    for one, some in members.items():
        of_board[one.boards] += len(some)
    ordered = sorted(
        members.items(),
        key=lambda item: (
            item[0].note is not None,
            -of_board[item[0].boards],
            item[0].boards,
            -len(item[1]),
            str(item[0]),
            item[1],
        ),
    )
    return tuple(
        dataclasses.replace(one, label=label, members=tuple(sorted(some)))
        for (one, some), label in zip(ordered, labels(), strict=False)
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
    """Yield A, B, … Z, AA, AB, …"""
    for length in itertools.count(1):
        yield from map(
            ''.join, itertools.product(string.ascii_uppercase, repeat=length)
        )


def device_class(
    unpublished: verdict.Reason | None,
    said: traits.Description,
    asked: frozenset[str],
) -> PublishedClass:
    """Return the class of a device, without members and label.

    :param unpublished: its host's
    :param asked: the facts that some accept pattern asks about
    """
    # Whatever patterns ask about, nothing crosses frameworks.
    asked |= {identity.FRAMEWORK}
    sources = {
        dataclasses.replace(
            one,
            facts=frozenset(fact for fact in one.facts if fact[0] in asked),
        )
        for one in said.identities()
    }
    return PublishedClass(
        (),
        tuple(sorted(sources, key=str)),
        '',
        Offer.of(said),
        unpublished,
        dict(said.facts).get(identity.FRAMEWORK, identity.MDEV),
    )


def matrix(classes: Sequence[PublishedClass]) -> list[list[Cell]]:
    """Return a row for each source of each class, with a cell for each class.

    A class without sources is only a column.
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
            for destination in classes
        ]
        for origin in classes
        for source in origin.sources
    ]
