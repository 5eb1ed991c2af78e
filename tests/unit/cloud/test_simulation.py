# SPDX-License-Identifier: Apache-2.0
"""From a cloud and its instances to an order, and who goes where in it."""

import collections

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import model
from nova_mdev_compat.upgrade import fleet
from nova_mdev_compat.upgrade import order
from nova_mdev_compat.upgrade import planning
from nova_mdev_compat.upgrade import simulation
from nova_mdev_compat.upgrade import upgrade
from tests.unit.cloud import brute_force
from tests.unit.fleet import clouds

TYPE = frozenset({'NVIDIA_558'})
FROM_OURS = clouds.rules_about('driver', GE='same')
NEWEST = '560'


def one(name, number=1, **device):
    """Return a host with some devices that are the same."""
    return clouds.host(
        name, *(clouds.parent(name, slot, **device) for slot in range(number))
    )


def on(host, number, *amounts, uuid=None):
    """Return instances with mdevs of a host's devices, in order.

    :param amounts: of mdevs of each instance, by device; by default 1 of
        the first one
    """
    return [
        instances.Instance(
            f'{uuid or host.name}{index}',
            host,
            tuple(
                (parent, 'VGPU', amount)
                for parent, amount in zip(
                    host.parents, amounts or (1,), strict=False
                )
                if amount
            ),
        )
        for index in range(1, number + 1)
    ]


class World:
    """A cloud, what an upgrade makes of it, and an order."""

    def __init__(
        self, hosts, some, free=16, by=clouds.UP_TO_OURS, names=(), types=TYPE
    ):
        """Find an order.

        :param free: mdevs that devices have to spare, or by their UUIDs
        """
        self.upgrade = upgrade.plan(
            model.by_name(hosts), types, names, {'driver': NEWEST}, by
        )
        self.instances = some
        self.fleet = fleet.build(self.upgrade, some)
        self.plan = planning.search(self.fleet.problem)
        self.free = (
            free
            if isinstance(free, dict)
            else {
                parent.uuid: free for host in hosts for parent in host.parents
            }
        )
        found = simulation.Simulation(
            self.fleet, self.plan.runs, {'VGPU': self.free}
        )
        self.first = found.stranded_at_first()
        self.steps = list(found.steps())

    def name(self, step):
        return self.fleet.hosts[step.host].name

    def told(self):
        """Return what happens: hosts in order, and to whom what."""
        return [
            (
                self.name(step),
                *(f'{move.instance} to {move.target}' for move in step.moves),
                *(f'{uuid} waits' for uuid in step.no_room),
                *(f'{uuid} stops' for uuid in step.to_stop),
                *(f'{found.instance} stranded' for found in step.stranded),
            )
            for step in self.steps
        ]


