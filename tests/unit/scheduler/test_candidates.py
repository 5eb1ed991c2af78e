# SPDX-License-Identifier: Apache-2.0

import collections
import itertools
from urllib import parse

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import identity as ident
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import traits
from nova_mdev_compat.placement import queries
from nova_mdev_compat.scheduler import candidates as decision
from tests.unit import samples
from tests.unit import strategies

VGPU = frozenset({'VGPU'})
ADVERTISES = 'in:CUSTOM_MDEV_HOST,CUSTOM_MDEV_MIXED'
CARRIED = {
    traits.SCHEMA,
    traits.HOST,
    traits.MIXED,
    traits.TYPE + 'X',
    traits.TYPE + 'NVIDIA_558',
}
A16, A2 = samples.A16, ident.Identity.of('10DE_25B6', 'nvidia-742')


def advertisers(mdev_type, tree=None):
    return queries.advertisers(CARRIED, mdev_type, tree)


def source(*identities, amount=1):
    return matching.Source(amount, frozenset(identities))


def candidate(**amounts):
    """Return an allocation candidate with VGPUs from providers."""
    allocations = {
        uuid: {'resources': {'VGPU': amount}}
        for uuid, amount in amounts.items()
    }
    allocations['compute'] = {'resources': {'VCPU': 1, 'MEMORY_MB': 512}}
    return {'allocations': allocations}


def asked(query):
    """Return what a query demands, the order of traits aside."""
    return [
        (key, frozenset(value.removeprefix('in:').split(',')))
        for key, value in parse.parse_qsl(query)
    ]


def accept(number, length=200):
    name = f'{traits.ACCEPT}MTTY__X{number}'
    return name + 'X' * (length - len(name))


class SourcesTest(testtools.TestCase):
    def test_by_type_keeps_each_identity_once(self):
        other = samples.with_facts(ecc='off')
        found = matching.by_type(
            [
                source(A16),
                source(A16, amount=2),
                source(other),
                source(A2, A16),
            ]
        )
        self.assertEqual(
            {'NVIDIA_558': [other, A16], 'NVIDIA_742': [A2]}, found
        )

    def test_matching(self):
        names = [
            traits.ACCEPT + '10DE_2235__NVIDIA_558',
            traits.ACCEPT + '10DE_2235__NVIDIA_558__DRIVER_GE_550',
            traits.ACCEPT + '10DE_2235__NVIDIA_558__DRIVER_GE_560',
            traits.ACCEPT + '10DE_2235__NVIDIA_558__MIG_IS_OFF',
            traits.ACCEPT + '10DE_25B6__NVIDIA_742',
        ]
        patterns = traits.describe(names).accepts
        self.assertEqual(
            set(names[:2]), matching.accepting_traits(patterns, A16)
        )


