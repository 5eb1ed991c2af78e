# SPDX-License-Identifier: Apache-2.0

import collections
import itertools

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import verdict
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


def voice(*patterns, serves=('NVIDIA_558',)):
    return Offer(frozenset(patterns), frozenset(serves))


UP_TO_535 = voice(takes(pat.Op.LE, '535_54_03'))
FROM_550 = voice(takes(pat.Op.GE, '550'))


def need(*identities, amount=1):
    return acceptance.needs(
        [(frozenset({one}), 'VGPU', amount) for one in identities]
    )


@ddt.ddt
class JudgeTest(testtools.TestCase):
    @ddt.data(
        ([UP_TO_535], [OLD], 'compatible', ''),
        (
            [UP_TO_535],
            [NEW],
            'incompatible',
            'driver 550.54.14 is not at most 535.54.03',
        ),
        ([UP_TO_535, FROM_550], [NEW], 'compatible', ''),
        (
            [UP_TO_535],
            [NO_DRIVER],
            'unknown',
            'driver of the source is unknown',
        ),
        ([voice()], [OLD], 'incompatible', 'publishes no accepted sources'),
        ([], [OLD], 'incompatible', 'publishes no accepted sources'),
        (
            [UP_TO_535],
            [OTHER],
            'incompatible',
            'does not serve type nvidia-559, and Nova takes no other',
        ),
        # Of those that know the board, the nearest alone is told.
        (
            [UP_TO_535, voice(takes(pat.Op.GE, '1', parent='10DE_2236'))],
            [NEW],
            'incompatible',
            'driver 550.54.14 is not at most 535.54.03',
        ),
        (
            [voice(takes(pat.Op.GE, '1', parent='10DE_2236'))],
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
        ([voice(takes(pat.Op.GE, '535'))], [OLD, NEW], 'compatible', ''),
        (
            [UP_TO_535],
            [OLD, OTHER],
            'incompatible',
            'does not serve type nvidia-559, and Nova takes no other',
        ),
        # One device has the pattern, another serves the type.
        (
            [
                voice(takes(pat.Op.GE, '1'), serves=['NVIDIA_559']),
                voice(takes(pat.Op.GE, '1', parent='10DE_2236')),
            ],
            [OLD],
            'incompatible',
            'does not serve type nvidia-558, and Nova takes no other',
        ),
    )
    @ddt.unpack
    def test_words(self, voices, sources, kind, expected):
        found = acceptance.judge(frozenset(voices), need(*sources))
        self.assertEqual((kind, expected), (found.kind.value, str(found)))


class NeedsTest(testtools.TestCase):
    def test_of_two_types(self):
        found = acceptance.needs(
            [
                (frozenset({OLD}), 'VGPU', 1),
                (frozenset({OTHER}), 'VGPU', 2),
                (frozenset({NEW}), 'VGPU', 3),
            ]
        )
        self.assertEqual(
            {
                acceptance.Need((('NVIDIA_558', (OLD, NEW)),), 'VGPU', (3, 1)),
                acceptance.Need((('NVIDIA_559', (OTHER,)),), 'VGPU', (2,)),
            },
            set(found),
        )

    def test_of_a_type_that_nobody_knows(self):
        """One of the two is in use on the parent, and Nova knows which."""
        first, second = ('NVIDIA_558', (OLD,)), ('NVIDIA_559', (OTHER,))
        self.assertEqual(
            (
                acceptance.Need((first, second), 'VGPU', (2, 1)),
                acceptance.Need((first,), 'VGPU', (3,)),
            ),
            acceptance.needs(
                [
                    (frozenset({OLD, OTHER}), 'VGPU', 2),
                    (frozenset({OLD}), 'VGPU', 3),
                    (frozenset({OLD, OTHER}), 'VGPU', 1),
                ]
            ),
        )

    def test_of_two_resource_classes(self):
        found = acceptance.needs(
            [
                (frozenset({OLD}), 'VGPU', 1),
                (frozenset({OTHER}), 'CUSTOM_GPU', 1),
            ]
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
        # Of what takes the first type, and of what takes the second.
        ({}, {'p': 1}, False),
        ({}, {'p': 2}, True),
        ({}, {'p': 3}, True),
        ({'p': 1}, {'q': 1}, True),
        ({'p': 2}, {}, False),
    )
    @ddt.unpack
    def test_a_known_type_beside_one_that_nobody_knows(
        self, first, second, expected
    ):
        wanted = need_of_either, known = acceptance.needs(
            [
                (frozenset({OLD, OTHER}), 'VGPU', 1),
                (frozenset({OTHER}), 'VGPU', 1),
            ]
        )
        self.assertEqual(
            [2, 2], [acceptance.most(one, wanted) for one in wanted]
        )
        self.assertIs(
            expected,
            acceptance.fits(
                wanted, {need_of_either: first | second, known: second}
            ),
        )

    def test_two_resource_classes_of_one_parent(self):
        wanted = acceptance.needs(
            [
                (frozenset({OLD}), 'VGPU', 1),
                (frozenset({OTHER}), 'CUSTOM_GPU', 1),
            ]
        )
        self.assertEqual(
            [1, 1], [acceptance.most(one, wanted) for one in wanted]
        )
        self.assertTrue(
            acceptance.fits(wanted, {one: {'p': 1} for one in wanted})
        )

    def test_many_parents_that_are_alike(self):
        """It is seen at once that none of them has room for the last one."""
        one = acceptance.Need((), 'VGPU', (2,) * 33)
        self.assertFalse(
            acceptance.fits(
                (one,),
                {
                    one: dict.fromkeys(range(64), 2)
                    | dict.fromkeys(range(32), 1)
                },
            )
        )


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
_voices = st.lists(
    st.builds(
        lambda patterns, mdev_type: voice(*patterns, serves=[mdev_type]),
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
    def test_a_host_is_accepted_where_a_candidate_is_left(self):
        """With capacity for all, as the filter judges candidates."""
        seen = collections.Counter()

        @hypothesis.settings(max_examples=400)
        @hypothesis.given(_voices, _sources)
        def check(voices, sources):
            expected = self.filter_keeps(voices, sources)
            found = acceptance.judge(
                frozenset(voices),
                acceptance.needs(
                    [(frozenset(one), 'VGPU', 1) for one in sources]
                ),
            )
            self.assertIs(expected, bool(found))
            self.assertNotEqual(expected, bool(found.reasons))
            seen[expected] += 1

        check()
        self.assertGreater(min(seen[True], seen[False]), 40, seen)

    def filter_keeps(self, voices, sources):
        """Ask the filter's decision about every candidate of a host."""
        held = [matching.Source(1, frozenset(one)) for one in sources]
        acceptors = {
            mdev_type: candidates.Acceptors.of(
                [
                    (str(number), 'root')
                    for number, one in enumerate(voices)
                    if mdev_type in one.serves
                    and all(
                        matching.accepting_traits(
                            {
                                traits.encode_pattern(pattern): pattern
                                for pattern in one.accepts
                            },
                            source,
                        )
                        for source in identities
                    )
                ]
            )
            for mdev_type, identities in matching.by_type(held).items()
        }
        decision = candidates.CandidateFilter(
            held, acceptors, frozenset({'VGPU'})
        )
        return bool(
            decision.remaining(
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
                        range(len(voices)), repeat=len(sources)
                    )
                ],
            )
        )


class FirstFailuresTest(testtools.TestCase):
    @hypothesis.given(st.lists(_patterns, min_size=1, max_size=4), _identities)
    def test_nothing_exactly_where_a_pattern_accepts(self, patterns, source):
        found = Offer(frozenset(patterns), frozenset({source.type})).judge(
            source
        )
        self.assertIs(
            found.kind is verdict.Status.COMPATIBLE,
            not matching.first_failures(patterns, source),
        )
