# SPDX-License-Identifier: Apache-2.0

import collections
import random

import testtools

from nova_mdev_compat.upgrade import plan
from tests.unit.fleet import clouds
from tests.unit.upgrade import brute_force
from tests.unit.upgrade import problems
from tests.unit.upgrade.problems import on

#: Who has to stop, or to wait, in drawn clouds: nothing is to be known of it.
OTHER_TYPE = 'nvidia-559'


def one(name, number=1, **device):
    """Return a host with some devices that are the same."""
    return clouds.host(
        name, *(clouds.parent(name, slot, **device) for slot in range(number))
    )


class PlanTest(testtools.TestCase):
    def plan(self, hosts, some, by=clouds.UP_TO_OURS, **kwargs):
        self.found = problems.Problem.of(hosts, some, by, **kwargs).plan()
        return [
            (
                step.host,
                *(f'{move.instance} to {move.target}' for move in step.moves),
                *(f'{uuid} waits' for uuid in step.no_room),
                *(f'{uuid} stops' for uuid in step.to_stop),
                *(f'{uuid} stranded' for uuid in step.stranded),
            )
            for step in self.found.steps
        ]

    def test_to_upgraded_hosts(self):
        a, b, c = map(one, 'abc')
        self.assertEqual(
            [('c',), ('a', 'a1 to c'), ('b', 'b1 to a', 'b2 to a')],
            self.plan([a, b, c], on(a, 1) + on(b, 2)),
        )
        self.assertEqual([], self.found.obstacles)

    def test_the_first_one_comes_back(self):
        """At last there is another host for those on the last one."""
        a, b = one('a'), one('b')
        self.assertEqual(
            [('a', 'a1 to b'), ('b', 'a1 to a', 'b1 to a')],
            self.plan([a, b], on(a, 1) + on(b, 1)),
        )

    def test_who_needs_more_goes_first(self):
        a, b = one('a'), one('b')
        self.assertEqual(
            [('b',), ('a', 'big1 to b', 'a1 waits')],
            self.plan(
                [a, b], on(a, 1) + on(a, 1, 3, uuid='big'), free={'b-0': 3}
            ),
        )
        self.assertEqual(
            [
                'after step 1, a cannot be next: no host that accepts 1 instance '
                'of a (10de:2235 nvidia-558 driver=550.54) has free capacity: '
                'accepts, but has no free capacity (1 host)',
            ],
            self.found.obstacles,
        )

    def test_functions_of_an_instance_may_go_to_several_boards(self):
        """Nova asks for each of them alone, and for mdevs together."""
        free = {'b-0': 1, 'b-1': 1}
        for framework, expected in (
            ('vfio', [('b',), ('a', 'a1 to b')]),
            ('mdev', [('b',), ('a', 'a1 waits')]),
        ):
            facts = {'framework': 'vfio'} if framework == 'vfio' else {}
            a, b = one('a', **facts), one('b', 2, **facts)
            self.assertEqual(
                expected, self.plan([a, b], on(a, 1, 2), free=free), framework
            )

    def test_frameworks_do_not_mix(self):
        a, b = one('a'), one('b', framework='vfio')
        self.assertEqual(
            [('b',), ('a', 'a1 stops')], self.plan([a, b], on(a, 1))
        )

    def test_capacity_is_of_devices(self):
        """Each has two to spare, which is no room for three."""
        a, b, c = one('a'), one('b', 2), one('c', 2)
        self.assertEqual(
            [('b',), ('c',), ('a', 'a1 to c')],
            self.plan(
                [a, b, c], on(a, 1, 3), free={'b-0': 2, 'b-1': 2, 'c-1': 3}
            ),
        )

    def test_one_empty_host_is_enough(self):
        """It goes round: each host is emptied to the one before it."""
        some = list(map(one, 'abc'))
        self.assertEqual(
            [('a',), ('b', 'b1 to a', 'b2 to a'), ('c', 'c1 to b', 'c2 to b')],
            self.plan(
                some,
                [found for host in some[1:] for found in on(host, 2)],
                free={'a-0': 2, 'b-0': 0, 'c-0': 0},
            ),
        )

    def test_all_are_full(self):
        some = list(map(one, 'abc'))
        steps = self.plan(
            some, [found for host in some for found in on(host, 2)], free=0
        )
        self.assertEqual(('a', 'a1 waits', 'a2 waits'), steps[0])
        self.assertIn(
            'at first, a (or 2 like it) cannot be next: ',
            self.found.obstacles[0],
        )

    def test_by_way_of_another_host(self):
        """Only B accepts A's, and C accepts B's as long as B is old."""
        a = one('a', driver='535', by=clouds.SAME_ONLY)
        b = one('b', driver='550', by=clouds.rules_about('driver', GE='535'))
        c = one('c', driver='555', by=clouds.SAME_ONLY)
        rules = clouds.rules_about('driver', GE='550')
        self.assertEqual(
            [('c',), ('a', 'a1 to b')],
            self.plan([a, b, c], on(a, 1), by=rules, names=['a', 'c']),
        )
        self.assertEqual(
            [('a', 'a1 to b'), ('c',), ('b', 'a1 to c')],
            self.plan([a, b, c], on(a, 1), by=rules),
        )

    def test_no_capacity_on_the_way(self):
        a = one('a', driver='535', by=clouds.SAME_ONLY)
        b = one('b', driver='550', by=clouds.rules_about('driver', GE='535'))
        c = one('c', driver='555', by=clouds.SAME_ONLY)
        self.plan(
            [a, b, c],
            on(a, 1),
            by=clouds.rules_about('driver', GE='550'),
            free={'a-0': 1, 'c-0': 1},
        )
        self.assertIn('has no free capacity', ''.join(self.found.obstacles))

    def test_stranded_before(self):
        a, b = (
            one('a', driver='535', by=clouds.SAME_ONLY),
            one('b', driver='550', by=clouds.SAME_ONLY),
        )
        self.assertEqual(
            [('a',), ('b', 'b1 stops', 'b2 stops')],
            self.plan([a, b], on(b, 2), by=clouds.SAME_ONLY),
        )
        self.assertEqual(
            [('b', ['b1', 'b2'], 'driver 550 is not version 535 (1 host)')],
            [
                (step.host, step.stranded, step.because)
                for step in self.found.first
            ],
        )
        self.assertEqual([], self.found.obstacles)

    def test_stranded_before_and_not_for_ever(self):
        """It has somewhere to go once the other one is upgraded."""
        a, b = (
            one('a', driver='535', by=clouds.SAME_ONLY),
            one('b', driver='550', by=clouds.SAME_ONLY),
        )
        self.assertEqual(
            [('a',), ('b', 'b1 to a')], self.plan([a, b], on(b, 1))
        )
        self.assertEqual(1, len(self.found.first))

    def test_no_order(self):
        """What stops it is told, and each instance once."""
        some = [one(name, by=clouds.SAME_ONLY) for name in 'ab']
        self.assertEqual(
            [('b', 'a1 stranded'), ('a', 'a1 stops')],
            self.plan(some, on(some[0], 1), by=clouds.SAME_ONLY),
        )
        self.assertEqual(
            [
                'at first, b cannot be next: no other host would then accept 1 '
                'instance of a (10de:2235 nvidia-558 driver=550.54): driver '
                '550.54 is not version 560 (1 host)',
                'at first, a cannot be next: no other host would then accept 1 '
                'instance of a (10de:2235 nvidia-558 driver=550.54): driver '
                '550.54 is not version 560 (1 host)',
            ],
            self.found.obstacles,
        )

    def test_other_devices_of_the_host(self):
        """Only who has mdevs of the devices that change has to leave."""
        a, b = (
            clouds.host(
                name,
                clouds.parent(name),
                clouds.parent(name, 1, mdev_type=OTHER_TYPE),
            )
            for name in 'ab'
        )
        self.assertEqual(
            [('b',), ('a', 'y1 to b', 'z1 to b')],
            self.plan(
                [a, b],
                on(a, 1, 0, 1, uuid='x')
                + on(a, 1, 1, 0, uuid='y')
                + on(a, 1, 1, 1, uuid='z'),
            ),
        )

    def test_two_devices_each_where_it_is_accepted(self):
        a, b = (
            one('a', 2),
            clouds.host(
                'b',
                clouds.parent('b', driver='535'),
                clouds.parent('b', 1),
                clouds.parent('b', 2),
            ),
        )
        for spare, step in ((2, ('a', 'a1 to b')), (1, ('a', 'a1 waits'))):
            self.assertEqual(
                [step],
                self.plan(
                    [a, b],
                    on(a, 1, 2, 1),
                    names=['a'],
                    free={'b-0': 9, 'b-1': 1, 'b-2': spare},
                ),
            )

    def test_nobody_there(self):
        self.assertEqual([('a',), ('b',)], self.plan([one('a'), one('b')], []))

    def test_many(self):
        """Equal hosts are gone through one by one, the empty ones first."""
        some = [one(f'{number:03}') for number in range(500)]
        steps = self.plan(
            some,
            [found for host in some[10:] for found in on(host, 4)],
            free=4,
        )
        self.assertEqual(500, len({step[0] for step in steps}))
        self.assertEqual([(host.name,) for host in some[:10]], steps[:10])
        self.assertEqual([], self.found.obstacles)


