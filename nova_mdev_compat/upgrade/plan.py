# SPDX-License-Identifier: Apache-2.0
"""A greedy search for an order of upgrades that strands no instance.

An instance is stranded while no other host accepts all of its mdevs, full or
not. A host is safe to upgrade next if each instance that has to move can move
to a host that accepts it and has capacity, and if the upgrade strands nobody.
Of the safe hosts the search takes one after which the most others are safe;
empty hosts come first, and then hosts like the last one. It never goes back,
and an instance moves at most once before a step, so there may be an order
where it finds none.

Hosts with equal device classes, now and after their upgrade, are in one
*place*. The device classes that the mdevs of an instance are on are its
*stay*. Both are its *position*. Acceptance depends on positions only, so that
each is looked at once, however many hosts and instances there are.
"""

import collections
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
import dataclasses
import functools
import itertools
from typing import NamedTuple

from nova_mdev_compat.core import matching
from nova_mdev_compat.core import text
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet.device_classes import PublishedClass
from nova_mdev_compat.fleet.instances import Instance
from nova_mdev_compat.fleet import model
from nova_mdev_compat.upgrade.scenario import Scenario

#: How many safe hosts are compared by how many groups, of as many, have a
#: safe host after them.
LOOK_AHEAD = 8

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


Position = tuple[Place, Stay]
#: How many hosts are in each place.
Counts = Mapping[Place, int]


class Move(NamedTuple):
    """A live migration: an instance's UUID, and names of hosts."""

    instance: str
    source: str
    target: str


class Loss(NamedTuple):
    """An instance that the upgrade of a host fails.

    :ivar why: NOT_ACCEPTED, FULL or STRANDED
    :ivar position: where no host takes it
    :ivar host: where it is before the upgrade
    """

    why: str
    position: Position
    host: str
    instance: str


@dataclasses.dataclass
class Step:
    """The upgrade of a host; or who is stranded there before all upgrades.

    :ivar host: its name
    :ivar group: equal for hosts with equal devices and instances
    :ivar moves: before it, in order
    :ivar no_room: UUIDs of instances that must leave, while all hosts that
        accept them are full
    :ivar to_stop: UUIDs of instances that must leave, and no host accepts
    :ivar stranded: UUIDs of instances that no other host accepts any more
    :ivar because: why none does
    """

    host: str
    group: object
    moves: list[Move] = dataclasses.field(default_factory=list)
    no_room: list[str] = dataclasses.field(default_factory=list)
    to_stop: list[str] = dataclasses.field(default_factory=list)
    stranded: list[str] = dataclasses.field(default_factory=list)
    because: str = ''


@dataclasses.dataclass
class UpgradePlan:
    """What the search has found.

    :ivar first: who is stranded before the first step, by host
    :ivar steps: of all hosts to upgrade, in order; where no order was found,
        of one that fails few instances
    :ivar obstacles: why no host was safe, the first time that none was; lines
        of text, none where an order was found
    """

    first: list[Step]
    steps: list[Step] = dataclasses.field(default_factory=list)
    obstacles: list[str] = dataclasses.field(default_factory=list)


def find(
    scenario: Scenario,
    instances: Sequence[Instance],
    free: Mapping[str, Mapping[str, int]],
) -> UpgradePlan:
    """Return an order in which to upgrade hosts, with all migrations.

    :param instances: all those on every host that scenario.concerned() has
    :param free: mdevs that parents have to spare, by resource class, by UUID
    """
    state = _first_state(scenario, instances, free)
    plan = UpgradePlan(_stranded(state))
    excused = {uuid for step in plan.first for uuid in step.stranded}
    group: object = None
    while groups := _groups(state, group):
        group, safe = _choose(state, groups, excused)
        if not safe and not plan.obstacles:
            when = (
                f'after step {len(plan.steps)}' if plan.steps else 'at first'
            )
            plan.obstacles = [
                f'{when}, {line}'
                for names in groups.values()
                for line in _obstacles(state, names, excused)
            ]
        situation = state.situation()
        # Hosts like the one that was chosen follow it, while all that the
        # choice depends on but capacity is as it was.
        for name in groups[group]:
            if state.situation() != situation:
                break
            if state.group(name) != group:
                continue
            trial = state.copy()
            step, losses = trial.upgrade(name, excused)
            if losses and safe:
                break
            state = trial
            excused.update(loss.instance for loss in losses)
            if step.stranded:
                step.because = state.reasons(
                    [one.position for one in losses if one.why is STRANDED],
                    state.counts(),
                )
            plan.steps.append(step)
    return plan