@ddt.ddt
class SimulationTest(testtools.TestCase):
    def test_to_upgraded_hosts(self):
        a, b, c = map(one, 'abc')
        world = World([a, b, c], on(a, 1) + on(b, 2))
        self.assertEqual(
            [('c',), ('a', 'a1 to c'), ('b', 'b1 to c', 'b2 to c')],
            world.told(),
        )

    def test_the_first_one_comes_back(self):
        """At last there is somebody to go to for those on the last one."""
        a, b = one('a'), one('b')
        world = World([a, b], on(a, 1) + on(b, 1))
        self.assertEqual(
            [('a', 'a1 to b'), ('b', 'a1 to a', 'b1 to a')], world.told()
        )

    def test_who_needs_more_goes_first(self):
        a, b = one('a'), one('b')
        world = World(
            [a, b], on(a, 1) + on(a, 1, 3, uuid='big'), free={'b-0': 3}
        )
        self.assertEqual(
            [('b',), ('a', 'big1 to b', 'a1 waits')], world.told()
        )

    def test_room_is_of_devices(self):
        """Each has two to spare, which is no room for three."""
        a, b, c = one('a'), one('b', 2), one('c', 2)
        world = World(
            [a, b, c], on(a, 1, 3), free={'b-0': 2, 'b-1': 2, 'c-1': 3}
        )
        self.assertEqual([('b',), ('c',), ('a', 'a1 to c')], world.told())

    def test_room_that_was_given_back(self):
        """All are full: those of the first one wait, and one takes turns."""
        some = list(map(one, 'abc'))
        world = World(
            some, [found for host in some for found in on(host, 2)], free=0
        )
        self.assertEqual(
            [
                ('a', 'a1 waits', 'a2 waits'),
                ('b', 'b1 to a', 'b2 to a'),
                ('c', 'c1 to b', 'c2 to b'),
            ],
            world.told(),
        )

    def test_in_advance_and_by_way_of_another_host(self):
        """Only B takes A's, and C takes B's as long as B is old."""
        a = one('a', driver='535', by=clouds.SAME_ONLY)
        b = one('b', driver='550', by=clouds.rules_about('driver', GE='535'))
        c = one('c', driver='555', by=clouds.SAME_ONLY)
        rules = clouds.rules_about('driver', GE='550')
        world = World([a, b, c], on(a, 1), by=rules, names=['a', 'c'])
        self.assertEqual([('c',), ('a', 'a1 to b')], world.told())
        world = World([a, b, c], on(a, 1), by=rules)
        self.assertEqual(
            [('c',), ('b', 'a1 to b', 'a1 to c'), ('a',)], world.told()
        )

    def test_no_room_on_the_way(self):
        a = one('a', driver='535', by=clouds.SAME_ONLY)
        b = one('b', driver='550', by=clouds.rules_about('driver', GE='535'))
        c = one('c', driver='555', by=clouds.SAME_ONLY)
        world = World(
            [a, b, c],
            on(a, 1),
            by=clouds.rules_about('driver', GE='550'),
            free={'a-0': 1, 'c-0': 1},
        )
        self.assertEqual([('c',), ('b', 'a1 waits'), ('a',)], world.told())

    def test_stranded_before(self):
        a, b = (
            one('a', driver='535', by=clouds.SAME_ONLY),
            one('b', driver='550', by=clouds.SAME_ONLY),
        )
        world = World([a, b], on(b, 2), by=clouds.SAME_ONLY)
        self.assertEqual(
            ['b1', 'b2'], [found.instance for found in world.first]
        )
        self.assertIs(order.Outcome.FOUND, world.plan.outcome)
        self.assertEqual([('a',), ('b', 'b1 stops', 'b2 stops')], world.told())

    def test_stranded_before_and_not_for_ever(self):
        """It has somewhere to go once the other one is upgraded."""
        a, b = (
            one('a', driver='535', by=clouds.SAME_ONLY),
            one('b', driver='550', by=clouds.SAME_ONLY),
        )
        world = World([a, b], on(b, 1))
        self.assertEqual(1, len(world.first))
        self.assertEqual([('a',), ('b', 'b1 to a')], world.told())

    def test_no_order(self):
        """Each is told of once when it is stranded, and when it stops."""
        some = [one(name, by=clouds.SAME_ONLY) for name in 'abc']
        world = World(some, on(some[0], 1), by=clouds.SAME_ONLY)
        self.assertIs(order.Outcome.NONE, world.plan.outcome)
        self.assertEqual(
            [('b',), ('c', 'a1 stranded'), ('a', 'a1 stops')], world.told()
        )

    def test_other_devices_of_the_host(self):
        """Only who has mdevs of the devices that change has to leave."""
        a, b = (
            clouds.host(
                name,
                clouds.parent(name),
                clouds.parent(name, 1, mdev_type='nvidia-559'),
            )
            for name in 'ab'
        )
        world = World(
            [a, b],
            on(a, 1, 0, 1, uuid='x')
            + on(a, 1, 1, 0, uuid='y')
            + on(a, 1, 1, 1, uuid='z'),
        )
        self.assertEqual([('b',), ('a', 'y1 to b', 'z1 to b')], world.told())

    def test_two_devices_each_where_it_is_taken(self):
        a, b = (
            one('a', 2),
            clouds.host(
                'b',
                clouds.parent('b', driver='535'),
                clouds.parent('b', 1),
                clouds.parent('b', 2),
            ),
        )
        world = World(
            [a, b],
            on(a, 1, 2, 1),
            free={'b-0': 9, 'b-1': 1, 'b-2': 2},
            names=['a'],
        )
        self.assertEqual([('a', 'a1 to b')], world.told())
        world = World(
            [a, b],
            on(a, 1, 2, 1),
            free={'b-0': 9, 'b-1': 1, 'b-2': 1},
            names=['a'],
        )
        self.assertEqual([('a', 'a1 waits')], world.told())

    def test_nobody_there(self):
        world = World([one('a'), one('b')], [])
        self.assertEqual(([], [('a',), ('b',)]), (world.first, world.told()))

    def test_many(self):
        """All that are alike are gone through one by one."""
        some = [one(f'{number:03}') for number in range(500)]
        world = World(
            some,
            [found for host in some[10:] for found in on(host, 4)],
            free=4,
        )
        self.assertEqual(500, len({step.host for step in world.steps}))
        self.assertEqual(0, sum(len(step.no_room) for step in world.steps))


_DEVICES = st.fixed_dictionaries(
    {
        'driver': st.sampled_from(['535', '550', NEWEST]),
        'mdev_type': st.sampled_from(['nvidia-558'] * 3 + ['nvidia-559']),
        'in_use': st.sampled_from([(), (), (), ('nvidia-557',)]),
        'by': st.sampled_from(
            [clouds.UP_TO_OURS, clouds.SAME_ONLY, FROM_OURS]
        ),
    }
)