class BruteForceTest(testtools.TestCase):
    """The search against all orders, with all migrations."""

    def assert_found(self, rate, draw, seeds, rooms):
        """Find this part of the orders that there are.

        Each plan is replayed. That proves that there is an order where one
        was found, so all orders are tried only where none was.
        """
        outcomes = collections.Counter()
        for seed in range(seeds):
            problem = draw(random.Random(seed), rooms)  # noqa: S311
            world = brute_force.World(
                problem.scenario, problem.instances, problem.free
            )
            if not any(
                world.landings(place, frozenset()) for place in world.start
            ):
                continue
            found = problem.plan()
            _Replay(self, world, problem, found).run()
            if not found.obstacles:
                outcomes['found'] += 1
            else:
                outcomes['missed' if world.exists() else 'none'] += 1
        exist = outcomes['found'] + outcomes['missed']
        self.assertGreater(exist, 60, outcomes)
        self.assertGreater(outcomes['none'], 20, outcomes)
        self.assertGreaterEqual(outcomes['found'], rate * exist, outcomes)

    def test_with_capacity_to_spare(self):
        self.assert_found(0.95, problems.by_table, 600, (16,))
        self.assert_found(0.95, problems.by_rules, 200, (16,))

    def test_with_scarce_capacity(self):
        """Hosts with room for none, one or two: a puzzle of its own."""
        self.assert_found(0.87, problems.by_table, 600, (0, 1, 2, 16))
        self.assert_found(0.88, problems.by_rules, 200, (0, 1, 2, 16))

    def test_whom_it_is_not_asked_about(self):
        """It makes no difference if nothing is known of them."""
        fewer = 0
        for seed in range(100):
            problem = problems.by_rules(random.Random(seed))  # noqa: S311
            hosts = {host.uuid for host, _ in problem.scenario.concerned()}
            some = [
                found
                for found in problem.instances
                if found.host.uuid in hosts
            ]
            fewer += len(some) < len(problem.instances)
            self.assertEqual(
                problem.plan(),
                plan.find(problem.scenario, some, {'VGPU': problem.free}),
            )
        self.assertGreater(fewer, 5)