@ddt.ddt
class QueriesTest(testtools.TestCase):
    def test_one_source(self):
        ((query,),) = queries.queries([{'A', 'B'}], advertisers('NVIDIA_558'))
        self.assertEqual(
            f'required=in:A,B&required={ADVERTISES}&required=CUSTOM_MDEV_V1&'
            'required=CUSTOM_MDEV_TYPE_NVIDIA_558',
            query,
        )

    def test_all_sources_must_be_accepted(self):
        ((query,),) = queries.queries([{'A', 'B'}, {'C'}], advertisers('X'))
        self.assertEqual(
            f'required=in:A,B&required=in:C&required={ADVERTISES}&'
            'required=CUSTOM_MDEV_V1&required=CUSTOM_MDEV_TYPE_X',
            query,
        )

    def test_one_host(self):
        ((query,),) = queries.queries([{'A'}], advertisers('X', 'root-uuid'))
        self.assertTrue(query.endswith('&in_tree=root-uuid'))

    def test_as_long_as_it_may_be(self):
        ((short,),) = queries.queries([{accept(1)}], advertisers('X'))
        longest = accept(1, 200 + queries.MAX_QUERY - len(short))
        (whole,) = queries.queries([{longest}], advertisers('X'))
        self.assertEqual([queries.MAX_QUERY], list(map(len, whole)))
        # A single name is asked for, however long it is.
        (more,) = queries.queries([{longest + 'X'}], advertisers('X'))
        self.assertEqual(1, len(more))

    @ddt.data(*range(240, 256))
    def test_no_more_queries_than_needed(self, length):
        names = {accept(n, length) for n in range(100)}
        (some,) = queries.queries([names], advertisers('X'))
        self.assertGreater(len(some), 5)
        for query in some[:-1]:
            self.assertGreater(len(query) + 1 + length, queries.MAX_QUERY)

    @hypothesis.given(
        st.lists(st.integers(1, 80), min_size=1, max_size=3),
        st.integers(100, 255),
        st.sampled_from([None, 'root-uuid']),
    )
    def test_long_ones_are_split_and_ask_the_same(self, counts, length, tree):
        accepting = [
            {accept(n, length) for n in range(count)} for count in counts
        ]
        found = queries.queries(accepting, advertisers('X', tree))
        tail = asked(
            '&'.join(
                filter(
                    None,
                    [
                        f'required={ADVERTISES}',
                        'required=CUSTOM_MDEV_V1',
                        'required=CUSTOM_MDEV_TYPE_X',
                        tree and f'in_tree={tree}',
                    ],
                )
            )
        )
        united = []
        for some in found:
            demands = [asked(query) for query in some]
            self.assertTrue(
                all(len(query) <= queries.MAX_QUERY for query in some)
            )
            self.assertTrue(
                all(one in demand for one in tail for demand in demands)
            )
            united.append(demands)
        self.assertEqual(
            sorted(map(sorted, accepting)),
            sorted(self.names(united, len(accepting))),
        )

    def names(self, united, sources):
        """Return the names that stand for each source."""
        if len(united) == 1 and len(united[0]) == 1:
            ((demand,),) = united
            return [
                sorted(names)
                for key, names in demand
                if min(names).startswith(traits.ACCEPT)
            ]
        self.assertEqual(sources, len(united))
        return [
            sorted(
                name
                for demand in demands
                for _, names in demand
                for name in names
                if name.startswith(traits.ACCEPT)
            )
            for demands in united
        ]


@ddt.ddt
class AdvertisersTest(testtools.TestCase):
    """Placement refuses a query that names a trait that does not exist."""

    @ddt.data(traits.SCHEMA, traits.TYPE + 'X')
    def test_nobody(self, missing):
        self.assertIsNone(queries.advertisers(CARRIED - {missing}, 'X'))

    def test_nobody_advertises(self):
        self.assertIsNone(
            queries.advertisers(CARRIED - {traits.HOST, traits.MIXED}, 'X')
        )

    @ddt.data((traits.HOST, traits.MIXED), (traits.MIXED, traits.HOST))
    @ddt.unpack
    def test_one_of_two(self, missing, left):
        self.assertEqual(
            (('required', f'in:{left}'), ('required', traits.SCHEMA)),
            queries.advertisers(CARRIED - {missing}),
        )

    def test_other_schemas(self):
        """Whoever names another one, too, is not read."""
        carried = CARRIED | {'CUSTOM_MDEV_V2', 'CUSTOM_MDEV_V10'}
        self.assertEqual(
            (
                ('required', ADVERTISES),
                ('required', traits.SCHEMA),
                ('required', '!CUSTOM_MDEV_V10'),
                ('required', '!CUSTOM_MDEV_V2'),
                ('required', traits.TYPE + 'X'),
            ),
            queries.advertisers(carried, 'X'),
        )


class AcceptorsTest(testtools.TestCase):
    def test_roots_and_parents(self):
        found = decision.Acceptors.of(
            [('r1', 'r1'), ('p1', 'r2'), ('p2', 'r2'), ('p1', 'r2')]
        )
        self.assertEqual(
            decision.Acceptors(
                frozenset({'r1'}), frozenset({'p1', 'p2'}), frozenset({'r2'})
            ),
            found,
        )

    def test_nobody(self):
        self.assertEqual(decision.Acceptors(), decision.Acceptors.of([]))


