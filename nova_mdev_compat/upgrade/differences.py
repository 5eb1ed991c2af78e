# SPDX-License-Identifier: Apache-2.0
"""For which pairs of devices an upgrade makes a difference. Pure."""

from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import enum

from nova_mdev_compat.core import equivalence as kinds_
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.upgrade.upgrade import Upgrade


class Upgraded(enum.Enum):
    """Which of two devices has been upgraded."""

    TARGET = 'target'
    SOURCE = 'source'
    BOTH = 'both'


@dataclasses.dataclass(frozen=True)
class Pair:
    """What is known of landing on one kind of devices from another.

    :ivar source: what moves, as it is now
    :ivar number: of pairs of devices on different hosts
    :ivar before: the answer now
    :ivar then: by what has been upgraded
    """

    origin: device_classes.Kind
    source: identity.Identity
    destination: device_classes.Kind
    number: int
    before: verdict.Verdict
    then: Mapping[Upgraded, verdict.Verdict]

    @property
    def changes(self) -> dict[Upgraded, verdict.Verdict]:
        """The answers that are others than now."""
        return {
            which: answer
            for which, answer in self.then.items()
            if answer.kind is not self.before.kind
        }


@dataclasses.dataclass(frozen=True)
class _Devices:
    """Devices that are the same, before and after."""

    old: device_classes.Kind
    new: device_classes.Kind | None


def pairs(upgrade: Upgrade) -> Iterator[Pair]:
    """Return every way from one kind of devices to another.

    Devices are of one kind if they are the same, now and afterwards, in all
    that some accept pattern asks about.
    """
    found = _kinds(upgrade)
    for origin in found:
        for destination in found:
            number = kinds_.number_of_pairs(origin.old, destination.old)
            for source in origin.old.sources if number else ():
                yield Pair(
                    origin.old,
                    source,
                    destination.old,
                    number,
                    destination.old.judge(source),
                    dict(_then(origin, source, destination)),
                )


def _then(
    origin: _Devices,
    source: identity.Identity,
    destination: _Devices,
) -> Iterator[tuple[Upgraded, verdict.Verdict]]:
    after = (
        None
        if origin.new is None
        else next(
            (one for one in origin.new.sources if one.type == source.type),
            None,
        )
    )
    if destination.new:
        yield Upgraded.TARGET, destination.new.judge(source)
    if after:
        yield Upgraded.SOURCE, destination.old.judge(after)
    if destination.new and after:
        yield Upgraded.BOTH, destination.new.judge(after)


def _kinds(upgrade: Upgrade) -> list[_Devices]:
    after = {
        parent.uuid: parent.said
        for host in upgrade.after.values()
        for parent in host.parents
    }
    asked = upgrade.asked_about()
    # Devices that say the same are one object, and are looked at once.
    alike: dict[tuple[bool, int, int], list[kinds_.Member]] = {}
    known: dict[tuple[bool, int, int], _Devices] = {}
    for host, parent in upgrade.cloud.parents():
        new = after.get(parent.uuid) if upgrade.changes(host, parent) else None
        key = host.published, id(parent.said), id(new)
        if key not in known:
            known[key] = _Devices(
                _kind(host.published, parent.said, asked),
                None if new is None else _kind(host.published, new, asked),
            )
        alike.setdefault(key, []).append(kinds_.Member(host.name, parent.name))
    members: dict[_Devices, list[kinds_.Member]] = {}
    for key, some in alike.items():
        members.setdefault(known[key], []).extend(some)
    return sorted(
        (_with(one, tuple(sorted(some))) for one, some in members.items()),
        key=lambda one: one.old.members,
    )


def _with(found: _Devices, members: tuple[kinds_.Member, ...]) -> _Devices:
    return _Devices(
        dataclasses.replace(found.old, members=members),
        found.new and dataclasses.replace(found.new, members=members),
    )


def _kind(
    published: bool, said: traits.Description, asked: frozenset[str]
) -> device_classes.Kind:
    sources = {device_classes.reduced(one, asked) for one in said.identities()}
    return device_classes.Kind(
        (),
        tuple(sorted(sources, key=str)),
        '',
        tuple(said.accepts[name] for name in sorted(said.accepts)),
        said.types,
        None if published else matching.NOT_PUBLISHED,
    )


def counts(found: Iterable[Pair]) -> tuple[int, int]:
    """Return how many pairs of kinds change, and how many there are."""
    changed = [bool(pair.changes) for pair in found]
    return sum(changed), len(changed)
