# SPDX-License-Identifier: Apache-2.0

import collections
import itertools

import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import pattern
from nova_mdev_compat.fleet import assignment
from nova_mdev_compat.fleet import drain
from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import model
from nova_mdev_compat.rules import model as rules
from tests.unit.fleet import clouds

VGPU = 'VGPU'
FUNCTION = 'CUSTOM_A40_8Q'
ANY_DRIVER = clouds.rules_about('driver', GE='1')
#: Products of targets, and of the sources that they accept.
TAKES = {'2235': '2235 2236', '2236': '2236', '2237': '2237'}
OLD = clouds.host('old', clouds.parent('old'))


def taking(product):
    """Return rules by which a target accepts the sources of TAKES."""
    return rules.RuleSet(
        {
            '10DE': (
                rules.Rule(
                    'r',
                    'f:1',
                    rules.Target(),
                    rules.Accepts(
                        products=tuple(
                            f'10DE_{one}' for one in TAKES[product].split()
                        ),
                        facts={
                            'driver': ((rules.Operand(pattern.Op.GE, '1'),),)
                        },
                    ),
                ),
            )
        }
    )


def target(name, *products, framework=None):
    facts = {'framework': framework} if framework else {}
    return clouds.host(
        name,
        *(
            clouds.parent(
                name, slot, product=product, by=taking(product), **facts
            )
            for slot, product in enumerate(products)
        ),
    )


def source(*products, framework=None, name='src'):
    return target(name, *products, framework=framework)


def instance(host, *amounts, uuid='i', resource_class=VGPU):
    """Return an instance with an amount from each device, 0 for none."""
    return instances.Instance(
        uuid,
        host,
        tuple(
            (parent, resource_class, amount)
            for parent, amount in zip(host.parents, amounts, strict=False)
            if amount
        ),
    )


def check(hosts, drained, some, free, resource_class=VGPU, unavailable=None):
    return drain.check(
        model.by_name(hosts),
        {host.name for host in drained},
        some,
        {resource_class: free},
        unavailable or {},
    )


def assigned(found):
    return [one.assigned for one in found.departures]


