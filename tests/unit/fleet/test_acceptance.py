# SPDX-License-Identifier: Apache-2.0

import collections
import dataclasses
import itertools

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.scheduler import candidates

OLD = identity.Identity.of('10DE_2235', 'nvidia-558', {'driver': '535.54.03'})
NEW = identity.Identity.of('10DE_2235', 'nvidia-558', {'driver': '550.54.14'})
OTHER = identity.Identity.of(
    '10DE_2235', 'nvidia-559', {'driver': '535.54.03'}
)
NO_DRIVER = identity.Identity.of('10DE_2235', 'nvidia-558', {})


def takes(op, value, mdev_type='NVIDIA_558', parent='10DE_2235'):
    return pat.Pattern(
        parent, mdev_type, (pat.Condition('driver', op, value),)
    )


def offer(*patterns, serves='NVIDIA_558'):
    return Offer(frozenset(patterns), frozenset({serves}))


UP_TO_535 = offer(takes(pat.Op.LE, '535_54_03'))
FROM_550 = offer(takes(pat.Op.GE, '550'))
FROM_535 = offer(takes(pat.Op.GE, '535'))
OTHER_PRODUCT = offer(takes(pat.Op.GE, '1', parent='10DE_2236'))
OTHER_TYPE = offer(takes(pat.Op.GE, '1'), serves='NVIDIA_559')

TOO_NEW = 'driver 550.54.14 is not at most 535.54.03'
NOTHING = 'publishes no accepted sources'
NOT_SERVED = 'does not serve type nvidia-{}, and Nova takes no other'


def held(*identities, amount=1, resource_class='VGPU'):
    """Return mdevs of one source, as acceptance.needs takes them."""
    return frozenset(identities), resource_class, amount


class FrameworksTest(testtools.TestCase):
    def test_functions_count_alone_and_mdevs_of_a_parent_together(self):
        function = dataclasses.replace(
            OLD, facts=OLD.facts | {(identity.FRAMEWORK, identity.VFIO)}
        )
        found = acceptance.needs(
            [held(OLD, amount=2), held(function, amount=2)]
        )
        self.assertEqual(
            [(identity.MDEV, (2,)), (identity.VFIO, (1, 1))],
            [(need.framework, need.amounts) for need in found],
        )
        self.assertEqual(
            [2, 2], [acceptance.most(need, found) for need in found]
        )
        offered = offer(
            takes(pat.Op.GE, '535').within(identity.VFIO), serves=OLD.type
        )
        self.assertEqual(
            [False, True],
            [acceptance.accepts(offered, need) for need in found],
        )
        mdevs, functions = found
        free = {mdevs: {'a': 2}, functions: {'b': 1, 'c': 1}}
        self.assertTrue(acceptance.fits(found, free))
        free[mdevs] = {'a': 1, 'd': 1}
        self.assertFalse(acceptance.fits(found, free))


@ddt.ddt
class JudgeTest(testtools.TestCase):
    @ddt.data(
        ([UP_TO_535], [OLD], 'compatible', ''),
        ([UP_TO_535], [NEW], 'incompatible', TOO_NEW),
        ([UP_TO_535, FROM_550], [NEW], 'compatible', ''),
        (
            [UP_TO_535],
            [NO_DRIVER],
            'unknown',
            'driver of the source is unknown',
        ),
        ([offer()], [OLD], 'incompatible', NOTHING),
        ([], [OLD], 'incompatible', NOTHING),
        ([UP_TO_535], [OTHER], 'incompatible', NOT_SERVED.format(559)),
        # Of the patterns for this product only the nearest gives a reason.
        ([UP_TO_535, OTHER_PRODUCT], [NEW], 'incompatible', TOO_NEW),
        (
            [OTHER_PRODUCT],
            [OLD],
            'incompatible',
            'device 10de:2235 is not 10de:2236',
        ),
        # Nova may pair either of two mdevs with either device.
        (
            [UP_TO_535, FROM_550],
            [OLD, NEW],
            'incompatible',
            'no single device accepts all of its mdevs',
        ),
        ([FROM_535], [OLD, NEW], 'compatible', ''),
        ([UP_TO_535], [OLD, OTHER], 'incompatible', NOT_SERVED.format(559)),
        # One device has the pattern, another serves the type.
        (
            [OTHER_TYPE, OTHER_PRODUCT],
            [OLD],
            'incompatible',
            NOT_SERVED.format(558),
        ),
    )
    @ddt.unpack
    def test_reasons(self, offers, sources, kind, expected):
        found = acceptance.judge(
            frozenset(offers), acceptance.needs(map(held, sources))
        )
        self.assertEqual((kind, expected), (found.kind.value, str(found)))


class NeedsTest(testtools.TestCase):
    def test_two_types(self):
        self.assertEqual(
            {
                acceptance.Need((('NVIDIA_558', (OLD, NEW)),), 'VGPU', (3, 1)),
                acceptance.Need((('NVIDIA_559', (OTHER,)),), 'VGPU', (2,)),
            },
            set(
                acceptance.needs(
                    [held(OLD), held(OTHER, amount=2), held(NEW, amount=3)]
                )
            ),
        )

    def test_an_unknown_type(self):
        """One of the two is in use on the parent, and Nova knows which."""
        first, second = ('NVIDIA_558', (OLD,)), ('NVIDIA_559', (OTHER,))
        self.assertEqual(
            (
                acceptance.Need((first, second), 'VGPU', (2, 1)),
                acceptance.Need((first,), 'VGPU', (3,)),
            ),
            acceptance.needs(
                [
                    held(OLD, OTHER, amount=2),
                    held(OLD, amount=3),
                    held(OLD, OTHER),
                ]
            ),
        )

    def test_two_resource_classes(self):
        found = acceptance.needs(
            [held(OLD), held(OTHER, resource_class='CUSTOM_GPU')]
        )
        self.assertEqual(
            {'NVIDIA_558': 'VGPU', 'NVIDIA_559': 'CUSTOM_GPU'},
            {one.alternatives[0][0]: one.resource_class for one in found},
        )


