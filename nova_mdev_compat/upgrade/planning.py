# SPDX-License-Identifier: Apache-2.0
"""The search for an order of upgrades that strands nobody. Pure.

It is exact. Of more than six hosts that are alike the others are upgraded
together with one of the six: while two of their kind have been upgraded, and
at least three will not yet have been, nothing depends on how many there are,
so all that come in between may as well come when the first of them does.
Kinds of hosts between which no instance can move are searched apart.
"""

from collections.abc import Iterable, Iterator, Sequence
import dataclasses

from nova_mdev_compat.upgrade.course import Course
from nova_mdev_compat.upgrade import order
from nova_mdev_compat.upgrade.problem import Problem
from nova_mdev_compat.upgrade.problem import State

#: Hosts of a group that are told apart.
CAP = 6
#: Of a kind, those before the ones that may be many.
_BEFORE = 2
#: Of a kind, those that are not upgraded yet while the many are.
_AFTER = 3
#: Steps that are tried, in each part, before the search gives up.
LIMIT = 100_000
#: Dead ends that are told.
_TOLD = 3


def search(
    problem: Problem, limit: int | None = None, cap: int = CAP
) -> order.Plan:
    """Return an order of upgrades that strands nobody, if there is one.

    :param limit: by default LIMIT
    :param cap: hosts of a group that are told apart
    """
    found = [
        (
            part,
            _Search(
                _part(problem, part), LIMIT if limit is None else limit, cap
            ).plan(),
        )
        for part in parts(problem)
    ]
    outcomes = {plan.outcome for _, plan in found}
    return order.Plan(
        next(
            (
                one
                for one in (order.Outcome.NONE, order.Outcome.UNDECIDED)
                if one in outcomes
            ),
            order.Outcome.FOUND,
        ),
        tuple(
            order.Run(part[run.group], run.number)
            for part, plan in found
            for run in plan.runs
        ),
        frozenset().union(*(plan.stranded for _, plan in found)),
        sum(plan.tried for _, plan in found),
        tuple(
            _spread(end, part, len(problem.groups))
            for part, plan in found
            for end in plan.dead_ends
        ),
    )


def parts(problem: Problem) -> list[list[int]]:
    """Return the groups between whose hosts instances could ever move."""
    linked = Course(problem).links()
    found: dict[int, list[int]] = {}
    for number, group in enumerate(problem.groups):
        found.setdefault(linked[group.kind], []).append(number)
    return list(found.values())


def _part(problem: Problem, groups: Sequence[int]) -> Problem:
    return dataclasses.replace(
        problem, groups=tuple(problem.groups[number] for number in groups)
    )


def _spread(
    end: order.DeadEnd, part: Sequence[int], groups: int
) -> order.DeadEnd:
    """Return a dead end of a part in the terms of the whole."""
    done = [0] * groups
    for number, upgraded in zip(part, end.done, strict=True):
        done[number] = upgraded
    return order.DeadEnd(
        tuple(done),
        tuple(
            (None if number is None else part[number], losses)
            for number, losses in end.losses
        ),
    )


@dataclasses.dataclass
class _Node:
    """A state on the way, and what is still to be tried from it.

    :ivar end: no step was possible so far
    """

    state: State
    choices: Iterator[int]
    end: bool = True