class _Replay:
    """Does what is listed, and looks whether it can be done.

    On which devices of its host an instance lands is not told: all places
    for all instances are kept that are left.
    """

    def __init__(self, test, world, problem, found):
        self._test = test
        self._found = found
        self._world = world
        self._numbers = {
            host.name: number for number, host in enumerate(self._world.hosts)
        }
        self._uuids = {
            one.uuid: number for number, one in enumerate(problem.instances)
        }
        self._upgraded = frozenset()
        self._where = {self._world.start}
        #: Those that are, or whom nothing of the upgrade concerns.
        self._stranded = self._now_stranded()
        test.assertLessEqual(
            {
                self._uuids[uuid]
                for step in found.first
                for uuid in step.stranded
            },
            self._stranded,
        )

    def _now_stranded(self):
        return set.intersection(
            *(
                self._world.stranded(places, self._upgraded)
                for places in self._where
            )
        )

    def run(self):
        test, world = self._test, self._world
        for step in self._found.steps:
            for move in step.moves:
                self._move(move)
            gone = {self._uuids[uuid] for uuid in step.no_room + step.to_stop}
            if not self._found.obstacles:
                test.assertLessEqual(gone, self._stranded)
                test.assertEqual([], step.stranded)
            host = self._numbers[step.host]
            self._where = {
                tuple(
                    None if number in gone else place
                    for number, place in enumerate(places)
                )
                for places in self._where
            }
            self._where = {
                places
                for places in self._where
                if not any(
                    place and place[0] == host and world.must_leave(place)
                    for place in places
                )
            }
            test.assertTrue(self._where, step)
            self._upgraded |= {host}
            self._stranded |= {self._uuids[uuid] for uuid in step.stranded}
            self._where = {
                places
                for places in self._where
                if world.stranded(places, self._upgraded) <= self._stranded
            }
            test.assertTrue(self._where, step)
        test.assertEqual(world.todo, self._upgraded)

    def _move(self, move):
        number = self._uuids[move.instance]
        source, target = (
            self._numbers[name] for name in (move.source, move.target)
        )
        self._where = {
            moved
            for places in self._where
            if places[number] and places[number][0] == source
            for landed in self._world.landings(places[number], self._upgraded)
            if landed[0] == target
            for moved in [(*places[:number], landed, *places[number + 1 :])]
            if self._world.has_room(moved)
        }
        self._test.assertTrue(self._where, move)
