# SPDX-License-Identifier: Apache-2.0

import collections
import itertools

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.upgrade import order
from nova_mdev_compat.upgrade import planning
from nova_mdev_compat.upgrade import problem as prob
from tests.unit.cloud import brute_force
from tests.unit.cloud import problems

FOUND, NONE, UNDECIDED = order.Outcome
#: Profiles, and stays on them, of an old driver and of a new one.
UP = problems.Table(
    {('old', 'old'): ['old'], ('old', 'new'): ['new'], ('new', 'new'): ['new']}
)
SAME = problems.Table({('old', 'old'): ['old'], ('new', 'new'): ['new']})
DOWN = problems.Table(
    {('old', 'old'): ['old'], ('new', 'old'): ['old'], ('new', 'new'): ['new']}
)
UPGRADED = ('old', 'new')
#: Old and new kinds of three hosts, and who goes where: B comes off its host
#: only to a new C, and A nowhere but to an old B, and C to an old A.
INTRICATE = problems.Table(
    {
        ('a0', 'b0'): ['b0'],
        ('b0', 'a0'): ['a0'],
        ('b0', 'c1'): ['c1'],
        ('c0', 'a0'): ['a0'],
        ('c1', 'a1'): ['a1'],
    }
).problem(
    [('a0', 'a1'), ('b0', 'b1'), ('c0', 'c1')],
    [(0, {'a0'}, 1), (1, {'b0'}, 1), (2, {'c0'}, 1)],
)


def groups_of(plan):
    """Return the groups of hosts in order, each with how many."""
    return [(run.group, run.number) for run in plan.runs]


def numbers(plan):
    """Return how many hosts a plan upgrades, by group."""
    found = collections.Counter()
    for group, number in groups_of(plan):
        found[group] += number
    return dict(found)


def steps(problem):
    return {
        number: steps
        for number in range(len(problem.groups))
        if (steps := problem.steps(number))
    }