@ddt.ddt
class DecisionTest(testtools.TestCase):
    """Host r1 speaks for its parents; of r2, only p1 and p2 accept."""

    acceptors = decision.Acceptors.of(
        [('r1', 'r1'), ('p1', 'r2'), ('p2', 'r2')]
    )

    def remaining(self, sources, acceptors, root, *candidates):
        found = decision.CandidateFilter(sources, acceptors, VGPU)
        return list(found.remaining(root, list(candidates)))

    @ddt.data(
        ('r1', {'any': 1}, True),
        ('r1', {'any': 1, 'other': 1}, True),
        ('r2', {'p1': 1}, True),
        ('r2', {'p1': 1, 'p2': 1}, True),
        ('r2', {'p3': 1}, False),
        ('r2', {'p1': 1, 'p3': 1}, False),
        ('r3', {'any': 1}, False),
    )
    @ddt.unpack
    def test_one_type(self, root, amounts, expected):
        one = candidate(**amounts)
        found = self.remaining(
            [source(A16)], {'NVIDIA_558': self.acceptors}, root, one
        )
        self.assertEqual([one] if expected else [], found)

    def test_only_candidates_on_good_parents_are_left(self):
        good, bad = candidate(p2=1), candidate(p3=1)
        found = self.remaining(
            [source(A16)], {'NVIDIA_558': self.acceptors}, 'r2', bad, good, bad
        )
        self.assertEqual([good], found)

    def test_nobody_accepts(self):
        self.assertEqual(
            [],
            self.remaining(
                [source(A16)],
                {'NVIDIA_558': decision.Acceptors()},
                'r1',
                candidate(any=1),
            ),
        )

    two = {
        'NVIDIA_558': decision.Acceptors.of([('p1', 'r2'), ('r1', 'r1')]),
        'NVIDIA_742': decision.Acceptors.of([('p2', 'r2')]),
    }

    @ddt.data(
        ({'p1': 1, 'p2': 2}, True),
        ({'p1': 2, 'p2': 1}, False),
        ({'p1': 3}, False),
        ({'p1': 1}, False),
        ({'p1': 1, 'p2': 2, 'p3': 1}, False),
        ({}, False),
    )
    @ddt.unpack
    def test_two_types_must_come_in_the_amounts_of_the_source(
        self, amounts, expected
    ):
        one = candidate(**amounts)
        found = self.remaining(
            [source(A16), source(A2, amount=2)], self.two, 'r2', one
        )
        self.assertEqual([one] if expected else [], found)

    def test_a_host_of_one_type_has_not_both(self):
        self.assertEqual(
            [],
            self.remaining(
                [source(A16), source(A2)], self.two, 'r1', candidate(a=1, b=1)
            ),
        )

    @ddt.data(
        ({'p1': 1}, 1, True),
        ({'p2': 1}, 1, True),
        ({'p1': 1, 'p2': 1}, 2, True),
        ({'p1': 1, 'p2': 1}, 1, False),
        ({'p3': 1}, 1, False),
    )
    @ddt.unpack
    def test_types_that_nobody_knows_must_all_be_accepted(
        self, amounts, amount, expected
    ):
        one = candidate(**amounts)
        found = self.remaining(
            [source(A16, A2, amount=amount)], self.two, 'r2', one
        )
        self.assertEqual([one] if expected else [], found)

    @ddt.data(
        ({'p1': 2}, False),
        ({'p1': 1, 'p2': 1}, True),
        ({'p2': 2}, True),
        ({'p1': 1, 'p3': 1}, False),
    )
    @ddt.unpack
    def test_a_known_type_beside_one_that_nobody_knows(
        self, amounts, expected
    ):
        """There must be room for the type of which it is known."""
        one = candidate(**amounts)
        found = self.remaining(
            [source(A16, A2), source(A2)], self.two, 'r2', one
        )
        self.assertEqual([one] if expected else [], found)

    @ddt.data(
        ({'p1': 1, 'p3': 1}, True),
        ({'p2': 1, 'p3': 1}, False),
        ({'p1': 2}, True),
        ({'p3': 2}, False),
        ({'p3': 1}, False),
    )
    @ddt.unpack
    def test_beside_a_source_of_which_nothing_is_known(
        self, amounts, expected
    ):
        one = candidate(**amounts)
        found = self.remaining(
            [source(A16), source()],
            {'NVIDIA_558': self.two['NVIDIA_558']},
            'r2',
            one,
        )
        self.assertEqual([one] if expected else [], found)

    @ddt.data(
        ({'p1': 1, 'p3': 1}, True),
        ({'p2': 1, 'p3': 1}, False),
        ({'p1': 2}, False),
        ({'p3': 2}, False),
    )
    @ddt.unpack
    def test_beside_a_type_whose_acceptors_nobody_knows(
        self, amounts, expected
    ):
        """A parent that accepts one type is known not to be of another."""
        one = candidate(**amounts)
        found = self.remaining(
            [source(A16), source(A2)],
            self.two | {'NVIDIA_742': None},
            'r2',
            one,
        )
        self.assertEqual([one] if expected else [], found)


