# SPDX-License-Identifier: Apache-2.0
"""A cloud between upgrades: what hosts accept, and where instances are.

Hosts with equal device classes, now and after their upgrade, are in one
*place*. The device classes that the mdevs of an instance are on are its
*stay*. Acceptance depends on these two only. How many hosts accept each stay
is counted, and an upgrade changes the counts of the stays that its host no
longer accepts, so only their instances are looked at again.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
import dataclasses
import functools
from typing import NamedTuple

from nova_mdev_compat.core import matching
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet.device_classes import PublishedClass
from nova_mdev_compat.fleet.instances import Instance
from nova_mdev_compat.upgrade.scenario import Scenario

#: Why the upgrade of a host fails instances.
NOT_ACCEPTED = 'no other host accepts {}'
FULL = 'no host that accepts {} has free capacity'
STRANDED = 'no other host would then accept {}'

#: Numbers of device classes, in order.
Stay = tuple[int, ...]
#: The mdevs of an instance in the order of its stay: index of the device on
#: its host, resource class and amount of each.
Held = tuple[tuple[int, str, int], ...]


class Place(NamedTuple):
    """Where hosts belong that accept the same, now and afterwards.

    :ivar profile: numbers of their device classes
    :ivar after: the same after their upgrade; None if there is none to come
    """

    profile: frozenset[int]
    after: frozenset[int] | None = None


class Move(NamedTuple):
    """A live migration: an instance's UUID, and names of hosts."""

    instance: str
    source: str
    target: str


class Loss(NamedTuple):
    """An instance that the upgrade of a host fails.

    :ivar why: NOT_ACCEPTED, FULL or STRANDED
    :ivar place: where no host takes it
    :ivar stay: the device classes that it is on there
    :ivar host: where it is before the upgrade
    """

    why: str
    place: Place
    stay: Stay
    host: str
    instance: str


@dataclasses.dataclass
class Step:
    """The upgrade of a host; or who is stranded there before all upgrades.

    :ivar host: its name
    :ivar moves: before it, in order
    :ivar no_room: UUIDs of instances that must leave, while all hosts that
        accept them are full
    :ivar to_stop: UUIDs of instances that must leave, and no host accepts
    :ivar stranded: UUIDs of instances that no other host accepts any more
    :ivar because: why instances fail that did not before
    """

    host: str
    moves: list[Move] = dataclasses.field(default_factory=list)
    no_room: list[str] = dataclasses.field(default_factory=list)
    to_stop: list[str] = dataclasses.field(default_factory=list)
    stranded: list[str] = dataclasses.field(default_factory=list)
    because: str = ''


class Acceptance:
    """Which device classes, by number, accept which stays."""

    def __init__(self, classes: Sequence[PublishedClass]):
        self._classes = classes

    def _needs(self, stay: Stay) -> acceptance.Needs:
        """Return what each mdev needs elsewhere; nothing if unknown."""
        sources = [frozenset(self._classes[one].sources) for one in stay]
        if not all(sources):
            return ()
        # Resource classes of their own keep mdevs of one type apart.
        return acceptance.needs(
            (some, str(index), 1) for index, some in enumerate(sources)
        )

    @functools.cache  # noqa: B019
    def takers(self, stay: Stay) -> tuple[frozenset[int], ...]:
        """Return, for each of the mdevs, the device classes that accept it."""
        return tuple(
            frozenset(
                number
                for number, one in enumerate(self._classes)
                if acceptance.accepts(one.offer, need)
            )
            for need in self._needs(stay)
        ) or (frozenset(),)

    @functools.cache  # noqa: B019
    def accepts(self, profile: frozenset[int], stay: Stay) -> bool:
        """Return whether a host accepts an instance, full or not."""
        return all(some & profile for some in self.takers(stay))

    @functools.cache  # noqa: B019
    def against(self, profile: frozenset[int], stay: Stay) -> str:
        """Return why a host cannot take an instance that is not there."""
        classes = [self._classes[one] for one in profile]
        for one in classes:
            if one.unpublished:
                return str(one.unpublished)
        needs = self._needs(stay)
        if not needs:
            return str(matching.NO_IDENTITY)
        offers = frozenset(one.offer for one in classes)
        return str(acceptance.judge(offers, needs)) or matching.NO_CAPACITY

    def describe(self, stay: Stay) -> str:
        """Return the identities of the devices that an instance is on."""
        return matching.describe(self._classes[one].sources for one in stay)


