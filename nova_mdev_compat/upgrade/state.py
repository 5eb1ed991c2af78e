# SPDX-License-Identifier: Apache-2.0
"""Hosts and instances while hosts are upgraded and instances move.

Hosts that accept the same, before and after their upgrade, are in one *place*.
The *stay* of an instance is the classes of the devices that its mdevs are on.
Both together are its *position*. Equal positions are looked at once, so that
the cost hardly grows with hosts and instances.

Placement chooses the devices that an instance gets on a host. Here these are
the first that accept it and have capacity.
"""

import collections
from collections.abc import Callable, Iterable, Mapping, Sequence
import dataclasses
import functools

from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet.device_classes import PublishedClass
from nova_mdev_compat.fleet.instances import Instance
from nova_mdev_compat.fleet import model
from nova_mdev_compat.upgrade.scenario import device_class
from nova_mdev_compat.upgrade.scenario import Scenario

#: Numbers of device classes, sorted.
Stay = tuple[int, ...]
#: Number of a place, and a stay.
Position = tuple[int, Stay]
#: Numbers of hosts, by place.
Counts = tuple[int, ...]
#: The mdevs of an instance: index of the device on its host, resource class
#: and amount of each.
Held = tuple[tuple[int, str, int], ...]


@dataclasses.dataclass(eq=False)
class Node:
    """A host.

    :ivar devices: numbers of its device classes
    :ivar new: what these are after the upgrade
    :ivar pending: it is still to be upgraded
    :ivar changing: indexes of the devices that instances must leave first
    :ivar free: by device, mdevs to spare by resource class
    :ivar rank: index among the members of its place
    :ivar instances: their mdevs by UUID
    """

    name: str
    devices: tuple[int, ...]
    new: tuple[int, ...]
    pending: bool
    changing: frozenset[int]
    free: list[dict[str, int]]
    place: int = -1
    rank: int = -1
    instances: dict[str, Held] = dataclasses.field(default_factory=dict)

    def stay(self, held: Held) -> Stay:
        """Return the stay of an instance that is here."""
        return tuple(sorted(self.devices[index] for index, _, _ in held))

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

    def take(self, held: Held, sign: int = 1) -> None:
        """Take capacity for mdevs; with a sign of -1, give it back."""
        for index, resource_class, amount in held:
            self.free[index][resource_class] = (
                self.free[index].get(resource_class, 0) - sign * amount
            )

    def fit(
        self,
        wanted: Sequence[tuple[str, int, frozenset[int]]],
        stay: Sequence[int],
    ) -> Held | None:
        """Return the devices that have capacity for mdevs, None if not all.

        :param wanted: resource classes, amounts, and accepting device classes
        :param stay: the device classes to land on
        """
        if not wanted:
            return ()
        resource_class, amount, takers = wanted[0]
        for index, number in enumerate(self.devices):
            if (
                number in stay
                and number in takers
                and self.free[index].get(resource_class, 0) >= amount
            ):
                left = list(stay)
                left.remove(number)
                held = ((index, resource_class, amount),)
                self.take(held)
                others = self.fit(wanted[1:], left)
                self.take(held, -1)
                if others is not None:
                    return held + others
        return None


@dataclasses.dataclass
class HostClass:
    """Hosts that accept the same, before and after their upgrade.

    :ivar profile: numbers of their device classes
    :ivar next: number of the place of these hosts after their upgrade; of
        this one if there is none to come
    :ivar members: in the order in which they are filled; a host stays listed
        when it has been upgraded
    :ivar count: of those that have not been
    :ivar full: how many members at the front have no capacity, by what was
        looked for
    """

    profile: frozenset[int]
    next: int
    members: list[Node] = dataclasses.field(default_factory=list)
    count: int = 0
    full: dict[object, int] = dataclasses.field(default_factory=dict)

    def look_again(self, rank: int) -> None:
        """Note that a member may have capacity again."""
        for wanted, number in self.full.items():
            self.full[wanted] = min(number, rank)