@ddt.ddt
class FitsTest(testtools.TestCase):
    @ddt.data(
        ([1], [], False),
        ([1], [0], False),
        ([1], [1], True),
        ([2], [1, 1], False),
        ([1, 1], [1, 1], True),
        ([1, 1], [2], True),
        ([2, 1], [2, 1], True),
        ([2, 2], [3, 1], False),
        ([], [], True),
        ([3, 2, 2], [4, 3], True),
    )
    @ddt.unpack
    def test_amounts(self, amounts, free, expected):
        one = acceptance.Need((), 'VGPU', tuple(amounts))
        self.assertIs(
            expected, acceptance.fits((one,), {one: dict(enumerate(free))})
        )

    @ddt.data(
        # Capacity for the first type, and for the second.
        ({}, {'p': 1}, False),
        ({}, {'p': 2}, True),
        ({}, {'p': 3}, True),
        ({'p': 1}, {'q': 1}, True),
        ({'p': 2}, {}, False),
    )
    @ddt.unpack
    def test_a_known_type_beside_an_unknown_one(self, first, second, expected):
        wanted = either, known = acceptance.needs(
            [held(OLD, OTHER), held(OTHER)]
        )
        self.assertEqual(
            [2, 2], [acceptance.most(one, wanted) for one in wanted]
        )
        self.assertIs(
            expected,
            acceptance.fits(wanted, {either: first | second, known: second}),
        )

    def test_two_resource_classes_of_one_parent(self):
        wanted = acceptance.needs(
            [held(OLD), held(OTHER, resource_class='CUSTOM_GPU')]
        )
        self.assertEqual(
            [1, 1], [acceptance.most(one, wanted) for one in wanted]
        )
        self.assertTrue(
            acceptance.fits(wanted, {one: {'p': 1} for one in wanted})
        )

    def test_many_equal_parents(self):
        """That none of them has capacity for the last one is found at once."""
        one = acceptance.Need((), 'VGPU', (2,) * 33)
        free = dict.fromkeys(range(64), 2) | dict.fromkeys(range(32), 1)
        self.assertFalse(acceptance.fits((one,), {one: free}))


_drivers = st.sampled_from(['525_60', '535_54', '550_90'])
_types = st.sampled_from(['NVIDIA_558', 'NVIDIA_559'])
_identities = st.builds(
    lambda product, mdev_type, driver: identity.Identity.of(
        f'10DE_{product}', mdev_type, {'driver': driver}
    ),
    st.sampled_from(['2235', '2236']),
    _types,
    _drivers,
)
_patterns = st.builds(
    takes,
    st.sampled_from([pat.Op.GE, pat.Op.LE, pat.Op.EQ]),
    _drivers,
    st.one_of(_types, st.just(pat.ANY)),
    st.sampled_from(['10DE_2235', '10DE_2236', '10DE_ANY']),
)
_offers = st.lists(
    st.builds(
        lambda patterns, mdev_type: offer(*patterns, serves=mdev_type),
        st.lists(_patterns, max_size=3),
        _types,
    ),
    min_size=1,
    max_size=3,
)
_sources = st.lists(
    st.sets(_identities, min_size=1, max_size=2), min_size=1, max_size=2
)


class AsTheFilterDecidesTest(testtools.TestCase):
    def test_a_host_is_accepted_if_a_candidate_remains(self):
        """With capacity for all, as the filter decides on candidates."""
        seen = collections.Counter()

        @hypothesis.settings(max_examples=400)
        @hypothesis.given(_offers, _sources)
        def check(offers, sources):
            expected = self.filter_keeps(offers, sources)
            found = acceptance.judge(
                frozenset(offers),
                acceptance.needs(held(*one) for one in sources),
            )
            self.assertIs(expected, bool(found))
            self.assertNotEqual(expected, bool(found.reasons))
            seen[expected] += 1

        check()
        self.assertGreater(min(seen[True], seen[False]), 40, seen)

    def filter_keeps(self, offers, sources):
        """Return whether the filter keeps any candidate of a host."""
        held = [matching.Source(1, frozenset(one)) for one in sources]
        acceptors = {
            mdev_type: candidates.Acceptors.of(
                [
                    (str(number), 'root')
                    for number, one in enumerate(offers)
                    if mdev_type in one.serves
                    and all(
                        matching.accepting_traits(
                            dict(enumerate(one.accepts)), source
                        )
                        for source in identities
                    )
                ]
            )
            for mdev_type, identities in matching.by_type(held).items()
        }
        return bool(
            candidates.CandidateFilter(
                held, acceptors, frozenset({'VGPU'})
            ).remaining(
                'root',
                [
                    {
                        'allocations': {
                            str(number): {'resources': {'VGPU': amount}}
                            for number, amount in collections.Counter(
                                chosen
                            ).items()
                        }
                    }
                    for chosen in itertools.product(
                        range(len(offers)), repeat=len(sources)
                    )
                ],
            )
        )