@ddt.ddt
class SearchTest(testtools.TestCase):
    @ddt.data(
        # Nothing is there to upgrade, or nobody to move.
        (UP, [('old', None)], [(0, {'old'}, 2)], FOUND),
        (SAME, [UPGRADED], [(0, (), 3)], FOUND),
        # The new one takes those of the old one.
        (UP, [UPGRADED], [(0, {'old'}, 2)], FOUND),
        (UP, [UPGRADED], [(0, {'old'}, 1), (0, (), 1)], FOUND),
        (UP, [UPGRADED], [(0, {'old'}, 1000)], FOUND),
        # It does not.
        (SAME, [UPGRADED], [(0, {'old'}, 2)], NONE),
        (SAME, [UPGRADED], [(0, {'old'}, 1), (0, (), 9)], NONE),
        (DOWN, [UPGRADED], [(0, {'old'}, 2)], NONE),
        # Two that stay as they are take them.
        (
            SAME,
            [UPGRADED, ('old', None)],
            [(0, {'old'}, 2), (1, (), 2)],
            FOUND,
        ),
        # One is not enough: there is no other one to go to from there.
        (SAME, [UPGRADED, ('old', None)], [(0, {'old'}, 2), (1, (), 1)], NONE),
        # But it is where its instances can come back.
        (UP, [UPGRADED, ('old', None)], [(0, {'old'}, 1), (1, (), 1)], FOUND),
    )
    @ddt.unpack
    def test_outcome(self, table, kinds, groups, outcome):
        problem = table.problem(kinds, groups)
        plan = planning.search(problem)
        self.assertIs(outcome, plan.outcome)
        self.assertEqual(steps(problem), numbers(plan))

    def test_empty_hosts_first_and_what_is_begun_is_gone_on_with(self):
        problem = UP.problem([UPGRADED], [(0, {'old'}, 2), (0, (), 2)])
        self.assertEqual(
            [(1, 1), (1, 1), (0, 1), (0, 1)],
            groups_of(planning.search(problem)),
        )

    def test_only_one_order(self):
        world = brute_force.TableWorld(INTRICATE)
        self.assertEqual(
            [(2, 0, 1)],
            [
                order
                for order in itertools.permutations(range(3))
                if world.is_good(order)
            ],
        )
        self.assertEqual(
            [(2, 1), (0, 1), (1, 1)], groups_of(planning.search(INTRICATE))
        )

    def test_who_need_not_leave(self):
        """Mdevs of other devices stay there; but not if that strands them."""
        table = problems.Table(
            {('x', 'old'): ['x'], ('x', 'new'): ['x']}, frozenset({('x', 0)})
        )
        self.assertIs(
            FOUND,
            planning.search(
                table.problem([UPGRADED], [(0, {'x'}, 2)])
            ).outcome,
        )
        table.landings['x', 'new'] = []
        self.assertIs(
            NONE,
            planning.search(
                table.problem([UPGRADED], [(0, {'x'}, 2)])
            ).outcome,
        )

    def test_who_is_stranded_before_does_not_count(self):
        problem = SAME.problem(
            [UPGRADED, ('new', None)], [(0, {'old'}, 1), (1, {'new'}, 2)]
        )
        plan = planning.search(problem)
        self.assertEqual((FOUND, {(0, 'old')}), (plan.outcome, plan.stranded))

    def test_parts_do_not_wait_for_each_other(self):
        """Of each there is an order, or not, whatever the others do."""
        table = problems.Table(
            {
                **{
                    (f'old{number}', f'old{number}'): [f'old{number}']
                    for number in range(9)
                },
                **{
                    (f'old{number}', f'new{number}'): [f'new{number}']
                    for number in range(8)
                },
                **{
                    (f'new{number}', f'new{number}'): [f'new{number}']
                    for number in range(9)
                },
            }
        )
        problem = table.problem(
            [(f'old{number}', f'new{number}') for number in range(9)],
            [(number, {f'old{number}'}, 6) for number in range(9)],
        )
        self.assertEqual(
            [[number] for number in range(9)], planning.parts(problem)
        )
        plan = planning.search(problem, limit=20)
        self.assertIs(NONE, plan.outcome)
        (end,) = plan.dead_ends
        self.assertEqual((0,) * 9, end.done)
        ((group, (loss,)),) = end.losses
        self.assertEqual(
            (
                None,
                prob.Loss((8, 'old8'), (8, False, 'old8'), prob.When.AT_LAST),
            ),
            (group, loss),
        )

    def test_dead_end(self):
        """C has nobody but an old B to go to, and would not get off it."""
        table = problems.Table(
            {
                ('c0', 'b0'): ['b0'],
                ('c0', 'c1'): ['c1'],
                ('b0', 'b1'): ['b1'],
                ('b1', 'a0'): ['a0'],
                ('b1', 'c1'): ['c1'],
            }
        )
        plan = planning.search(
            table.problem(
                [(f'{name}0', f'{name}1') for name in 'abc'],
                [(0, (), 1), (1, (), 1), (2, {'c0'}, 1)],
            )
        )
        self.assertIs(NONE, plan.outcome)
        self.assertEqual(
            (
                order.DeadEnd(
                    (1, 0, 0),
                    (
                        (
                            1,
                            (
                                prob.Loss(
                                    (2, 'c0'), (2, False, 'c0'), prob.When.NOW
                                ),
                            ),
                        ),
                        (
                            2,
                            (
                                prob.Loss(
                                    (2, 'c0'), (1, False, 'b0'), prob.When.NOW
                                ),
                            ),
                        ),
                    ),
                ),
            ),
            plan.dead_ends,
        )
        self.assertEqual([(0, 1), (1, 1), (2, 1)], groups_of(plan))

    def test_gives_up(self):
        plan = planning.search(INTRICATE, limit=2)
        self.assertIs(UNDECIDED, plan.outcome)
        self.assertEqual({0: 1, 1: 1, 2: 1}, numbers(plan))

    def test_as_many_hosts_as_there_are(self):
        """More hosts do not make it longer."""
        problem = UP.problem([UPGRADED], [(0, {'old'}, 10**6), (0, (), 10**6)])
        plan = planning.search(problem, limit=20)
        self.assertEqual(
            (FOUND, {0: 10**6, 1: 10**6}), (plan.outcome, numbers(plan))
        )
        self.assertEqual(12, len(plan.runs))