class _Search:
    """Looks in depth first, and remembers from where that is of no use."""

    def __init__(self, problem: Problem, limit: int, cap: int):
        self._sizes = [group.size for group in problem.groups]
        self._course = Course(
            dataclasses.replace(
                problem,
                groups=tuple(
                    dataclasses.replace(group, size=min(group.size, cap))
                    if problem.steps(number)
                    else group
                    for number, group in enumerate(problem.groups)
                ),
            )
        )
        self._left = self._limit = limit
        self._failed: dict[tuple[int, ...], list[State]] = {}
        self._ends: list[tuple[int, ...]] = []

    def plan(self) -> order.Plan:
        hopeless = self._course.hopeless()
        path = None if hopeless else self._path()
        if path is not None:
            return self._plan(order.Outcome.FOUND, path)
        ends = [
            order.DeadEnd((0,) * len(self._sizes), ((None, tuple(hopeless)),))
        ]
        if not hopeless:
            ends = [self._dead_end(path) for path in self._ends]
        return self._plan(
            order.Outcome.NONE if self._left else order.Outcome.UNDECIDED,
            self._forced(),
            ends,
        )

    def _plan(
        self,
        outcome: order.Outcome,
        path: Sequence[int],
        ends: Iterable[order.DeadEnd] = (),
    ) -> order.Plan:
        return order.Plan(
            outcome,
            self._runs(path),
            self._course.stranded,
            self._limit - self._left,
            tuple(ends),
        )

    def _path(self) -> tuple[int, ...] | None:
        """Return the groups of which to upgrade a host, in order.

        None where there is no order, or the limit is reached.
        """
        path: list[int] = []
        nodes = [self._node(self._course.first(), path)]
        while nodes:
            node = nodes[-1]
            if node.state.done == self._course.steps:
                return tuple(path)
            if not self._left:
                break
            group = next(node.choices, None)
            if group is None:
                self._give_up(nodes.pop(), path)
                del path[-1:]
                continue
            following = self._following(node, group)
            if following:
                path.append(group)
                nodes.append(self._node(following, path))
        return None

    def _node(self, state: State, path: Sequence[int]) -> _Node:
        return _Node(state, self._choices(state, path[-1] if path else None))

    def _choices(self, state: State, last: int | None) -> Iterator[int]:
        """Return the groups that have hosts left, the best ones first.

        What was begun is gone on with; empty hosts come before others, so
        that there are upgraded ones to go to.
        """
        left = [
            number
            for number, steps in enumerate(self._course.steps)
            if state.done[number] < steps
        ]
        groups = self._course.problem.groups
        return iter(
            sorted(
                left,
                key=lambda number: (
                    number != last,
                    bool(groups[number].stays),
                    number,
                ),
            )
        )

    def _following(self, node: _Node, group: int) -> State | None:
        """Return the state after a step, None where that is of no use."""
        self._left -= 1
        state, lost = self._course.advance(node.state, group)
        if lost:
            return None
        node.end = False
        failed = self._failed.get(state.done, ())
        return None if any(_harder(state, one) for one in failed) else state

    def _give_up(self, node: _Node, path: Sequence[int]) -> None:
        self._failed.setdefault(node.state.done, []).append(node.state)
        if not node.end:
            return
        if self._ends and len(path) > len(self._ends[0]):
            self._ends.clear()
        if not self._ends or (
            len(path) == len(self._ends[0]) and len(self._ends) < _TOLD
        ):
            self._ends.append(tuple(path))

    def _dead_end(self, path: Sequence[int]) -> order.DeadEnd:
        state = self._course.first()
        for group in path:
            state, _ = self._course.advance(state, group)
        done = [0] * len(self._sizes)
        for run in self._runs(path):
            done[run.group] += run.number
        return order.DeadEnd(
            tuple(done),
            tuple(
                (
                    group,
                    tuple(
                        dict.fromkeys(self._course.advance(state, group)[1])
                    ),
                )
                for group in sorted(self._choices(state, None))
            ),
        )

    def _forced(self) -> tuple[int, ...]:
        """Return all steps, in an order that strands few.

        As far as it goes without, and then by what strands the fewest.
        """
        path = list(self._ends[0]) if self._ends else []
        state = self._course.first()
        for group in path:
            state, _ = self._course.advance(state, group, hopeful=False)
        while state.done != self._course.steps:
            tried = [
                (group, *self._course.advance(state, group, hopeful=False))
                for group in self._choices(state, None)
            ]
            group, state, _ = min(tried, key=lambda one: len(one[2]))
            path.append(group)
        return tuple(path)

    def _runs(self, path: Sequence[int]) -> tuple[order.Run, ...]:
        """Return steps with those that were left out."""
        groups = self._course.problem.groups
        more = [
            size - steps if steps else 0
            for size, steps in zip(
                self._sizes, self._course.steps, strict=True
            )
        ]
        done = [0] * len(more)
        runs = []
        for group in path:
            alike = [
                number
                for number, other in enumerate(groups)
                if other.kind == groups[group].kind
            ]
            before = sum(done[number] for number in alike)
            left = (
                sum(self._course.steps[number] for number in alike)
                - before
                - 1
            )
            number = 1
            if before >= _BEFORE and left >= _AFTER:
                number += more[group]
                more[group] = 0
            done[group] += 1
            runs.append(order.Run(group, number))
        return tuple(runs)


def _harder(state: State, failed: State) -> bool:
    """Tell whether all that was hard in one state is so in another, too.

    :param state: of the same steps
    """
    return all(
        one & ~other == 0
        for one, other in zip(state.homes, failed.homes, strict=True)
    ) and all(
        any(one & ~other == 0 for one in state.gone) for other in failed.gone
    )