_TYPES = ('T1', 'T2', 'T3')
_parents = st.lists(
    st.tuples(st.sampled_from((*_TYPES, None)), st.integers(1, 3)),
    min_size=1,
    max_size=4,
)
_held = st.lists(
    st.tuples(st.sets(st.sampled_from(_TYPES), max_size=3), st.integers(1, 2)),
    min_size=1,
    max_size=3,
)


class AssignmentTest(testtools.TestCase):
    def test_every_assignment_tried(self):
        """A candidate is left if some mdevs can be what it gives."""
        seen = collections.Counter()

        @hypothesis.settings(max_examples=500)
        @hypothesis.given(_parents, _held, st.sets(st.sampled_from(_TYPES)))
        def check(parents, held, unknown):
            # A candidate gives as many as the instance has.
            (types, _), *others = held
            amount = sum(amount for _, amount in parents) - sum(
                amount for _, amount in others
            )
            hypothesis.assume(amount > 0)
            held = [(types, amount), *others]
            expected = self.by_trying(parents, held, unknown)
            self.assertIs(expected, self.by_decision(parents, held, unknown))
            seen[expected] += 1

        check()
        self.assertGreater(min(seen[True], seen[False]), 30, seen)

    def by_trying(self, parents, held, unknown):
        """Give every mdev each place there is."""
        places = [
            mdev_type for mdev_type, amount in parents for _ in range(amount)
        ]
        known = {mdev_type for types, _ in held for mdev_type in types}
        places = sorted(
            place if place in known and place not in unknown else ''
            for place in places
        )
        choices = [
            sorted(self.allowed(types, known, unknown))
            for types, amount in held
            for _ in range(amount)
        ]
        return self.match(collections.Counter(places), choices)

    def allowed(self, types, known, unknown):
        if not types:
            return {'', *known}
        return types | ({''} if types & unknown else set())

    def match(self, places, choices):
        if not choices:
            return True
        return any(
            self.match(places - collections.Counter([place]), choices[1:])
            for place in choices[0]
            if places[place]
        )

    def by_decision(self, parents, held, unknown):
        sources = [
            source(
                *(
                    ident.Identity.of('10DE_25B6', mdev_type)
                    for mdev_type in types
                ),
                amount=amount,
            )
            for types, amount in held
        ]
        acceptors = {
            mdev_type: None
            if mdev_type in unknown
            else decision.Acceptors.of(
                [
                    (str(number), 'root')
                    for number, (serves, _) in enumerate(parents)
                    if serves == mdev_type
                ]
            )
            for mdev_type in matching.by_type(sources)
        }
        one = candidate(
            **{
                str(number): amount
                for number, (_, amount) in enumerate(parents)
            }
        )
        found = decision.CandidateFilter(sources, acceptors, VGPU)
        return bool(found.remaining('root', [one]))


CLASSES = frozenset({'VGPU', 'CUSTOM_GPU'})
_PARENTS = tuple(f'p{number}' for number in range(5))
#: Root providers of two hosts, their parents, and a sharing provider.
_PROVIDERS = ('r1', 'r2', *_PARENTS, 'shared')
_resources = st.dictionaries(
    st.sampled_from(('VGPU', 'CUSTOM_GPU', 'VCPU', 'DISK_GB')),
    st.integers(0, 2),
    min_size=1,
)
_candidates = st.lists(
    st.dictionaries(
        st.sampled_from(_PROVIDERS),
        _resources.map(lambda found: {'resources': found}),
    ).map(lambda found: {'allocations': found}),
    max_size=4,
)
_acceptors = st.builds(
    decision.Acceptors.of,
    st.sets(
        st.one_of(
            st.sampled_from((('r1', 'r1'), ('r2', 'r2'))),
            st.tuples(
                st.sampled_from((*_PARENTS, 'shared')),
                st.sampled_from(('r1', 'r2')),
            ),
        )
    ),
)
_sources = st.lists(
    st.builds(
        lambda amount, types: source(
            *(ident.Identity.of('10DE_25B6', name) for name in types),
            amount=amount,
        ),
        st.integers(1, 3),
        st.sets(st.sampled_from(_TYPES), max_size=2),
    ),
    min_size=1,
    max_size=3,
)


class Host:
    def __init__(self, uuid, candidates):
        self.uuid = uuid
        self.allocation_candidates = candidates


