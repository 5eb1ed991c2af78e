# SPDX-License-Identifier: Apache-2.0
"""A cloud and its instances, as the search for an order sees them. Pure."""

import collections
from collections.abc import Iterable, Mapping, Sequence
import dataclasses

from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.fleet.instances import Instance
from nova_mdev_compat.fleet import model
from nova_mdev_compat.upgrade import landing
from nova_mdev_compat.upgrade import problem as prob
from nova_mdev_compat.upgrade.upgrade import Members
from nova_mdev_compat.upgrade.upgrade import Upgrade


@dataclasses.dataclass(frozen=True)
class Piece:
    """Mdevs that an instance has of one device.

    :ivar seat: index of the device in Host.parents
    """

    resource_class: str
    amount: int
    seat: int


#: All mdevs of an instance.
Pieces = tuple[Piece, ...]


@dataclasses.dataclass(frozen=True)
class Host:
    """A host that has devices.

    :ivar group: index in the problem's groups
    :ivar parents: UUIDs of its parents
    :ivar old: numbers of these devices
    :ivar new: what their numbers will be; None where it is not upgraded
    :ivar instances: those to which the upgrade can make a difference, by
        UUID
    """

    name: str
    group: int
    parents: tuple[str, ...]
    old: tuple[int, ...]
    new: tuple[int, ...] | None
    instances: Mapping[str, Pieces]


@dataclasses.dataclass(frozen=True)
class Fleet:
    """All hosts that have devices.

    :ivar hosts: by name
    """

    hosts: tuple[Host, ...]
    problem: prob.Problem
    landing: landing.Landing


def concerned(upgrade: Upgrade) -> Members:
    """Return the devices whose instances an upgrade can make a difference to.

    Those that change, and those from which instances could go to these, as
    they are now; and the other devices of their hosts, of which the same
    instances may have some.
    """
    asked = upgrade.asked_about()
    changing = {
        Offer.of(one)
        for one in {
            id(parent.said): parent.said
            for host, parent in upgrade.cloud.parents()
            if host.published and upgrade.changes(host, parent)
        }.values()
    }
    known: dict[int, bool] = {}

    def goes_there(said: traits.Description) -> bool:
        if id(said) not in known:
            known[id(said)] = any(
                acceptance.accepts(voice, need)
                for voice in changing
                for identity in said.identities()
                for need in acceptance.needs(
                    [
                        (
                            frozenset(
                                {device_classes.reduced(identity, asked)}
                            ),
                            '',
                            1,
                        )
                    ]
                )
            )
        return known[id(said)]

    hosts = {
        host.uuid
        for host, parent in upgrade.cloud.parents()
        if upgrade.changes(host, parent) or goes_there(parent.said)
    }
    return [
        (host, parent)
        for host, parent in upgrade.cloud.parents()
        if host.uuid in hosts
    ]


def build(upgrade: Upgrade, some: Iterable[Instance]) -> Fleet:
    """Return hosts and instances in numbers.

    :param some: all instances on every host that concerned() names
    """
    return _Builder(upgrade, some).fleet()


class _Builder:
    """Gives numbers to devices, kinds of hosts, and groups of hosts."""

    def __init__(self, upgrade: Upgrade, some: Iterable[Instance]):
        self._upgrade = upgrade
        self._asked = upgrade.asked_about()
        self._on: dict[str, list[Instance]] = {}
        for instance in some:
            self._on.setdefault(instance.host.uuid, []).append(instance)
        self._devices: dict[landing.Device, int] = {}
        self._known: dict[tuple[bool, int], int] = {}
        self._kinds: dict[prob.Kind, int] = {}
        self._groups: dict[tuple[int, frozenset[landing.Stay]], int] = {}

    def fleet(self) -> Fleet:
        found = [
            self._numbered(host)
            for host in sorted(
                self._upgrade.cloud.hosts, key=lambda host: host.name
            )
            if host.parents
        ]
        known = landing.Landing(list(self._devices))
        changing = frozenset(
            old
            for host in found
            for old in host.old
            if host.new and self._is_of(known.devices[old])
        )
        found = [self._without(host, known, changing) for host in found]
        matter = known.reachable(
            {
                stay(pieces, host.old)
                for host in found
                for pieces in host.instances.values()
            }
        )
        hosts = tuple(self._grouped(host, matter) for host in found)
        sizes = collections.Counter(host.group for host in hosts)
        return Fleet(
            hosts,
            prob.Problem(
                tuple(self._kinds),
                tuple(
                    prob.Group(kind, stays, sizes[group])
                    for (kind, stays), group in self._groups.items()
                ),
                known.lands,
                lambda stay, _: any(
                    self._is_of(known.devices[number]) for number in stay
                ),
            ),
            known,
        )

    def _is_of(self, device: landing.Device) -> bool:
        return not device.types.isdisjoint(self._upgrade.types)

    def _numbered(self, host: model.Host) -> Host:
        after = self._upgrade.after.get(host.uuid)
        old, new = (
            tuple(
                self._number(host.published, parent.said)
                for parent in one.parents
            )
            if one
            else None
            for one in (host, after)
        )
        return Host(
            host.name,
            -1,
            tuple(parent.uuid for parent in host.parents),
            old or (),
            new,
            self._instances(host),
        )

    def _number(self, published: bool, said: traits.Description) -> int:
        key = published, id(said)
        if key not in self._known:
            device = landing.Device(
                frozenset(
                    device_classes.reduced(one, self._asked)
                    for one in said.identities()
                ),
                Offer.of(said) if published else None,
                said.types | said.in_use,
            )
            self._known[key] = self._devices.setdefault(
                device, len(self._devices)
            )
        return self._known[key]

    def _instances(self, host: model.Host) -> dict[str, Pieces]:
        seats = {parent.uuid: seat for seat, parent in enumerate(host.parents)}
        return {
            instance.uuid: tuple(
                Piece(resource_class, amount, seats[parent.uuid])
                for parent, resource_class, amount in instance.mdevs
            )
            for instance in self._on.get(host.uuid, ())
        }

    def _without(
        self, host: Host, known: landing.Landing, changing: frozenset[int]
    ) -> Host:
        """Return a host without instances to which nothing changes.

        Neither do they have to leave, nor could they go to a device that
        changes.
        """

        def matters(pieces: Pieces) -> bool:
            devices = stay(pieces, host.old)
            return not changing.isdisjoint(devices) or any(
                not changing.isdisjoint(takers)
                for takers in known.takers(devices)
            )

        return dataclasses.replace(
            host,
            instances={
                uuid: pieces
                for uuid, pieces in host.instances.items()
                if matters(pieces)
            },
        )

    def _grouped(self, host: Host, matter: frozenset[int]) -> Host:
        """Return a host with its group.

        :param matter: devices on which an instance can ever be
        """
        kind = prob.Kind(
            frozenset(host.old) & matter,
            None if host.new is None else frozenset(host.new) & matter,
        )
        stays = frozenset(
            stay(pieces, host.old) for pieces in host.instances.values()
        )
        key = self._kinds.setdefault(kind, len(self._kinds)), stays
        return dataclasses.replace(
            host, group=self._groups.setdefault(key, len(self._groups))
        )


def stay(pieces: Pieces, devices: Sequence[int]) -> landing.Stay:
    """Return how an instance is on a host.

    :param devices: numbers of the host's devices
    """
    return tuple(sorted(devices[piece.seat] for piece in pieces))