@st.composite
def worlds(draw):
    """Draw a small cloud, with room for all."""
    hosts = [
        clouds.host(
            name,
            *(
                clouds.parent(name, slot, **device)
                for slot, device in enumerate(
                    draw(st.lists(_DEVICES, min_size=1, max_size=2))
                )
            ),
        )
        for name in 'abcd'[: draw(st.integers(2, 4))]
    ]
    hypothesis.assume(
        any(
            'NVIDIA_558' in parent.said.types
            for host in hosts
            for parent in host.parents
        )
    )
    some = [
        found
        for host in hosts
        for found in on(
            host,
            draw(st.integers(0, 2)),
            *draw(
                st.sampled_from(
                    [(1, 0), (0, 1), (1, 1)][: 2 * len(host.parents) - 1]
                )
            ),
        )
    ]
    return World(
        hosts,
        some,
        by=draw(
            st.sampled_from([clouds.UP_TO_OURS, clouds.SAME_ONLY, FROM_OURS])
        ),
    )


class PropertyTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.seen = collections.Counter()

    def test_all_orders(self):
        """The answer is that of all orders, instance by instance."""

        @hypothesis.given(worlds())
        def check(world):
            brute = brute_force.CloudWorld(world.upgrade, world.instances)
            hypothesis.assume(brute.tracks() and brute.todo)
            self.seen[world.plan.outcome] += 1
            self.assertIs(
                order.Outcome.FOUND if brute.exists() else order.Outcome.NONE,
                world.plan.outcome,
            )

        check()
        for outcome in (order.Outcome.FOUND, order.Outcome.NONE):
            self.assertGreater(self.seen[outcome], 20, self.seen)

    def test_each_move(self):
        """Each goes to a host that takes it, and nobody stays who must go."""

        @hypothesis.given(worlds())
        def check(world):
            self.seen[world.plan.outcome] += 1
            _Replay(self, world).run()

        check()
        for what in (
            order.Outcome.FOUND,
            order.Outcome.NONE,
            'nothing changes for somebody',
        ):
            self.assertGreater(self.seen[what], 20, self.seen)

    def test_whom_it_is_not_asked_about(self):
        """It makes no difference if nothing is known of them."""

        @hypothesis.given(worlds())
        def check(world):
            asked = {host.uuid for host, _ in fleet.concerned(world.upgrade)}
            some = [
                found for found in world.instances if found.host.uuid in asked
            ]
            self.seen[len(some) < len(world.instances)] += 1
            self.assertEqual(
                world.fleet.hosts, fleet.build(world.upgrade, some).hosts
            )

        check()
        self.assertGreater(self.seen[True], 20, self.seen)


class _Replay:
    """Does what is told, and looks whether that can be done.

    Which devices an instance lands on is not told: all are tried.
    """

    def __init__(self, test, world):
        self._test = test
        self._world = world
        self._brute = brute_force.CloudWorld(world.upgrade, world.instances)
        self._numbers = {
            host.name: number for number, host in enumerate(self._brute.hosts)
        }
        self._upgraded = frozenset()
        self._where = {
            one.uuid: {position}
            for one, position in zip(
                world.instances, self._brute.instances, strict=True
            )
        }
        told_of = {
            uuid for host in world.fleet.hosts for uuid in host.instances
        }
        self._stranded = self._trapped() - told_of
        test.seen['nothing changes for somebody'] += len(told_of) < len(
            world.instances
        )
        test.assertEqual(
            self._trapped() & told_of,
            {found.instance for found in world.first},
        )
        self._stranded |= self._trapped()

    def run(self):
        test, world = self._test, self._world
        for step in world.steps:
            for move in step.moves:
                self._move(move)
            test.assertEqual([], step.no_room)
            for uuid in step.to_stop:
                test.assertIn(uuid, self._stranded)
                del self._where[uuid]
            self._upgrade(step)
            self._stranded |= {found.instance for found in step.stranded}
            test.assertEqual(set(), self._trapped() - self._stranded)
        if world.plan.outcome is order.Outcome.FOUND:
            test.assertFalse(any(step.stranded for step in world.steps))

    def _trapped(self):
        return {
            uuid
            for uuid, some in self._where.items()
            if not any(self._brute.moves(one, self._upgraded) for one in some)
        }

    def _move(self, move):
        origin, target = (
            self._numbers[name] for name in (move.origin, move.target)
        )
        self._where[move.instance] = {
            landed
            for one in self._where[move.instance]
            if one[0] == origin
            for landed in self._brute.moves(one, self._upgraded)
            if landed[0] == target
        }
        self._test.assertTrue(self._where[move.instance], move)

    def _upgrade(self, step):
        number = self._numbers[self._world.name(step)]
        for uuid, some in self._where.items():
            left = {
                one
                for one in some
                if one[0] != number or not self._brute.must_leave(one)
            }
            self._test.assertTrue(left, uuid)
            self._where[uuid] = left
        self._upgraded |= {number}
