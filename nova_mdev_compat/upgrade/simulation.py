# SPDX-License-Identifier: Apache-2.0
"""What happens to each instance in an order of upgrades. Pure.

Here capacity counts, and hosts have names. An instance moves as late as it
can, to where it can stay the longest, and there to the first host that has
room. One for which there is no room, or that cannot go anywhere, is out of
the way from then on: somebody has to stop it, or to make room.
"""

import collections
from collections.abc import Iterator, Sequence
import dataclasses
import itertools

from nova_mdev_compat.upgrade.fleet import Fleet
from nova_mdev_compat.upgrade.fleet import Pieces
from nova_mdev_compat.upgrade import landing
from nova_mdev_compat.upgrade import order
from nova_mdev_compat.upgrade.room import Free
from nova_mdev_compat.upgrade.room import Room
from nova_mdev_compat.upgrade.routes import Routes
from nova_mdev_compat.upgrade.routes import Way


@dataclasses.dataclass(frozen=True)
class Move:
    """A live migration: an instance's UUID, and names of hosts."""

    instance: str
    origin: str
    target: str


@dataclasses.dataclass(frozen=True)
class Trapped:
    """An instance that no other host takes.

    :ivar host: index in the fleet's hosts
    :ivar upgraded: this host has been
    """

    instance: str
    host: int
    upgraded: bool
    stay: landing.Stay


@dataclasses.dataclass
class Step:
    """The upgrade of a host.

    :ivar host: index in the fleet's hosts
    :ivar moves: before it, in order
    :ivar no_room: UUIDs of instances that should move and find no room
    :ivar to_stop: of those on the host that no other one takes
    :ivar stranded: those that no other host takes once it is done, and for
        the first time
    """

    run: int
    host: int
    moves: list[Move] = dataclasses.field(default_factory=list)
    no_room: list[str] = dataclasses.field(default_factory=list)
    to_stop: list[str] = dataclasses.field(default_factory=list)
    stranded: list[Trapped] = dataclasses.field(default_factory=list)