@dataclasses.dataclass(frozen=True)
class HostUsage:
    """A host at some time between upgrades.

    :ivar devices: numbers of its device classes
    :ivar after: what these are after the upgrade
    :ivar changing: indexes of the devices that instances must leave first
    :ivar free: mdevs to spare by index of the device and resource class
    :ivar instances: their mdevs by UUID
    """

    place: Place
    devices: tuple[int, ...]
    after: tuple[int, ...]
    changing: frozenset[int]
    free: Mapping[tuple[int, str], int]
    instances: Mapping[str, Held] = dataclasses.field(default_factory=dict)

    def stay(self, held: Held) -> Stay:
        """Return the device classes that an instance is on here."""
        return tuple(self.devices[index] for index, _, _ in held)

    def ordered(self, held: Iterable[tuple[int, str, int]]) -> Held:
        """Return mdevs in the order of the device classes they are on."""
        return tuple(sorted(held, key=lambda one: self.devices[one[0]]))

    def must_leave(self, held: Held) -> bool:
        """Return whether an instance must leave before the upgrade."""
        return any(index in self.changing for index, _, _ in held)

    @functools.cached_property
    def stays(self) -> frozenset[Stay]:
        """The device classes that its instances are on."""
        return frozenset(map(self.stay, self.instances.values()))

    @property
    def group(self) -> object:
        """What equal hosts have in common."""
        return self.place, self.stays

    @functools.cached_property
    def to_move(self) -> int:
        """How many mdevs must leave before the upgrade."""
        return sum(
            amount
            for held in self.instances.values()
            if self.must_leave(held)
            for _, _, amount in held
        )

    def changed(self, uuid: str, held: Held = ()) -> 'HostUsage':
        """Return the host with these mdevs of an instance, and no others."""
        instances, free = dict(self.instances), dict(self.free)
        for sign, mdevs in ((1, instances.pop(uuid, ())), (-1, held)):
            for index, name, amount in mdevs:
                free[index, name] += sign * amount
        if held:
            instances[uuid] = held
        return dataclasses.replace(self, free=free, instances=instances)

    def fits(
        self,
        wanted: Sequence[tuple[frozenset[int], str, int]],
        held: Held = (),
    ) -> Iterator[Held]:
        """Yield on which devices mdevs fit; of devices that are alike, once.

        :param wanted: accepting device classes, resource class and amount
        :param held: where others are to be
        """
        if not wanted:
            yield self.ordered(held)
            return
        (takers, name, amount), *others = wanted
        tried = set()
        for index, number in enumerate(self.devices):
            free = self.free[index, name] - sum(
                one[2] for one in held if one[:2] == (index, name)
            )
            alike = number, free
            if number in takers and free >= amount and alike not in tried:
                tried.add(alike)
                mdev = index, name, amount
                yield from self.fits(others, (*held, mdev))


