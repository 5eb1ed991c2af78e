# SPDX-License-Identifier: Apache-2.0
"""Where instances best go, step by step, in a given order of upgrades. Pure.

For each time and position it is worked out, from the last step backwards, how
long an instance there can go without being stranded.
"""

from collections.abc import Iterable, Sequence

from nova_mdev_compat.upgrade import board as bd
from nova_mdev_compat.upgrade import order
from nova_mdev_compat.upgrade.problem import Problem

#: Worth of a position whose host is upgraded now.
_NOWHERE = -1

#: Positions, a move to each.
Way = tuple[int, ...]


class Routes:
    """Knows an order, a run of upgrades at a time: time 0 is before them.

    Places are, for each kind of hosts, those that are not to be upgraded and
    those that have been; and for each run its hosts, until they are.

    :ivar board: all positions
    :ivar runs: the order
    """

    def __init__(self, problem: Problem, runs: Sequence[order.Run]):
        self._problem = problem
        self.runs = tuple(runs)
        self.board = bd.Board(
            [
                profile
                for kind in problem.kinds
                for profile in (kind.old, kind.new)
            ]
            + [problem.kinds[self._kind(run)].old for run in runs],
            [
                (place, stay)
                for number, group in enumerate(problem.groups)
                for place in self._first_places(number)
                for stay in group.stays
            ],
            self._lands,
            self._goes_on,
        )
        self._views = [
            self.board.view(self._counts(time))
            for time in range(len(runs) + 1)
        ]
        #: By time and position: the number of the step that strands it.
        self._worth = [[len(runs) + 1] * len(self.board.positions)]
        for time in reversed(range(len(runs))):
            self._worth.insert(0, self._worth_at(time, self._worth[0]))
        self._ways: dict[tuple[int, int], tuple[Way, ...]] = {}

    def _kind(self, run: order.Run) -> int:
        return self._problem.groups[run.group].kind

    def waiting(self, run: int) -> int:
        """Return the place of hosts that a run will upgrade."""
        return 2 * len(self._problem.kinds) + run

    def upgraded(self, run: int) -> int:
        """Return the place of hosts that a run has upgraded."""
        return 2 * self._kind(self.runs[run]) + 1

    def is_upgraded(self, place: int) -> bool:
        """Tell whether the hosts of a place have been upgraded."""
        return place < self.waiting(0) and place % 2 == 1

    def staying(self, group: int) -> int:
        """Return the place of hosts that are not to be upgraded."""
        return 2 * self._problem.groups[group].kind

    def _first_places(self, group: int) -> list[int]:
        if not self._problem.steps(group):
            return [self.staying(group)]
        return [
            self.waiting(number)
            for number, run in enumerate(self.runs)
            if run.group == group
        ]

    def _lands(
        self, stay: bd.Stay, profile: bd.Profile | None
    ) -> Iterable[bd.Stay]:
        return () if profile is None else self._problem.lands(stay, profile)

    def _goes_on(self, place: int, stay: bd.Stay) -> int | None:
        run = place - self.waiting(0)
        if run < 0 or self._problem.leaves(
            stay, self._problem.kinds[self._kind(self.runs[run])]
        ):
            return None
        return self.upgraded(run)

    def _counts(self, time: int) -> list[int]:
        counts = [0] * self.waiting(len(self.runs))
        for number, group in enumerate(self._problem.groups):
            if not self._problem.steps(number):
                counts[self.staying(number)] += group.size
        for number, run in enumerate(self.runs):
            if number < time:
                counts[self.upgraded(number)] += run.number
            else:
                # The last one of a run cannot go to another one of it.
                counts[self.waiting(number)] = (
                    1 if number == time else run.number
                )
        return counts

    def after(self, time: int, index: int) -> int | None:
        """Return where one is after the next run who does not move.

        None where one has to move.
        """
        place, stay = self.board.positions[index]
        if place != self.waiting(time):
            return index
        new = self._goes_on(place, stay)
        return None if new is None else self.board.index[new, stay]

    def is_free(self, time: int, index: int) -> bool:
        """Tell whether there is a move from a position: not stranded."""
        return bool(self.board.next(index, self._views[time]))

    def is_lost(self, time: int, index: int) -> bool:
        """Tell whether one can be nowhere when the next run is done."""
        return self._worth[time][index] == _NOWHERE

    def _worth_after(self, time: int, index: int, later: Sequence[int]) -> int:
        new = self.after(time, index)
        if new is None:
            return _NOWHERE
        return later[new] if self.is_free(time + 1, new) else time + 1

    def _worth_at(self, time: int, later: Sequence[int]) -> list[int]:
        """Return what positions are worth before a run.

        :param later: what they are after it
        """
        worth = [
            self._worth_after(time, index, later)
            for index in range(len(self.board.positions))
        ]
        left = {
            index: self.board.next(index, self._views[time])
            for index in range(len(worth))
        }
        good = 0
        for value in sorted(set(worth), reverse=True):
            better = [index for index in left if worth[index] == value]
            while better:
                for index in better:
                    worth[index] = value
                    good |= 1 << index
                    del left[index]
                better = [index for index, to in left.items() if to & good]
        return worth

    def ways(self, time: int, index: int) -> tuple[Way, ...]:
        """Return where it is best to go before the next run, and how.

        The shortest ways come first, and of these the ones to where one
        need not leave so soon.

        :returns: none where it is best to stay, or there is no way
        """
        if (time, index) not in self._ways:
            worth = self._worth[time][index]
            found = []
            if worth not in (
                _NOWHERE,
                self._worth_after(time, index, self._worth[time + 1]),
            ):
                found = [
                    way
                    for way in self._shortest(time, index)
                    if self._worth_after(time, way[-1], self._worth[time + 1])
                    == worth
                ]
            self._ways[time, index] = tuple(sorted(found, key=self._order))
        return self._ways[time, index]

    def _shortest(self, time: int, index: int) -> Iterable[Way]:
        """Return a shortest way to each position that can be reached."""
        seen = 1 << index
        todo: list[Way] = [()]
        for way in todo:  # which grows meanwhile
            last = way[-1] if way else index
            new = self.board.next(last, self._views[time]) & ~seen
            seen |= new
            todo += [(*way, one) for one in bd.bits(new)]
        return todo[1:]

    def _order(self, way: Way) -> tuple[int, int, Way]:
        run = self.board.positions[way[-1]][0] - self.waiting(0)
        return len(way), -run if run >= 0 else -len(self.runs), way