class Simulation:
    """Goes through an order of upgrades once.

    :param runs: all upgrades, in order
    :param free: what parents have to spare at first
    """

    def __init__(self, fleet: Fleet, runs: Sequence[order.Run], free: Free):
        self._fleet = fleet
        self._routes = Routes(fleet.problem, runs)
        self._room = Room(fleet, free)
        self._order = _order(fleet, runs)
        self._where = [
            self._routes.staying(host.group) for host in fleet.hosts
        ]
        for run, hosts in enumerate(self._order):
            for host in hosts:
                self._where[host] = self._routes.waiting(run)
        self._hosts: dict[int, list[int]] = collections.defaultdict(list)
        for host, place in enumerate(self._where):
            self._hosts[place].append(host)
        #: By place, and what is looked for there: the first host to look at.
        self._looked: dict[int, dict[object, int]] = collections.defaultdict(
            dict
        )
        self._on = [dict(host.instances) for host in fleet.hosts]
        #: How many instances there are at each position.
        self._number = collections.Counter(
            self._position(host, pieces)
            for host, some in enumerate(self._on)
            for pieces in some.values()
        )
        self._stranded: set[str] = set()

    def stranded_at_first(self) -> list[Trapped]:
        """Return the instances that no other host takes now, by host."""
        return sorted(
            self._newly_stranded(0), key=lambda one: (one.host, one.instance)
        )

    def steps(self) -> Iterator[Step]:
        """Yield all upgrades; to be asked for once, after those."""
        for run, hosts in enumerate(self._order):
            for host in hosts:
                step = Step(run, host)
                if host == hosts[0]:
                    self._move_early(step)
                self._empty(step)
                self._upgrade(step)
                if host == hosts[-1]:
                    step.stranded += self._newly_stranded(run + 1)
                yield step

    def _position(self, host: int, pieces: Pieces) -> int:
        return self._routes.board.index[
            self._where[host], self._room.stay(host, pieces)
        ]

    def _at(self, index: int) -> Iterator[tuple[int, str]]:
        """Return the instances at a position, each with its host."""
        place, _ = self._routes.board.positions[index]
        for host in self._hosts[place]:
            if self._where[host] == place:
                for uuid, pieces in sorted(self._on[host].items()):
                    if self._position(host, pieces) == index:
                        yield host, uuid

    def _newly_stranded(self, time: int) -> list[Trapped]:
        found = [
            Trapped(uuid, host, self._routes.is_upgraded(place), stay)
            for index, number in sorted(self._number.items())
            if number and not self._routes.is_free(time, index)
            for place, stay in [self._routes.board.positions[index]]
            for host, uuid in self._at(index)
            if uuid not in self._stranded
        ]
        self._stranded.update(one.instance for one in found)
        return found

    def _move_early(self, step: Step) -> None:
        """Move those that this step would strand on other hosts."""
        for index, number in sorted(self._number.items()):
            place, _ = self._routes.board.positions[index]
            if (
                number
                and place != self._routes.waiting(step.run)
                and self._routes.ways(step.run, index)
            ):
                for host, uuid in list(self._at(index)):
                    self._move(step, host, uuid)

    def _empty(self, step: Step) -> None:
        """Move those off the host that must or should leave it."""
        some = self._on[step.host]
        for uuid in sorted(
            some,
            key=lambda uuid: (
                -max(piece.amount for piece in some[uuid]),
                uuid,
            ),
        ):
            index = self._position(step.host, some[uuid])
            if self._routes.is_lost(step.run, index):
                step.to_stop.append(uuid)
                self._remove(step.host, uuid)
            elif self._routes.ways(step.run, index):
                self._move(step, step.host, uuid)

    def _move(self, step: Step, host: int, uuid: str) -> None:
        pieces = self._on[host][uuid]
        for way in self._routes.ways(step.run, self._position(host, pieces)):
            hops = self._hops(host, pieces, way)
            if hops:
                self._remove(host, uuid)
                self._add(*hops[-1], uuid)
                names = [
                    self._fleet.hosts[one].name
                    for one in (host, *(one for one, _ in hops))
                ]
                step.moves += [
                    Move(uuid, *pair) for pair in itertools.pairwise(names)
                ]
                return
        step.no_room.append(uuid)
        self._remove(host, uuid)

    def _hops(
        self, host: int, pieces: Pieces, way: Way
    ) -> list[tuple[int, Pieces]]:
        """Return hosts that have room, and how an instance is on each.

        Nothing where there is one that has not.
        """
        hops: list[tuple[int, Pieces]] = []
        for index in way:
            place, there = self._routes.board.positions[index]
            found = self._find(host, pieces, place, there)
            if found is None:
                return []
            hops.append(found)
            host, pieces = found
        return hops

    def _find(
        self, origin: int, pieces: Pieces, place: int, there: landing.Stay
    ) -> tuple[int, Pieces] | None:
        wanted = self._room.wanted(origin, pieces)
        key = (
            there,
            tuple(
                (piece.resource_class, piece.amount, takers)
                for piece, takers in wanted
            ),
        )
        hosts = self._hosts[place]
        number = first = self._looked[place].get(key, 0)
        for number in range(first, len(hosts)):
            host = hosts[number]
            found = None
            if self._where[host] == place and host != origin:
                found = self._room.place(host, wanted, there)
            if found is not None:
                self._looked[place][key] = first
                return host, found
            # All before this one have no room, but for the origin.
            first += number == first and host != origin
        self._looked[place][key] = first
        return None

    def _add(self, host: int, pieces: Pieces, uuid: str) -> None:
        self._room.take(host, pieces)
        self._on[host][uuid] = pieces
        self._number[self._position(host, pieces)] += 1

    def _remove(self, host: int, uuid: str) -> None:
        pieces = self._on[host][uuid]
        self._number[self._position(host, pieces)] -= 1
        self._room.take(host, pieces, -1)
        del self._on[host][uuid]
        self._looked[self._where[host]].clear()

    def _upgrade(self, step: Step) -> None:
        """Let a host be what it becomes, and who is still there with it."""
        host = step.host
        some = dict(self._on[host])
        for uuid in some:
            self._remove(host, uuid)
        self._room.devices[host] = self._fleet.hosts[host].new or ()
        self._where[host] = self._routes.upgraded(step.run)
        self._hosts[self._where[host]].append(host)
        for uuid, pieces in some.items():
            self._add(host, pieces, uuid)


def _order(fleet: Fleet, runs: Sequence[order.Run]) -> list[list[int]]:
    """Return the hosts of each run: of each group by name."""
    left: dict[int, list[int]] = collections.defaultdict(list)
    for number, host in enumerate(fleet.hosts):
        left[host.group].append(number)
    order = []
    for run in runs:
        some = left[run.group]
        order.append(some[: run.number])
        del some[: run.number]
    return order