class CheckTest(testtools.TestCase):
    def test_all_can_leave(self):
        one, two = (target(name, '2235') for name in ('one', 'two'))
        src = source('2235')
        some = [instance(src, 1, uuid=uuid) for uuid in 'ab']
        found = check([src, one, two], [src], some, {'one-0': 1, 'two-0': 1})
        self.assertTrue(found.possible)
        self.assertEqual(['one', 'two'], sorted(assigned(found)))
        self.assertEqual(
            [['one', 'two']] * 2,
            [[at.host for at in one.now] for one in found.departures],
        )
        self.assertEqual(
            {('pci_0',)},
            {at.devices for one in found.departures for at in one.now},
        )
        self.assertEqual({''}, {one.because for one in found.departures})

    def test_each_alone_but_not_all_at_once(self):
        one = target('one', '2235')
        src = source('2235')
        some = [instance(src, 1, uuid=uuid) for uuid in 'ab']
        found = check([src, one], [src], some, {'one-0': 1})
        self.assertFalse(found.possible)
        self.assertTrue(found.proven)
        self.assertEqual(['', 'one'], sorted(assigned(found)))
        self.assertEqual(
            {('one', ''), ('', drain.TAKEN)},
            {(one.assigned, one.because) for one in found.departures},
        )

    def test_one_makes_way_for_another(self):
        """The product 2236 fits on both hosts, and 2235 on one only."""
        one, two = target('one', '2235'), target('two', '2236')
        src = source('2235', '2236')
        for order in itertools.permutations('ab'):
            some = [
                instance(src, 1, uuid=order[0]),
                instance(src, 0, 1, uuid=order[1]),
            ]
            found = check(
                [src, one, two], [src], some, {'one-0': 1, 'two-0': 1}
            )
            self.assertEqual(
                dict(zip(order, ('one', 'two'), strict=True)),
                {one.instance.uuid: one.assigned for one in found.departures},
            )

    def test_a_drained_host_is_not_a_target(self):
        src, other = source('2235'), target('other', '2235')
        some = [instance(src, 1), instance(other, 1, uuid='j')]
        found = check(
            [src, other], [src, other], some, {'src-0': 16, 'other-0': 16}
        )
        self.assertEqual(['', ''], assigned(found))
        self.assertEqual(
            {'accepts, but it is to be drained, too (1 host)'},
            {one.because for one in found.departures},
        )
        self.assertEqual({()}, {one.now for one in found.departures})

    def test_reasons(self):
        src = source('2235')
        full, down = target('full', '2235'), target('down', '2235')
        found = check(
            [src, full, down, target('other', '2236')],
            [src],
            [instance(src, 1)],
            {'down-0': 16},
            unavailable={'uuid-down': 'its nova-compute is down'},
        )
        (one,) = found.departures
        self.assertEqual((('full',), ()), (one.full, one.now))
        self.assertEqual(
            'accepts, but has no free capacity (1 host); accepts, but its '
            'nova-compute is down (1 host); device 10de:2235 is not 10de:2236 '
            '(1 host)',
            '; '.join(sorted(one.because.split('; '))),
        )
        self.assertTrue(found.proven)

    def test_an_unknown_source_does_not_stop_the_others(self):
        src = clouds.host(
            'src', clouds.parent('src', by=ANY_DRIVER), clouds.ghost('src', 1)
        )
        one = clouds.host('one', clouds.parent('one', by=ANY_DRIVER))
        some = [instance(src, 1, uuid='a'), instance(src, 0, 1, uuid='b')]
        found = check([src, one], [src], some, {'one-0': 1})
        self.assertEqual(['one', ''], assigned(found))
        self.assertIn('no complete identity', found.departures[1].because)
        self.assertTrue(found.proven)

    def test_no_instances(self):
        found = check([OLD], [OLD], [], {})
        self.assertTrue(found.possible)
        self.assertEqual((), found.departures)

    def test_mdevs_of_one_device_stay_on_one(self):
        one = target('one', '2235', '2235')
        src = source('2235')
        for free, expected in (
            ({'one-0': 1, 'one-1': 1}, ''),
            ({'one-1': 2}, 'one'),
        ):
            found = check([src, one], [src], [instance(src, 2)], free)
            self.assertEqual([expected], assigned(found))

    def test_functions_may_go_to_several_devices_of_one_host(self):
        one = target('one', '2235', '2235', framework='vfio')
        two = target('two', '2235', framework='vfio')
        src = source('2235', framework='vfio')
        some = [instance(src, 2, resource_class=FUNCTION)]
        for free, expected in (
            ({'one-0': 1, 'two-0': 1}, ''),
            ({'one-0': 1, 'one-1': 1}, 'one'),
        ):
            found = check([src, one, two], [src], some, free, FUNCTION)
            self.assertEqual([expected], assigned(found))

    def test_large_ones_are_placed_first(self):
        """A small one must not take the only device with room for two."""
        one = target('one', '2235', '2235')
        src = source('2235')
        some = [
            instance(src, amount, uuid=f'{index}')
            for index, amount in enumerate([1, 2, 1, 2])
        ]
        found = check([src, one], [src], some, {'one-0': 3, 'one-1': 3})
        self.assertEqual(['one'] * 4, assigned(found))
        found = check([src, one], [src], some, {'one-0': 3, 'one-1': 2})
        self.assertFalse(found.possible)
        self.assertTrue(found.proven)

    def test_an_unproven_answer_says_so(self):
        one = target('one', *['2235'] * 4)
        src = source('2235')
        some = [instance(src, 2, uuid='a'), instance(src, 3, uuid='b')]
        self.patch(assignment, 'BUDGET', -3)
        found = check([src, one], [src], some, {'one-0': 2, 'one-1': 3})
        # What fits one after the other is assigned all the same.
        self.assertEqual(['one', 'one'], assigned(found))
        self.assertTrue(found.possible)
        self.assertFalse(found.proven)

    def test_a_large_cloud(self):
        """5000 hosts, and 1600 instances that just fit."""
        hosts = [target(f'h{number}', '2235') for number in range(5000)]
        src = [source('2235', name=f's{number}') for number in range(100)]
        some = [
            instance(host, amount, uuid=f'{host.name}-{index}')
            for host in src
            for index, amount in enumerate([1] * 12 + [2] * 4)
        ]
        free = {f'h{number}-0': 2 for number in range(0, 2000, 2)}
        found = check([*hosts, *src], src, some, free)
        self.assertTrue(found.possible)
        taken = collections.Counter()
        for one in found.departures:
            taken[one.assigned] += one.instance.mdevs[0][2]
        self.assertEqual({2}, set(taken.values()))
        del free['h0-0']
        found = check([*hosts, *src], src, some, free)
        self.assertEqual((False, True), (found.possible, found.proven))