class ExactTest(testtools.TestCase):
    """The search against all orders, with hosts and instances by name."""

    def setUp(self):
        super().setUp()
        self.outcomes = collections.Counter()

    def assert_often(self, *outcomes):
        """Each has been found in a tenth of all examples at least."""
        for outcome in outcomes:
            self.assertGreater(
                self.outcomes[outcome],
                self.outcomes.total() / 10,
                self.outcomes,
            )

    def test_all_orders(self):
        @hypothesis.settings(max_examples=600)
        @hypothesis.given(problems.problems())
        def check(problem):
            world = brute_force.TableWorld(problem)
            hypothesis.assume(world.todo and world.tracks())
            plan = planning.search(problem)
            self.outcomes[plan.outcome] += 1
            self.assertIs(FOUND if world.exists() else NONE, plan.outcome)
            self.assertEqual(steps(problem), numbers(plan))
            if plan.outcome is FOUND:
                self.assertTrue(world.is_good(world.order(plan.runs)))

        check()
        self.assert_often(FOUND, NONE)

    def test_dead_ends(self):
        """Whom a dead end says nobody takes, nobody takes."""

        @hypothesis.settings(max_examples=300)
        @hypothesis.given(problems.problems())
        def check(problem):
            plan = planning.search(problem)
            world = brute_force.TableWorld(problem)
            hypothesis.assume(world.tracks())
            self.outcomes[bool(plan.dead_ends)] += 1
            self.assertIs(NONE if plan.dead_ends else FOUND, plan.outcome)
            for end in plan.dead_ends:
                self.check_end(problem, world, end)

        check()
        self.assert_often(True, False)

    def check_end(self, problem, world, end):
        left = {
            group
            for group, number in steps(problem).items()
            if end.done[group] < number
        }
        groups = {group for group, _ in end.losses}
        self.assertIn(groups, [left, {None}])
        for group, losses in end.losses:
            self.assertNotEqual((), losses)
            for loss in losses:
                self.outcomes[loss.when] += 1
                if loss.when is prob.When.NOW:
                    self.check_stranded(
                        problem, world, end.done, group, loss.at
                    )
                elif group is None:
                    self.check_hopeless(problem, world, loss.start)

    def check_stranded(self, problem, world, done, group, at):
        """Nobody takes an instance from where it is said to be."""
        upgraded = set()
        for number, many in enumerate(done):
            upgraded.update(
                [
                    host
                    for host, one in enumerate(world.groups)
                    if one == number
                ][: many + (number == group)]
            )
        kind, new, stay = at
        hosts = [
            host
            for host, one in enumerate(world.groups)
            if problem.groups[one].kind == kind and (host in upgraded) == new
        ]
        self.assertNotEqual([], hosts)
        for host in hosts:
            self.assertEqual([], world.moves((host, stay), upgraded))

    def check_hopeless(self, problem, world, start):
        """There is no order even for one such instance alone."""
        alone = brute_force.TableWorld(problem)
        alone.instances = [
            (host, stay)
            for host, stay in world.instances
            if (problem.groups[world.groups[host]].kind, stay) == start
        ][:1]
        self.assertFalse(alone.exists())

    def test_many_hosts_that_are_alike(self):
        """What is true of six is true of more."""

        @hypothesis.settings(max_examples=300)
        @hypothesis.given(
            problems.problems(
                hosts=3, sizes=st.integers(planning.CAP - 1, planning.CAP + 3)
            )
        )
        def check(problem):
            plan = planning.search(problem)
            self.outcomes[plan.outcome] += 1
            self.assertIs(
                planning.search(problem, cap=99).outcome, plan.outcome
            )
            self.assertEqual(steps(problem), numbers(plan))
            if plan.outcome is FOUND and len(problem.groups) < 3:
                world = brute_force.TableWorld(problem)
                self.assertTrue(world.is_good(world.order(plan.runs)))

        check()
        self.assert_often(FOUND, NONE)
