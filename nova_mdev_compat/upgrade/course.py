# SPDX-License-Identifier: Apache-2.0
"""Where instances can have got to while hosts are upgraded, by kinds. Pure.

Instances do not hinder each other here, since capacity does not count. So
what matters of an order is, for each place where an instance was at first,
where it can be now; and as hosts that are alike can stand for each other, how
many of them have been upgraded. Only the host where an instance was at first
is apart from those like it, for as long as it has not been upgraded.
"""

from collections.abc import Iterable

from nova_mdev_compat.upgrade import board as bd
from nova_mdev_compat.upgrade import problem as prob

_OLD, _NEW, _OWN = range(3)


class Course:
    """What steps do to instances.

    :ivar steps: hosts to upgrade, by group
    :ivar starts: where instances are at first, without those that are
        stranded there
    :ivar stranded: these
    """

    def __init__(self, problem: prob.Problem):
        self.problem = problem
        self.steps = tuple(map(problem.steps, range(len(problem.groups))))
        starts = sorted(
            {
                (group.kind, stay)
                for group in problem.groups
                for stay in group.stays
            },
            key=str,
        )
        self._board = bd.Board(
            [
                profile
                for kind in problem.kinds
                for profile in (kind.old, kind.new, kind.old)
            ],
            [(_place(kind, _OWN), stay) for kind, stay in starts],
            self._lands,
            self._goes_on,
        )
        self._passes = [
            0 if place is None else self._board.mask([(place, stay)])
            for place, stay in (
                (self._goes_on(*position), position[1])
                for position in self._board.positions
            )
        ]
        self._views: dict[tuple[tuple[int, ...], int | None], bd.View] = {}
        nothing = (0,) * len(self.steps)
        self.starts = [
            one
            for one in starts
            if self._board.free(self._home(one), self._view(nothing, one[0]))
        ]
        self.stranded = frozenset(starts) - set(self.starts)
        self._hopeful = self._hope()
        #: A start, for each set that has been in a state's "gone".
        self._origins: dict[int, int] = {}

    def _lands(
        self, stay: bd.Stay, profile: bd.Profile | None
    ) -> Iterable[bd.Stay]:
        return () if profile is None else self.problem.lands(stay, profile)

    def _goes_on(self, place: int, stay: bd.Stay) -> int | None:
        number, role = divmod(place, 3)
        kind = self.problem.kinds[number]
        if role == _NEW or kind.new is None:
            return None
        if self.problem.leaves(stay, kind):
            return None
        return _place(number, _NEW)

    def _home(self, start: prob.Start) -> int:
        kind, stay = start
        return self._board.mask([(_place(kind, _OWN), stay)])

    def _hope(self) -> int:
        """Return from where it could end well, if all moves were open."""
        found = 0
        for home in {
            None,
            *(
                kind
                for kind, _ in self.starts
                if self.problem.kinds[kind].new is None
            ),
        }:
            view = self._view(self.steps, home)
            found |= self._board.free(view.there, view)
        grown = True
        while grown:
            more = sum(
                1 << index
                for index in range(len(self._board.positions))
                if found & (self._board.anywhere(index) | self._passes[index])
            )
            grown = bool(more & ~found)
            found |= more
        return found

    def links(self) -> list[int]:
        """Return a number for each kind of hosts.

        Kinds have the same one if an instance could ever move between their
        hosts, in one move or in many.
        """
        found = list(range(len(self.problem.kinds)))
        for index, (place, _) in enumerate(self._board.positions):
            for other in self._board.places(self._board.anywhere(index)):
                one, two = found[place // 3], found[other // 3]
                if one != two:
                    found = [one if kind == two else kind for kind in found]
        return found

    def first(self) -> prob.State:
        """Return how it is before any step."""
        return prob.State(
            (0,) * len(self.steps), tuple(map(self._home, self.starts))
        )

    def hopeless(self) -> list[prob.Loss]:
        """Return the instances for which no order ends well."""
        return [
            self._loss(start, home, prob.When.AT_LAST)
            for start, home in enumerate(map(self._home, self.starts))
            if not home & self._hopeful
        ]

    def advance(
        self, state: prob.State, group: int, hopeful: bool = True
    ) -> tuple[prob.State, list[prob.Loss]]:
        """Return how it is when one host more has been upgraded.

        :param hopeful: count those as lost, too, that are not yet, but will
            be whatever comes
        :returns: the state, without those that are lost; and these
        """
        step = _Step(self, state, group, self._hopeful if hopeful else -1)
        homes = tuple(
            step.home(start, some) if some else 0
            for start, some in enumerate(state.homes)
        )
        for some in state.gone:
            step.goes(some)
        return prob.State(step.done, homes, _smallest(step.gone)), step.lost

    def _left(
        self, done: tuple[int, ...], kind: int, stay: bd.Stay = None
    ) -> int:
        """Return how many hosts of a kind have not been upgraded.

        :param stay: of those that had such an instance at first
        """
        return sum(
            group.size - some
            for group, some in zip(self.problem.groups, done, strict=True)
            if group.kind == kind and (stay is None or stay in group.stays)
        )

    def _view(self, done: tuple[int, ...], home: int | None) -> bd.View:
        """Return what there is.

        :param home: kind of the host where an instance was at first, while
            that has not been upgraded
        """
        if (done, home) not in self._views:
            counts = [0] * (3 * len(self.problem.kinds))
            for group, some in zip(self.problem.groups, done, strict=True):
                counts[_place(group.kind, _OLD)] += group.size - some
                counts[_place(group.kind, _NEW)] += some
            if home is not None:
                counts[_place(home, _OLD)] -= 1
                counts[_place(home, _OWN)] = 1
            self._views[done, home] = self._board.view(counts)
        return self._views[done, home]

    def _loss(self, start: int, some: int, when: prob.When) -> prob.Loss:
        place, stay = self._board.positions[next(bd.bits(some))]
        kind, role = divmod(place, 3)
        return prob.Loss(self.starts[start], (kind, role == _NEW, stay), when)


class _Step:
    """One host is upgraded.

    :param hopeful: where one must be able to be, not to be lost
    :ivar done: hosts that have been upgraded then, by group
    :ivar gone: sets for the next state's "gone"
    :ivar lost: who does not get over it
    """

    def __init__(
        self, course: Course, state: prob.State, group: int, hopeful: int
    ):
        self._course, self._board = course, course._board
        self._hopeful = hopeful
        self._before = state.done
        self.done = (
            *state.done[:group],
            state.done[group] + 1,
            *state.done[group + 1 :],
        )
        self._stays = course.problem.groups[group].stays
        self._kind = course.problem.groups[group].kind
        self.gone: list[int] = []
        self.lost: list[prob.Loss] = []

    def home(self, start: int, some: int) -> int:
        """Note what becomes of those whose first host it is.

        :returns: where the others can be, whose first host it is not
        """
        kind, stay = self._course.starts[start]
        reached = self._reach(some, kind)
        if kind == self._kind and stay in self._stays:
            own = self._board.place[_place(kind, _OWN)]
            self._leave(start, reached & ~own | self._pass(reached & own))
        if not self._course._left(self.done, kind, stay):
            return 0
        return self._survive(start, self._others(reached, kind), kind)

    def goes(self, some: int) -> None:
        """Note what becomes of those whose first host is upgraded."""
        reached = self._reach(some, None)
        self._leave(self._course._origins[some], self._others(reached, None))

    def _leave(self, start: int, left: int) -> None:
        some = self._survive(start, left, None)
        if some:
            self._course._origins.setdefault(some, start)
            self.gone.append(some)

    def _reach(self, some: int, home: int | None) -> int:
        return self._board.reach(some, self._course._view(self._before, home))

    def _others(self, reached: int, home: int | None) -> int:
        """Return where they can be who need not have been on this host."""
        old = self._board.place[_place(self._kind, _OLD)]
        found = reached | self._pass(reached & old)
        others = self._course._left(self.done, self._kind)
        return found if others > (home == self._kind) else found & ~old

    def _pass(self, some: int) -> int:
        found = 0
        for index in bd.bits(some):
            found |= self._course._passes[index]
        return found

    def _survive(self, start: int, left: int, home: int | None) -> int:
        """Return where those can be who are not lost; 0 if all are.

        :param left: where they can be when the host has been upgraded; there
            is such a place, since another host took them until then
        """
        free = self._board.free(left, self._course._view(self.done, home))
        if free & self._hopeful:
            return free & self._hopeful
        self.lost.append(
            self._course._loss(start, free, prob.When.AT_LAST)
            if free
            else self._course._loss(start, left, prob.When.NOW)
        )
        return 0


def _place(kind: int, role: int) -> int:
    return 3 * kind + role


def _smallest(some: Iterable[int]) -> tuple[int, ...]:
    """Return the sets that have no other one as a part."""
    found: list[int] = []
    for one in sorted(set(some), key=int.bit_count):
        if not any(other & ~one == 0 for other in found):
            found.append(one)
    return tuple(sorted(found))