@dataclasses.dataclass
class CloudState:
    """Where instances are, and which hosts are upgraded.

    :ivar hosts: those that have devices, by name
    :ivar places: names of their hosts, none without one; instances move to
        the last ones first
    :ivar acceptors: how many hosts accept a stay, of all stays that have
        been asked about
    """

    classes: Acceptance
    hosts: dict[str, HostUsage]
    places: dict[Place, list[str]]
    acceptors: dict[Stay, int] = dataclasses.field(default_factory=dict)

    def copy(self) -> 'CloudState':
        """Return a state to try an upgrade on."""
        return CloudState(
            self.classes,
            dict(self.hosts),
            dict(self.places),
            dict(self.acceptors),
        )

    def situation(self) -> object:
        """Return how many hosts accept each stay, three for more."""
        return [min(number, 3) for number in self.acceptors.values()]

    def is_accepted(
        self, place: Place, stay: Stay, upgraded: Place | None = None
    ) -> bool:
        """Return whether another host accepts an instance, full or not.

        :param place: where it is
        :param upgraded: of a host to take for upgraded, which is another
        """
        if stay not in self.acceptors:
            self.acceptors[stay] = sum(
                len(names)
                for one, names in self.places.items()
                if self.classes.accepts(one.profile, stay)
            )
        others = self.acceptors[stay] - self.classes.accepts(
            place.profile, stay
        )
        if upgraded and upgraded.after is not None:
            others += self.classes.accepts(upgraded.after, stay)
            others -= self.classes.accepts(upgraded.profile, stay)
        return others > 0

    def stranded(
        self, names: Iterable[str], excused: Collection[str] = ()
    ) -> Iterator[Loss]:
        """Yield the instances of hosts that no other host accepts.

        :param excused: UUIDs of others, which are stranded already
        """
        for name in sorted(names):
            host = self.hosts[name]
            for uuid, held in sorted(host.instances.items()):
                stay = host.stay(held)
                if uuid not in excused and not self.is_accepted(
                    host.place, stay
                ):
                    yield Loss(STRANDED, host.place, stay, name, uuid)

    def upgrade(
        self, name: str, excused: Collection[str]
    ) -> tuple[Step, list[Loss]]:
        """Upgrade a host, after all moves that this takes.

        The instances with the most mdevs move first. They go even where they
        are stranded after the upgrade. Those on other hosts do not move: a
        host that could take one, and stays as it is, keeps it from being
        stranded.

        :param excused: UUIDs of the instances that are stranded already
        :returns: what was done, and which other instances it fails
        """
        host = self.hosts[name]
        step, losses = Step(name), []
        for uuid, held in sorted(
            host.instances.items(),
            key=lambda one: (-max(amount for _, _, amount in one[1]), one[0]),
        ):
            if not host.must_leave(held):
                continue
            target, landed = self._landing(name, held)
            self.hosts[name] = self.hosts[name].changed(uuid)
            if target:
                self.hosts[target] = self.hosts[target].changed(uuid, landed)
                step.moves.append(Move(uuid, name, target))
                continue
            stay = host.stay(held)
            full = self.is_accepted(host.place, stay)
            (step.no_room if full else step.to_stop).append(uuid)
            if uuid not in excused:
                why = FULL if full else NOT_ACCEPTED
                losses.append(Loss(why, host.place, stay, name, uuid))
        sources = {move.instance: name for move in step.moves}
        affected = self._transition(name) | {
            move.target for move in step.moves
        }
        for loss in self.stranded(affected, excused):
            step.stranded.append(loss.instance)
            source = sources.get(loss.instance, loss.host)
            losses.append(loss._replace(host=source))
        return step, losses

    def _landing(self, source: str, held: Held) -> tuple[str, Held]:
        """Return where an instance of a host can move before its upgrade.

        :returns: a host, if possible one where it is not stranded after the
            upgrade, and its mdevs there; an empty name if there is none
        """
        host = self.hosts[source]
        stay = host.stay(held)
        wanted = sorted(
            (
                (takers, name, amount)
                for takers, (_, name, amount) in zip(
                    self.classes.takers(stay), held, strict=False
                )
            ),
            key=lambda one: -one[2],
        )
        unsafe: tuple[str, Held] = '', ()
        for place in reversed(self.places):
            if not self.classes.accepts(place.profile, stay):
                continue
            for name in reversed(self.places[place]):
                target = self.hosts[name]
                for landed in target.fits(wanted) if name != source else ():
                    if self.is_accepted(
                        place, target.stay(landed), upgraded=host.place
                    ):
                        return name, landed
                    unsafe = unsafe if unsafe[0] else (name, landed)
        return unsafe

    def _transition(self, name: str) -> set[str]:
        """Let a host be what it becomes, with the instances that stay.

        :returns: names of the hosts with instances that this can strand
        """
        host = self.hosts[name]
        old, new = host.place, Place(frozenset(host.after))
        self.hosts[name] = dataclasses.replace(
            host, place=new, devices=host.after, changing=frozenset()
        )
        self.places[old] = [one for one in self.places[old] if one != name]
        if not self.places[old]:
            del self.places[old]
        self.places[new] = [*self.places.get(new, ()), name]
        scarce = set()
        for stay in self.acceptors:
            change = self.classes.accepts(
                new.profile, stay
            ) - self.classes.accepts(old.profile, stay)
            self.acceptors[stay] += change
            if change < 0 and self.acceptors[stay] < 2:
                scarce.add(stay)
        affected = {name}
        if scarce:
            affected |= {
                other
                for other, one in self.hosts.items()
                if not scarce.isdisjoint(one.stays)
            }
        return affected


def build(
    scenario: Scenario,
    instances: Iterable[Instance],
    free: Mapping[str, Mapping[str, int]],
) -> CloudState:
    """Return a cloud before all upgrades.

    An instance for which nothing changes is left out: it need not leave, and
    could not move to a device that changes.
    """
    numbers: dict[PublishedClass, int] = {}
    hosts = {}
    for host in scenario.cloud.hosts:
        after = scenario.after.get(host.uuid)
        devices, new = (
            tuple(
                numbers.setdefault(
                    scenario.device_class(host, parent.traits), len(numbers)
                )
                for parent in some.parents
            )
            for some in (host, after or host)
        )
        if devices:
            hosts[host.name] = HostUsage(
                Place(frozenset(devices), frozenset(new) if after else None),
                devices,
                new,
                frozenset(
                    index
                    for index, parent in enumerate(host.parents)
                    if scenario.changes(host, parent)
                ),
                {
                    (index, name): some.get(parent.uuid, 0)
                    for index, parent in enumerate(host.parents)
                    for name, some in free.items()
                },
            )
    classes = Acceptance(list(numbers))
    changing = {
        usage.devices[index]
        for usage in hosts.values()
        for index in usage.changing
    }
    for one in instances:
        usage = hosts[one.host.name]
        held = usage.ordered(
            (one.host.parents.index(parent), name, piece)
            for parent, name, amount in one.mdevs
            for piece in acceptance.pieces(parent.framework, amount)
        )
        takers = frozenset().union(*classes.takers(usage.stay(held)))
        if usage.must_leave(held) or not changing.isdisjoint(takers):
            hosts[one.host.name] = dataclasses.replace(
                usage, instances={**usage.instances, one.uuid: held}
            )
    places: dict[Place, list[str]] = {}
    # Instances move to hosts that are not upgraded any more, if they can, and
    # then to those that are upgraded last, because they have most to move.
    for name, usage in sorted(
        hosts.items(),
        key=lambda one: (one[1].place.after is None, one[1].to_move, one[0]),
    ):
        places.setdefault(usage.place, []).append(name)
    return CloudState(classes, hosts, places)