class NumberedClasses:
    """The device classes of a cloud by number, and which accepts which."""

    def __init__(self, scenario: Scenario):
        self._scenario = scenario
        self._numbers: dict[PublishedClass, int] = {}
        self._classes: list[PublishedClass] = []

    def number(self, host: model.Host, parent: model.Parent) -> int:
        """Return the number of a device's class."""
        found = self._scenario.device_class(host, parent.traits)
        if found not in self._numbers:
            self._numbers[found] = len(self._classes)
            self._classes.append(found)
        return self._numbers[found]

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
        """Return, for each of the mdevs, the device classes that accept it.

        To be called when all classes have their numbers.
        """
        offers = [one.offer for one in self._classes]
        return tuple(
            frozenset(
                number
                for number, offer in enumerate(offers)
                if acceptance.accepts(offer, need)
            )
            for need in self._needs(stay)
        ) or (frozenset(),)

    @functools.cache  # noqa: B019
    def accept(self, place: Place, stay: Stay) -> bool:
        """Return whether hosts of a place accept an instance, full or not."""
        return all(some & place.profile for some in self.takers(stay))

    def against(self, place: Place, stay: Stay) -> str:
        """Return why hosts of a place do not accept an instance, or ''."""
        classes = [self._classes[one] for one in place.profile]
        for one in classes:
            if one.unpublished:
                return str(one.unpublished)
        needs = self._needs(stay)
        if not needs:
            return str(matching.NO_IDENTITY)
        return str(
            acceptance.judge(frozenset(one.offer for one in classes), needs)
        )

    def describe(self, stay: Stay) -> str:
        """Return what the mdevs of an instance are on, in words."""
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

    def to_move(self) -> int:
        """Return how many mdevs must leave before the upgrade."""
        return sum(
            amount
            for held in self.instances.values()
            if self.must_leave(held)
            for _, _, amount in held
        )

    def take(self, held: Held, sign: int = 1) -> 'HostUsage':
        """Return the host with less to spare; with a sign of -1, more."""
        free = dict(self.free)
        for index, name, amount in held:
            free[index, name] = free.get((index, name), 0) - sign * amount
        return dataclasses.replace(self, free=free)

    def upgraded(self) -> 'HostUsage':
        """Return the host after its upgrade."""
        return dataclasses.replace(
            self,
            place=Place(frozenset(self.after)),
            devices=self.after,
            changing=frozenset(),
        )

    def fits(
        self, wanted: Sequence[tuple[frozenset[int], str, int]]
    ) -> Iterator[Held]:
        """Yield on which devices mdevs fit; of devices that are alike, once.

        :param wanted: accepting device classes, resource class and amount
        """
        if not wanted:
            yield ()
            return
        (takers, name, amount), *others = wanted
        tried = set()
        for index, number in enumerate(self.devices):
            free = self.free.get((index, name), 0)
            if number in takers and free >= amount:
                if (number, free) in tried:
                    continue
                tried.add((number, free))
                mdev = (index, name, amount)
                for rest in self.take((mdev,)).fits(others):
                    yield (mdev, *rest)