class ReferenceTest(testtools.TestCase):
    """The filter decides as a plain algorithm does, which is written here."""

    def test_every_candidate(self):
        seen = collections.Counter()

        @hypothesis.settings(max_examples=600)
        @hypothesis.given(_sources, _candidates, _candidates, st.data())
        def check(sources, first, second, data):
            acceptors = {
                name: data.draw(st.one_of(st.none(), _acceptors))
                for name in matching.by_type(sources)
            }
            hosts = [Host('r1', first), Host('r2', second)]
            expected = [
                [
                    one
                    for one in host.allocation_candidates
                    if self.fits(sources, acceptors, host.uuid, one)
                ]
                for host in hosts
            ]
            found = decision.CandidateFilter(sources, acceptors, CLASSES)
            refused = [
                host
                for host, some in zip(hosts, expected, strict=True)
                if not some
            ]
            self.assertEqual(refused, found.filter(hosts, narrow=False))
            self.assertIs(first, hosts[0].allocation_candidates)
            self.assertEqual(refused, found.filter(hosts))
            for host, some in zip(hosts, expected, strict=True):
                if some:
                    left = host.allocation_candidates
                    self.assertTrue(left)
                    self.assertEqual(some, list(left))
                    self.assertEqual(some[0], left[0])
                    self.assertEqual(len(some), len(left))
                    # It is the same for a filter that runs once more.
                    self.assertEqual(
                        some, list(found.remaining(host.uuid, left))
                    )
                seen[len(acceptors), bool(some)] += 1

        check()
        for types in (1, 2):
            for kept in (True, False):
                self.assertGreater(seen[types, kept], 10, seen)

    def fits(self, sources, acceptors, root, candidate):
        allocations = candidate['allocations']
        if len(acceptors) == 1 and all(one.identities for one in sources):
            (only,) = acceptors.values()
            if only is not None:
                return root in only.roots or (
                    root in only.parent_roots
                    and all(
                        uuid in only.parents
                        for uuid, item in allocations.items()
                        if CLASSES & set(item['resources'])
                    )
                )
        found = collections.Counter()
        for uuid, item in allocations.items():
            found[self.type_of(acceptors, root, uuid)] += sum(
                item['resources'].get(name, 0) for name in CLASSES
            )
        if found.total() != sum(one.amount for one in sources):
            return False
        places = [(self.places(one, acceptors), one.amount) for one in sources]
        names = ('', *acceptors)
        return all(
            sum(found[name] for name in chosen)
            >= sum(amount for types, amount in places if types <= set(chosen))
            for size in range(len(names) + 1)
            for chosen in itertools.combinations(names, size)
        )

    def type_of(self, acceptors, root, uuid):
        for name, some in acceptors.items():
            if some and (uuid in some.parents or root in some.roots):
                return name
        return ''

    def places(self, one, acceptors):
        types = {identity.type for identity in one.identities}
        if not types:
            return {'', *acceptors}
        unknown = any(acceptors[name] is None for name in types)
        return types | ({''} if unknown else set())


class RemainingCandidatesTest(testtools.TestCase):
    def test_others_are_checked_when_they_are_read(self):
        acceptors = decision.Acceptors.of([('p1', 'r')])
        found = decision.CandidateFilter(
            [source(A16)], {'NVIDIA_558': acceptors}, VGPU
        )
        good, bad = candidate(p1=1), candidate(p2=1)
        broken = {}
        left = found.remaining('r', [bad, good, broken])
        self.assertTrue(left)
        self.assertRaises(KeyError, len, left)
        left = found.remaining('r', [bad, good, bad, good])
        self.assertEqual([good, good], left[:])
        self.assertEqual(repr([good, good]), repr(left))


class AmountsTest(testtools.TestCase):
    def test_of_a_candidate(self):
        self.assertEqual(
            {'p1': 1, 'p2': 2},
            decision.mdev_amounts(candidate(p1=1, p2=2), VGPU),
        )

    def test_classes_of_one_provider_add_up(self):
        self.assertEqual(
            {'p': 3},
            decision.amounts(
                {
                    'p': {'VGPU': 1, 'CUSTOM_GPU': 2, 'VCPU': 4},
                    'q': {'VCPU': 1},
                },
                frozenset({'VGPU', 'CUSTOM_GPU'}),
            ),
        )

    @hypothesis.given(strategies.identities, st.integers(1, 4))
    def test_a_source_of_one_type_is_accepted_by_a_root(
        self, identity, amount
    ):
        one = candidate(p=amount)
        found = decision.CandidateFilter(
            [source(identity, amount=amount)],
            {identity.type: decision.Acceptors.of([('r', 'r')])},
            VGPU,
        )
        self.assertEqual([one], found.remaining('r', [one]))