class CloudState:
    """Where instances are, what hosts accept, and how much is free.

    Changes are logged, so that they can be undone.

    :param instances: all those on every host that scenario.concerned() has
    :param free: mdevs that parents have to spare, by resource class, by UUID
    :ivar nodes: the hosts that have devices, by name
    """

    def __init__(
        self,
        scenario: Scenario,
        instances: Iterable[Instance],
        free: Mapping[str, Mapping[str, int]],
    ):
        self._asked = scenario.facts_asked_about()
        self._numbers: dict[object, int] = {}
        self._classes: list[PublishedClass] = []
        self._offers: list[Offer | None] = []
        self._takers: dict[Stay, tuple[frozenset[int], ...]] = {}
        self._accepting: dict[Stay, list[int]] = {}
        self._landings: dict[Stay, list[Position]] = {}
        self._undo: list[Callable[[], None]] = []
        self._changed: set[Node] = set()
        self._host: dict[str, Node] = {}
        self._at: dict[Position, dict[str, None]] = collections.defaultdict(
            dict
        )
        self.places: list[HostClass] = []
        self.nodes = {
            host.name: self._node(scenario, host, free)
            for host in scenario.cloud.hosts
            if host.parents
        }
        self._read(instances)

    def _node(
        self,
        scenario: Scenario,
        host: model.Host,
        free: Mapping[str, Mapping[str, int]],
    ) -> Node:
        after = scenario.after.get(host.uuid)
        devices, new = (
            tuple(
                self._number(host.published, parent) for parent in one.parents
            )
            for one in (host, after or host)
        )
        return Node(
            host.name,
            devices,
            new,
            after is not None,
            frozenset(
                index
                for index, parent in enumerate(host.parents)
                if scenario.changes(host, parent)
            ),
            [
                {name: some.get(parent.uuid, 0) for name, some in free.items()}
                for parent in host.parents
            ],
        )

    def _number(self, published: bool, parent: model.Parent) -> int:
        """Return the number of a device's class."""
        key = published, id(parent.said)
        if key not in self._numbers:
            found = device_class(published, parent.said, self._asked)
            if found not in self._numbers:
                self._numbers[found] = len(self._classes)
                self._classes.append(found)
                self._offers.append(
                    Offer(frozenset(found.accepts), found.serves)
                    if published
                    else None
                )
            self._numbers[key] = self._numbers[found]
        return self._numbers[key]

    def _read(self, instances: Iterable[Instance]) -> None:
        """Put instances on their hosts, and hosts into places.

        An instance for which nothing changes is left out: it need not leave,
        and could not move to a device that changes.
        """
        changing = {
            node.devices[index]
            for node in self.nodes.values()
            for index in node.changing
        }
        for one in instances:
            node = self.nodes[one.host.name]
            held = tuple(
                (one.host.parents.index(parent), name, amount)
                for parent, name, amount in one.mdevs
            )
            if node.must_leave(held) or not changing.isdisjoint(
                frozenset().union(*self._takers_of(node.stay(held)))
            ):
                node.instances[one.uuid] = held
                self._host[one.uuid] = node
        # Hosts that are upgraded last, because they have the most to move,
        # are filled first.
        numbers: dict[object, int] = {}
        for node in sorted(
            self.nodes.values(), key=lambda node: (-node.to_move(), node.name)
        ):
            new, old = frozenset(node.new), frozenset(node.devices)
            after = numbers.setdefault(new, len(self.places))
            if after == len(self.places):
                self.places.append(HostClass(new, after))
            now = after
            if node.pending:
                now = numbers.setdefault((old, new), len(self.places))
                if now == len(self.places):
                    self.places.append(HostClass(old, after))
            self._enter(node, now)
            for uuid, held in node.instances.items():
                self._at[now, node.stay(held)][uuid] = None

    def _enter(self, node: Node, number: int) -> None:
        place = self.places[number]
        node.place, node.rank = number, len(place.members)
        place.members.append(node)
        place.count += 1

    def _needs(self, stay: Stay, apart: bool) -> acceptance.Needs | None:
        """Return what an instance needs elsewhere, None if it is unknown.

        :param apart: keep mdevs of one type apart, by resource classes 0, 1…
        """
        held = [
            (
                frozenset(self._classes[number].sources),
                str(index if apart else 0),
                1,
            )
            for index, number in enumerate(stay)
        ]
        return (
            acceptance.needs(held)
            if all(sources for sources, _, _ in held)
            else None
        )

    def _takers_of(self, stay: Stay) -> tuple[frozenset[int], ...]:
        """Return, for each of the mdevs, the device classes that accept it."""
        if stay not in self._takers:
            needs = {
                int(need.resource_class): need
                for need in self._needs(stay, True) or ()
            }
            self._takers[stay] = tuple(
                frozenset(
                    number
                    for number, offer in enumerate(self._offers)
                    if offer
                    and index in needs
                    and acceptance.accepts(offer, needs[index])
                )
                for index in range(len(stay))
            )
        return self._takers[stay]

    def landings(self, stay: Stay) -> list[Position]:
        """Return the positions to which an instance can move."""
        if stay not in self._landings:
            self._landings[stay] = []
            for number, place in enumerate(self.places):
                found: set[Stay] = {()}
                for takers in self._takers_of(stay):
                    found = {
                        tuple(sorted((*one, device)))
                        for one in found
                        for device in takers & place.profile
                    }
                self._landings[stay] += [
                    (number, one) for one in sorted(found)
                ]
            self._accepting[stay] = sorted(
                {number for number, _ in self._landings[stay]}
            )
        return self._landings[stay]

    def is_accepted(self, position: Position, counts: Counts) -> bool:
        """Return whether another host accepts an instance, full or not."""
        place, stay = position
        self.landings(stay)
        return any(
            counts[other] > (other == place) for other in self._accepting[stay]
        )

    def against(self, stay: Stay, place: int) -> str:
        """Return why hosts of a place do not accept an instance, or ''."""
        needs = self._needs(stay, False)
        offers = frozenset(
            self._offers[number] for number in self.places[place].profile
        )
        if None in offers:
            return str(matching.NOT_PUBLISHED)
        if needs is None:
            return str(matching.NO_IDENTITY)
        return str(acceptance.judge(offers, needs))

    def devices(self, stay: Stay) -> str:
        """Return what the mdevs of an instance are on, in words."""
        return matching.describe(
            self._classes[number].sources for number in stay
        )

    def counts(self, upgraded: Node | None = None) -> Counts:
        """Return how many hosts are in each place.

        :param upgraded: count this host as upgraded
        """
        counts = [place.count for place in self.places]
        if upgraded:
            counts[upgraded.place] -= 1
            counts[self.places[upgraded.place].next] += 1
        return tuple(counts)

    def is_pending(self, place: int) -> bool:
        """Return whether the hosts of a place are still to be upgraded."""
        return self.places[place].next != place

    def occupied(self) -> list[Position]:
        """Return the positions of all instances."""
        return [position for position, some in self._at.items() if some]

    def at(self, position: Position) -> list[str]:
        """Return the UUIDs of the instances at a position."""
        return sorted(self._at[position])

    def host(self, uuid: str) -> Node:
        """Return where an instance is."""
        return self._host[uuid]

    def position(self, uuid: str) -> Position:
        """Return the position of an instance."""
        node = self._host[uuid]
        return node.place, node.stay(node.instances[uuid])

    def move(
        self, uuid: str, way: Sequence[Position], avoid: Node
    ) -> list[Node]:
        """Move an instance to some positions, one after the other.

        :param avoid: a host on which it must not end
        :returns: the hosts, the first one included; none if one has no
            capacity: then it has not moved
        """
        hops = [self._host[uuid]]
        held = hops[0].instances[uuid]
        for left, position in enumerate(way, 1 - len(way)):
            found = self._find(
                hops[-1], held, position, None if left else avoid
            )
            if found is None:
                return []
            hops.append(found[0])
            held = found[1]
        # A host that is emptied for its upgrade is not filled again before.
        self.put(uuid, hops[-1], held, refill=hops[0] is not avoid)
        return hops

    def _find(
        self, source: Node, held: Held, position: Position, avoid: Node | None
    ) -> tuple[Node, Held] | None:
        """Return the first host with capacity, and the mdevs on it."""
        number, stay = position
        takers = dict(
            zip(
                source.stay(held),
                self._takers_of(source.stay(held)),
                strict=True,
            )
        )
        wanted = tuple(
            (name, amount, takers[source.devices[index]])
            for index, name, amount in sorted(held, key=lambda one: -one[2])
        )
        place = self.places[number]
        full = place.full.get((stay, wanted), 0)
        found = None
        for rank in range(full, len(place.members)):
            node = place.members[rank]
            if node.place == number:
                if node in (source, avoid):
                    continue
                fitted = node.fit(wanted, stay)
                if fitted is not None:
                    found = node, fitted
                    break
            full += rank == full
        place.full[stay, wanted] = full
        return found

    def put(
        self,
        uuid: str,
        node: Node | None,
        held: Held = (),
        refill: bool = True,
    ) -> None:
        """Let an instance be on a host; on none if it is stopped.

        :param refill: others may move to the host where it was
        """
        old = self._host.get(uuid)
        before = old.instances[uuid] if old else ()
        self._undo.append(functools.partial(self._put, uuid, old, before))
        self._changed.update(one for one in (old, node) if one)
        self._put(uuid, node, held, refill)

    def _put(
        self, uuid: str, node: Node | None, held: Held, refill: bool = True
    ) -> None:
        old = self._host.pop(uuid, None)
        if old:
            before = old.instances.pop(uuid)
            old.take(before, -1)
            del self._at[old.place, old.stay(before)][uuid]
            if refill:
                self.places[old.place].look_again(old.rank)
        if node:
            self._host[uuid] = node
            node.instances[uuid] = held
            node.take(held)
            self._at[node.place, node.stay(held)][uuid] = None

    def upgrade(self, node: Node) -> None:
        """Let a host be what it becomes, with the instances that stay."""
        staying = dict(node.instances)
        for uuid in staying:
            self.put(uuid, None, refill=False)
        self._undo.append(
            functools.partial(
                self._downgrade, node, node.devices, node.place, node.rank
            )
        )
        self._changed.add(node)
        self.places[node.place].count -= 1
        self._enter(node, self.places[node.place].next)
        node.devices, node.pending = node.new, False
        for uuid, held in staying.items():
            self.put(uuid, node, held)

    def _downgrade(
        self, node: Node, devices: tuple[int, ...], place: int, rank: int
    ) -> None:
        upgraded = self.places[node.place]
        upgraded.members.pop()
        upgraded.count -= 1
        upgraded.look_again(node.rank)
        node.devices, node.pending = devices, True
        node.place, node.rank = place, rank
        self.places[place].count += 1

    def mark(self) -> int:
        """Return how many changes there are, for undo()."""
        return len(self._undo)

    def undo(self, mark: int) -> None:
        """Undo the changes since a mark."""
        while len(self._undo) > mark:
            self._undo.pop()()

    def commit(self) -> set[Node]:
        """Make changes final; return the hosts that may have changed."""
        self._undo.clear()
        changed, self._changed = self._changed, set()
        return changed
