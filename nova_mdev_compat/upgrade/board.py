# SPDX-License-Identifier: Apache-2.0
"""Where instances can be, and get to from there, as bits of integers. Pure.

A place is a number of hosts that are alike; a stay is how an instance is on
one of them. Hosts of one place need not be told apart, but for this: nothing
moves from a host to itself.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
import dataclasses
from typing import Any

#: How an instance is on a host: anything that can be a key.
Stay = Any
#: What a host is; likewise.
Profile = Any
#: A number of a place, and a stay there.
Position = tuple[int, Stay]


@dataclasses.dataclass(frozen=True)
class View:
    """Places at one time, as sets of positions.

    :ivar there: of places that have a host
    :ivar alone: of places that have one and no other
    """

    there: int
    alone: int


class Board:
    """All positions that there can ever be; the nth one is bit n of a set.

    :param places: the profile of each
    :param starts: where instances are
    :param lands: how an instance can then stay on a host of a profile; not
        at all if the host does not accept it
    :param goes_on: the place of an instance that has not moved, once its
        host has been upgraded; None where it must have left
    """

    def __init__(
        self,
        places: Sequence[Profile],
        starts: Iterable[Position],
        lands: Callable[[Stay, Profile], Iterable[Stay]],
        goes_on: Callable[[int, Stay], int | None],
    ):
        self._places = places
        self._lands = lands
        self._goes_on = goes_on
        self._landings: dict[Stay, list[Position]] = {}
        self.positions: list[Position] = []
        self.index: dict[Position, int] = {}
        self._explore(starts)
        self.place = [0] * len(places)
        for index, (place, _) in enumerate(self.positions):
            self.place[place] |= 1 << index
        landed = {
            stay: self.mask(some) for stay, some in self._landings.items()
        }
        self._next = [landed[stay] for _, stay in self.positions]

    def _explore(self, starts: Iterable[Position]) -> None:
        todo = list(dict.fromkeys(starts))
        for position in todo:  # which grows meanwhile
            if position in self.index:
                continue
            self.index[position] = len(self.positions)
            self.positions.append(position)
            place, stay = position
            after = self._goes_on(place, stay)
            if after is not None:
                todo.append((after, stay))
            if stay not in self._landings:
                self._landings[stay] = list(self._everywhere(stay))
                todo += self._landings[stay]

    def _everywhere(self, stay: Stay) -> Iterator[Position]:
        known: dict[Profile, list[Stay]] = {}
        for place, profile in enumerate(self._places):
            if profile not in known:
                known[profile] = list(self._lands(stay, profile))
            for landed in known[profile]:
                yield place, landed

    def mask(self, positions: Iterable[Position]) -> int:
        """Return a set of positions."""
        found = 0
        for position in positions:
            found |= 1 << self.index[position]
        return found

    def places(self, some: int) -> Iterator[int]:
        """Return the places of which there are positions in a set."""
        for number, mask in enumerate(self.place):
            if mask & some:
                yield number

    def view(self, counts: Iterable[int]) -> View:
        """Return what there is while places have so many hosts."""
        there = alone = 0
        for mask, count in zip(self.place, counts, strict=True):
            if count:
                there |= mask
            if count == 1:
                alone |= mask
        return View(there, alone)

    def next(self, index: int, view: View) -> int:
        """Return where one move leads from a position: to another host."""
        found = self._next[index] & view.there
        if view.alone >> index & 1:
            found &= ~self.place[self.positions[index][0]]
        return found

    def anywhere(self, index: int) -> int:
        """Return where one move can lead at whatever time."""
        return self._next[index]

    def reach(self, start: int, view: View) -> int:
        """Return where any moves lead from a set, with the set itself."""
        found = todo = start
        while todo:
            lowest = todo & -todo
            new = self.next(lowest.bit_length() - 1, view) & ~found
            found |= new
            todo = todo ^ lowest | new
        return found

    def free(self, some: int, view: View) -> int:
        """Return those of a set from which there is a move: not stranded."""
        return sum(
            1 << index for index in bits(some) if self.next(index, view)
        )


def bits(some: int) -> Iterator[int]:
    """Return the members of a set, in order."""
    while some:
        lowest = some & -some
        yield lowest.bit_length() - 1
        some ^= lowest