def places(one, hosts):
    """Yield how much each device has to have for an instance."""
    pieces = [
        (product_of(parent), piece)
        for parent, _, amount in one.mdevs
        for piece in ([1] * amount if parent.framework == 'VFIO' else [amount])
    ]
    # Mdevs of one type may land on each other's devices.
    sources = {product for product, _ in pieces}
    for host in hosts:
        devices = [
            parent.uuid
            for parent in host.parents
            if sources <= set(TAKES[product_of(parent)].split())
        ]
        for chosen in itertools.product(devices, repeat=len(pieces)):
            needed = collections.Counter()
            for (_, amount), device in zip(pieces, chosen, strict=True):
                needed[device] += amount
            yield needed


def brute_force(hosts, some, free):
    """Return the greatest number of instances that have a place at once."""
    if not some:
        return 0
    first, *others = some
    best = brute_force(hosts, others, free)
    for needed in places(first, hosts):
        left = {uuid: free[uuid] - needed[uuid] for uuid in free}
        if min(left.values()) >= 0 and best < len(some):
            best = max(best, 1 + brute_force(hosts, others, left))
    return best


def product_of(parent):
    (name,) = parent.traits.parents
    return name.removeprefix('10DE_')


def replay(found, hosts, free):
    """Fail unless the assigned hosts can take all that they are to take."""
    for host in hosts:
        here = [
            one.instance
            for one in found.departures
            if one.assigned == host.name
        ]
        assert brute_force([host], here, free) == len(here), (host, here)


products = st.sampled_from(list(TAKES))


@st.composite
def problems(draw, units):
    framework = draw(st.sampled_from([None, 'vfio']))
    hosts = [
        target(f'h{number}', *some, framework=framework)
        for number, some in enumerate(
            draw(
                st.lists(
                    st.lists(products, min_size=1, max_size=2),
                    min_size=1,
                    max_size=3,
                )
            )
        )
    ]
    src = source(*TAKES, framework=framework)
    free = {
        parent.uuid: draw(st.integers(0, 3))
        for host in hosts
        for parent in host.parents
    }
    if units:
        amounts = st.sampled_from([(1,), (0, 1), (0, 0, 1)])
    else:
        amounts = st.tuples(*[st.integers(0, 2)] * 3).filter(any)
    some = [
        instance(src, *one, uuid=f'{number}')
        for number, one in enumerate(draw(st.lists(amounts, max_size=5)))
    ]
    return hosts, src, some, free


class BruteForceTest(testtools.TestCase):
    """What is found is what an exhaustive search finds."""

    @hypothesis.settings(max_examples=150, deadline=None)
    @hypothesis.given(problems(units=True))
    def test_units(self, problem):
        """With one mdev each, also the number of those that have room."""
        hosts, src, some, free = problem
        found = check([*hosts, src], [src], some, free)
        self.assertTrue(found.proven)
        replay(found, hosts, free)
        self.assertEqual(
            brute_force(hosts, some, free), sum(map(bool, assigned(found)))
        )

    @hypothesis.settings(max_examples=150, deadline=None)
    @hypothesis.given(problems(units=False))
    def test_several(self, problem):
        """With several mdevs, whether there is room for all."""
        hosts, src, some, free = problem
        found = check([*hosts, src], [src], some, free)
        self.assertTrue(found.proven)
        replay(found, hosts, free)
        self.assertEqual(
            brute_force(hosts, some, free) == len(some), found.possible
        )