@dataclasses.dataclass
class CloudState:
    """Where instances are, and which hosts are upgraded.

    :ivar hosts: those that have devices, by name
    :ivar places: names of hosts; instances move to the last ones first
    :ivar positions: where instances are, or have been, in order
    """

    classes: NumberedClasses
    hosts: dict[str, HostUsage]
    places: dict[Place, list[str]]
    positions: dict[Position, None]

    def copy(self) -> 'CloudState':
        """Return a state to try an upgrade on."""
        return CloudState(
            self.classes,
            dict(self.hosts),
            dict(self.places),
            dict(self.positions),
        )

    def counts(self) -> dict[Place, int]:
        """Return how many hosts are in each place."""
        return {place: len(names) for place, names in self.places.items()}

    def group(self, name: str) -> object:
        """Return what equal hosts have in common."""
        host = self.hosts[name]
        return host.place, frozenset(map(host.stay, host.instances.values()))

    def is_accepted(self, position: Position, counts: Counts) -> bool:
        """Return whether another host accepts an instance, full or not."""
        here, stay = position
        return any(
            number > (place == here) and self.classes.accept(place, stay)
            for place, number in counts.items()
        )

    def stranded(self) -> Iterator[tuple[str, str, Position]]:
        """Yield the host, UUID and position of each stranded instance."""
        counts = self.counts()
        for place, stay in self.positions:
            if self.is_accepted((place, stay), counts):
                continue
            for name in self.places[place]:
                host = self.hosts[name]
                for uuid, held in sorted(host.instances.items()):
                    if host.stay(held) == stay:
                        yield name, uuid, (place, stay)

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
        step, losses = Step(name, self.group(name)), []
        counts = self.counts()
        for uuid, held in sorted(
            host.instances.items(),
            key=lambda one: (-max(amount for _, _, amount in one[1]), one[0]),
        ):
            if not host.must_leave(held):
                continue
            target, landed = self._landing(name, held)
            if target:
                step.moves.append(Move(uuid, name, target))
            else:
                position = host.place, host.stay(held)
                full = self.is_accepted(position, counts)
                (step.no_room if full else step.to_stop).append(uuid)
                why = FULL if full else NOT_ACCEPTED
                losses.append(Loss(why, position, name, uuid))
            self._put(uuid, name, target, landed)
        sources = {move.instance: name for move in step.moves}
        self._transition(name)
        losses = [loss for loss in losses if loss.instance not in excused]
        for where, uuid, position in self.stranded():
            if uuid not in excused:
                step.stranded.append(uuid)
                source = sources.get(uuid, where)
                losses.append(Loss(STRANDED, position, source, uuid))
        return step, losses

    def _landing(self, source: str, held: Held) -> tuple[str, Held]:
        """Return where an instance of a host can move before its upgrade.

        :returns: a host, if possible one where it is not stranded after the
            upgrade, and its mdevs there; an empty name if there is none
        """
        host = self.hosts[source]
        stay = host.stay(held)
        after = self.counts()
        after[host.place] -= 1
        place = Place(frozenset(host.after))
        after[place] = after.get(place, 0) + 1
        wanted = [
            (takers, name, amount)
            for takers, (_, name, amount) in zip(
                self.classes.takers(stay), held, strict=False
            )
        ]
        wanted.sort(key=lambda one: -one[2])
        unsafe: tuple[str, Held] = '', ()
        # Hosts that will not be upgraded any more come first.
        for place in sorted(
            (one for one in self.places if self.classes.accept(one, stay)),
            key=lambda one: one.after is not None,
        ):
            for name in reversed(self.places[place]):
                target = self.hosts[name]
                for found in target.fits(wanted) if name != source else ():
                    landed = target.ordered(found)
                    position = place, target.stay(landed)
                    if self.is_accepted(position, after):
                        return name, landed
                    if not unsafe[0]:
                        unsafe = name, landed
        return unsafe

    def _put(
        self, uuid: str, source: str, target: str = '', held: Held = ()
    ) -> None:
        """Move an instance; without a target it is stopped."""
        left = dict(self.hosts[source].instances)
        self.hosts[source] = dataclasses.replace(
            self.hosts[source].take(left.pop(uuid), -1), instances=left
        )
        if target:
            host = self.hosts[target]
            self.hosts[target] = dataclasses.replace(
                host.take(held), instances={**host.instances, uuid: held}
            )
            self.positions[host.place, host.stay(held)] = None

    def _transition(self, name: str) -> None:
        """Let a host be what it becomes, with the instances that stay."""
        old, new = self.hosts[name], self.hosts[name].upgraded()
        self.hosts[name] = new
        self.places[old.place] = [
            one for one in self.places[old.place] if one != name
        ]
        self.places[new.place] = [*self.places.get(new.place, ()), name]
        for held in new.instances.values():
            self.positions[new.place, new.stay(held)] = None

    def reasons(self, positions: Iterable[Position], counts: Counts) -> str:
        """Return what all other hosts say to instances at some positions."""
        found = collections.Counter[str]()
        for here, stay in dict.fromkeys(positions):
            for place, number in counts.items():
                reason = self.classes.against(place, stay)
                found[reason or matching.NO_CAPACITY] += number - (
                    place == here
                )
        ordered = sorted(
            +found,
            key=lambda one: (one != matching.NO_CAPACITY, -found[one], one),
        )
        return text.join(
            [f'{one} ({text.count(found[one], "host")})' for one in ordered]
            or ['there is no other host with mdevs'],
            3,
            'reason',
            '; ',
        )

    def situation(self) -> object:
        """Return all on which acceptance depends, now and after an upgrade.

        Whether a place has no host, one, two or more is what counts.
        """
        counts = [min(number, 3) for number in self.counts().values()]
        return counts, len(self.positions)


