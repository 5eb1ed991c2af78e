# SPDX-License-Identifier: Apache-2.0
"""Hosts for instances that all leave at once. Pure.

Hosts whose devices have equal offers and equal free capacity are one *state*
with a number of hosts, so that the search does not depend on how many hosts a
cloud has.
"""

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
import dataclasses
import itertools
import math

from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet.instances import Instance
from nova_mdev_compat.fleet import model
from nova_mdev_compat.fleet import stranded

#: Partial assignments that the search tries in vain before it gives up.
BUDGET = 2000

#: Number of an offer, and free capacity by number of the resource class.
Device = tuple[int, tuple[int, ...]]
#: The devices of a host, in order.
State = tuple[Device, ...]
#: Number of the need, and amount, of each piece of an instance.
Pieces = tuple[tuple[int, int], ...]
#: How much of each need devices of each kind take; a kind is the needs that
#: they accept, all of one resource class.
Flow = dict[tuple[int, frozenset[int]], int]
#: Number of hosts in each state.
States = dict[State, int]
#: Where instances go: their pieces, the state of the host, and its devices.
Moves = tuple[tuple[Pieces, State, tuple[int, ...]], ...]


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A host for each instance that has found one.

    :ivar hosts: names of hosts, by UUID of the instance
    :ivar proven: either all have one, or there is no room for all
    """

    hosts: Mapping[str, str]
    proven: bool


def assign(
    hosts: Iterable[model.Host],
    instances: Sequence[Instance],
    free: stranded.Free,
) -> Assignment:
    """Return hosts for instances that all leave at once.

    If all instances need the same amount from one device, the answer is that
    of a maximum flow, which is exact. Others, with vGPUs of several devices or
    of several amounts, are assigned first, by a search with a budget. If it finds
    no room for all, as many are assigned as fit one after the other.

    :param hosts: the targets
    :param instances: none of which a source is not known
    :param free: of their parents
    """
    search = _Search(hosts, instances, free)
    found = search.all()
    if found is None:
        found = search.some()
    return Assignment(search.named(found), search.proven)


@dataclasses.dataclass(frozen=True)
class _Found:
    """Moves of single instances, in order, and a flow for the others.

    :ivar moves: of those that need more than one unit
    """

    moves: Moves
    flow: Flow


class _Search:
    """An assignment of instances to hosts, by number of each kind.

    :ivar proven: nothing ended for want of budget
    """

    def __init__(
        self,
        hosts: Iterable[model.Host],
        instances: Sequence[Instance],
        free: stranded.Free,
    ):
        self.proven = True
        self._needs = list(
            dict.fromkeys(
                need for one in instances for need in one.needs or ()
            )
        )
        numbers = {need: index for index, need in enumerate(self._needs)}
        names = sorted({need.resource_class for need in self._needs})
        self._class_of = [
            names.index(need.resource_class) for need in self._needs
        ]
        # Amounts are counted in the largest unit that all are multiples of.
        self._unit = [
            math.gcd(
                *(
                    amount
                    for need in self._needs
                    if need.resource_class == name
                    for amount in need.amounts
                )
            )
            for name in names
        ]
        offers: dict[Offer, int] = {}
        self._hosts: dict[State, list[str]] = {}
        for host in hosts:
            state = tuple(
                (
                    offers.setdefault(Offer.of(parent.traits), len(offers)),
                    tuple(
                        free.get(name, {}).get(parent.uuid, 0)
                        for name in names
                    ),
                )
                for parent in host.parents
            )
            self._hosts.setdefault(state, []).append(host.name)
        self._accepted = [
            frozenset(
                number
                for number, need in enumerate(self._needs)
                if acceptance.accepts(offer, need)
            )
            for offer in offers
        ]
        self._waiting: dict[Pieces, list[str]] = {}
        for one in instances:
            pieces = sorted(
                (
                    (numbers[need], amount)
                    for need in one.needs or ()
                    for amount in need.amounts
                ),
                key=lambda piece: -piece[1],
            )
            self._waiting.setdefault(tuple(pieces), []).append(one.uuid)
        self._hard = [
            pieces
            for pieces, some in sorted(
                self._waiting.items(),
                key=lambda item: (-sum(n for _, n in item[0]), item[0]),
            )
            if not self._is_unit(pieces)
            for _ in some
        ]

    def _is_unit(self, pieces: Pieces) -> bool:
        """Return whether an instance is one unit of a flow."""
        (number, amount), *others = pieces
        return not others and amount == self._unit[self._class_of[number]]

    def all(self) -> _Found | None:
        """Return a place for all instances, None if none is found."""
        start: tuple[States, Moves] = self._counted(), ()
        seen: set[object] = set()
        # There may be more instances than Python recurses.
        stack = [iter([start])]
        while stack:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
                continue
            states, moves = step
            key = len(moves), frozenset(states.items())
            if key in seen:
                continue
            if len(seen) > BUDGET + len(self._hard):
                self.proven = False
                return None
            seen.add(key)
            # All that still waits has to fit piece by piece, at least.
            rest = self._hard[len(moves) :]
            flow, complete = self._flow(states, rest)
            if not complete:
                continue
            if not rest:
                return _Found(moves, flow)
            stack.append(self._placed(states, moves, rest[0]))
        return None

    def _counted(self) -> States:
        return {state: len(names) for state, names in self._hosts.items()}

    def some(self) -> _Found:
        """Return a place for each instance that fits after those before."""
        states = self._counted()
        moves: Moves = ()
        for pieces in self._hard:
            states, moves = next(
                self._placed(states, moves, pieces), (states, moves)
            )
        return _Found(moves, self._flow(states, ())[0])

    def _placed(
        self, states: States, moves: Moves, pieces: Pieces
    ) -> Iterator[tuple[States, Moves]]:
        """Yield what is left if an instance goes to a host, the best first.

        The best devices are those that accept the fewest others.
        """
        options = []
        for state in states:
            for devices in self._landings(state, pieces):
                accepted = sum(
                    len(self._accepted[state[i][0]]) for i in devices
                )
                left = sum(sum(some) for _, some in state)
                options.append((accepted, left, state, devices))
        for _, _, state, devices in sorted(options):
            after = dict(states)
            after[state] -= 1
            if not after[state]:
                del after[state]
            new = self._after(state, pieces, devices)
            after[new] = after.get(new, 0) + 1
            yield after, (*moves, (pieces, state, devices))

    def _landings(
        self, state: State, pieces: Pieces
    ) -> Iterator[tuple[int, ...]]:
        """Yield on which devices an instance fits; of equal ones, once."""
        if not pieces:
            yield ()
            return
        number, amount = pieces[0]
        tried = set()
        for index, device in enumerate(state):
            offer, free = device
            if (
                device in tried
                or number not in self._accepted[offer]
                or free[self._class_of[number]] < amount
            ):
                continue
            tried.add(device)
            left = self._after(state, pieces[:1], (index,))
            for others in self._landings(left, pieces[1:]):
                yield (index, *others)

    def _after(
        self, state: State, pieces: Pieces, devices: Sequence[int]
    ) -> State:
        """Return a host with an instance more."""
        found = [(offer, list(free)) for offer, free in state]
        for (number, amount), index in zip(pieces, devices, strict=True):
            found[index][1][self._class_of[number]] -= amount
        return tuple((offer, tuple(free)) for offer, free in found)

    def _flow(
        self, states: States, rest: Iterable[Pieces]
    ) -> tuple[Flow, bool]:
        """Return a maximum flow from needs to devices, and if it is enough.

        :param rest: instances that are not units; their pieces are taken for
            units that may go anywhere
        """
        supply = dict.fromkeys(range(len(self._needs)), 0)
        for pieces, some in self._waiting.items():
            if self._is_unit(pieces):
                supply[pieces[0][0]] += len(some)
        for number, amount in (piece for pieces in rest for piece in pieces):
            supply[number] += amount // self._unit[self._class_of[number]]
        capacity: dict[frozenset[int], int] = collections.Counter()
        for state, times in states.items():
            for kind, amount in self._kinds(state):
                capacity[kind] += amount * times
        flow = maximum_flow(supply, capacity)
        return flow, sum(flow.values()) == sum(supply.values())

    def _kinds(self, state: State) -> Iterator[tuple[frozenset[int], int]]:
        """Yield what each device accepts of each resource class, and units."""
        for offer, free in state:
            for index, amount in enumerate(free):
                kind = frozenset(
                    number
                    for number in self._accepted[offer]
                    if self._class_of[number] == index
                )
                if kind:
                    yield kind, amount // self._unit[index]

    def named(self, found: _Found) -> dict[str, str]:
        """Return the hosts of an assignment, by UUID of the instance."""
        waiting = {key: some[::-1] for key, some in self._waiting.items()}
        hosts = {state: list(some) for state, some in self._hosts.items()}
        result = {}
        for pieces, state, devices in found.moves:
            name = hosts[state].pop()
            result[waiting[pieces].pop()] = name
            new = self._after(state, pieces, devices)
            hosts.setdefault(new, []).append(name)
        units = {
            pieces[0][0]: some
            for pieces, some in waiting.items()
            if self._is_unit(pieces)
        }
        left = dict(found.flow)
        for state, names in hosts.items():
            for kind, amount in self._kinds(state):
                for name in names:
                    spare = amount
                    for number in sorted(kind):
                        taken = min(spare, left.get((number, kind), 0))
                        for _ in range(taken):
                            result[units[number].pop()] = name
                        if taken:
                            left[number, kind] -= taken
                            spare -= taken
        return result


def maximum_flow(
    supply: Mapping[int, int], capacity: Mapping[frozenset[int], int]
) -> Flow:
    """Return how much of each need devices of each kind take.

    By augmenting paths: a need that finds all kinds full that accept it makes
    another need move to a kind with room.

    :param supply: units, by need
    :param capacity: units, by kind: the needs that it accepts
    """
    flow: Flow = collections.Counter()
    used: dict[frozenset[int], int] = collections.Counter()
    for need, units in supply.items():
        left = units
        while left:
            path = _augmenting_path(need, flow, used, capacity)
            if not path:
                break
            end = path[-1][1]
            amount = min(left, capacity[end] - used[end])
            for (_, kind), (other, _) in itertools.pairwise(path):
                amount = min(amount, flow[other, kind])
            for index, step in enumerate(path):
                flow[step] += amount
                if index:
                    flow[step[0], path[index - 1][1]] -= amount
            used[end] += amount
            left -= amount
    return {step: amount for step, amount in flow.items() if amount}


def _augmenting_path(
    need: int,
    flow: Flow,
    used: Mapping[frozenset[int], int],
    capacity: Mapping[frozenset[int], int],
) -> list[tuple[int, frozenset[int]]]:
    """Return needs, and the kinds that they then go to, the shortest path.

    Each need but the first leaves the kind of the one before.
    """
    todo = collections.deque(
        [[(need, kind)] for kind in capacity if need in kind]
    )
    seen = {path[-1][1] for path in todo}
    while todo:
        path = todo.popleft()
        kind = path[-1][1]
        if used[kind] < capacity[kind]:
            return path
        for other in sorted(kind):
            if not flow.get((other, kind)):
                continue
            for further in capacity:
                if other in further and further not in seen:
                    seen.add(further)
                    todo.append([*path, (other, further)])
    return []