def _first_state(
    scenario: Scenario,
    instances: Iterable[Instance],
    free: Mapping[str, Mapping[str, int]],
) -> CloudState:
    """Return a cloud before all upgrades.

    An instance for which nothing changes is left out: it need not leave, and
    could not move to a device that changes.
    """
    classes = NumberedClasses(scenario)
    hosts = {}
    for host in scenario.cloud.hosts:
        after = scenario.after.get(host.uuid)
        devices, new = (
            tuple(classes.number(host, one) for one in some.parents)
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
    changing = {
        usage.devices[index]
        for usage in hosts.values()
        for index in usage.changing
    }
    positions: dict[Position, None] = {}
    for one in instances:
        usage = hosts[one.host.name]
        held = usage.ordered(
            (one.host.parents.index(parent), name, amount)
            for parent, name, amount in one.mdevs
        )
        stay = usage.stay(held)
        if usage.must_leave(held) or not changing.isdisjoint(
            frozenset().union(*classes.takers(stay))
        ):
            hosts[one.host.name] = dataclasses.replace(
                usage, instances={**usage.instances, one.uuid: held}
            )
            positions[usage.place, stay] = None
    places: dict[Place, list[str]] = {}
    # Hosts that are upgraded last, because they have the most to move, are
    # filled first.
    for name in sorted(hosts, key=lambda name: (hosts[name].to_move(), name)):
        places.setdefault(hosts[name].place, []).append(name)
    return CloudState(classes, hosts, places, positions)


def _stranded(state: CloudState) -> list[Step]:
    """Return which instances are stranded before all upgrades, by host."""
    found: dict[str, dict[str, Position]] = {}
    for name, uuid, position in state.stranded():
        found.setdefault(name, {})[uuid] = position
    return [
        Step(
            name,
            state.group(name),
            stranded=sorted(some),
            because=state.reasons(some.values(), state.counts()),
        )
        for name, some in sorted(found.items())
    ]


def _groups(state: CloudState, last: object) -> dict[object, list[str]]:
    """Return the hosts to upgrade by group, the group to try first first.

    :param last: the group of the last host that was upgraded
    """
    found: dict[object, list[tuple[int, str]]] = {}
    for name, host in state.hosts.items():
        if host.place.after is not None:
            found.setdefault(state.group(name), []).append(
                (host.to_move(), name)
            )
    ordered = sorted(
        ((group, sorted(some)) for group, some in found.items()),
        key=lambda one: (one[1][0][0] > 0, one[0] != last, one[1][0]),
    )
    return {group: [name for _, name in some] for group, some in ordered}


def _choose(
    state: CloudState,
    groups: Mapping[object, Sequence[str]],
    excused: Collection[str],
) -> tuple[object, bool]:
    """Return the group to upgrade a host of, and whether that is safe."""
    losses: dict[object, int] = {}
    unsafe: dict[object, int] = {}
    for group, names in groups.items():
        trial = state.copy()
        losses[group] = len(trial.upgrade(names[0], excused)[1])
        if losses[group]:
            continue
        # In how many groups no host is safe then.
        unsafe[group] = sum(
            bool(trial.copy().upgrade(other, excused)[1])
            for some in itertools.islice(groups.values(), LOOK_AHEAD)
            for other in [one for one in some if one != names[0]][:1]
        )
        if not unsafe[group] or len(unsafe) == LOOK_AHEAD:
            break
    best = unsafe or losses
    return min(best, key=lambda group: best[group]), bool(unsafe)


def _obstacles(
    state: CloudState, names: Sequence[str], excused: Collection[str]
) -> Iterator[str]:
    """Yield why the first of some hosts that are alike cannot be next."""
    alike = f' (or {len(names) - 1} like it)' if len(names) > 1 else ''
    then = state.copy()
    found: dict[tuple[str, Position], list[Loss]] = {}
    for loss in then.upgrade(names[0], excused)[1]:
        found.setdefault((loss.why, loss.position), []).append(loss)
    for (why, position), some in found.items():
        hosts = text.join(sorted({loss.host for loss in some}))
        who = (
            f'{text.count(len(some), "instance")} of {hosts} '
            f'({state.classes.describe(position[1])})'
        )
        counts = (then if why is STRANDED else state).counts()
        yield (
            f'{names[0]}{alike} cannot be next: {why.format(who)}: '
            f'{state.reasons([position], counts)}'
        )
