# SPDX-License-Identifier: Apache-2.0

import collections
import random
from urllib import parse

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import identity as ident
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import traits
from nova_mdev_compat.placement import queries
from nova_mdev_compat.scheduler import candidates
from tests.unit import samples

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
    @ddt.data(
        ([{'A', 'B'}], None, 'required=in:A,B', ''),
        ([{'A', 'B'}, {'C'}], None, 'required=in:A,B&required=in:C', ''),
        ([{'A'}], 'root-uuid', 'required=in:A', '&in_tree=root-uuid'),
    )
    @ddt.unpack
    def test_query(self, accepting, tree, begin, end):
        ((query,),) = queries.queries(accepting, advertisers('X', tree))
        self.assertEqual(
            f'{begin}&required={ADVERTISES}&required=CUSTOM_MDEV_V1&'
            f'required=CUSTOM_MDEV_TYPE_X{end}',
            query,
        )

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
        """Return the names that are asked for each source."""
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

    @ddt.data(
        {traits.SCHEMA}, {traits.TYPE + 'X'}, {traits.HOST, traits.MIXED}
    )
    def test_none(self, missing):
        self.assertIsNone(queries.advertisers(CARRIED - missing, 'X'))

    @ddt.data((traits.HOST, traits.MIXED), (traits.MIXED, traits.HOST))
    @ddt.unpack
    def test_one_of_two(self, missing, left):
        self.assertEqual(
            (('required', f'in:{left}'), ('required', traits.SCHEMA)),
            queries.advertisers(CARRIED - {missing}),
        )

    def test_other_schemas(self):
        """A provider that also carries another schema is not read."""
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
        found = candidates.Acceptors.of(
            [('r1', 'r1'), ('p1', 'r2'), ('p2', 'r2'), ('p1', 'r2')]
        )
        self.assertEqual(
            candidates.Acceptors(
                frozenset({'r1'}), frozenset({'p1', 'p2'}), frozenset({'r2'})
            ),
            found,
        )

    def test_none(self):
        self.assertEqual(candidates.Acceptors(), candidates.Acceptors.of([]))

    def test_without_refusing_parents(self):
        found = candidates.Acceptors.of(
            [('r1', 'r1'), ('p1', 'r2'), ('p2', 'r2'), ('p3', 'r3')]
        )
        for refusing, remaining in (
            ([], {'r1', 'r2', 'r3'}),
            # Accepting parents, and those of hosts that refuse anyway.
            ([('p1', 'r2'), ('p2', 'r2'), ('q', 'r4')], {'r1', 'r2', 'r3'}),
            ([('p1', 'r2'), ('q', 'r2')], {'r1', 'r3'}),
            ([('q', 'r2'), ('q', 'r2'), ('s', 'r3'), ('t', 'r1')], set()),
        ):
            self.assertEqual(remaining, found.without(refusing), refusing)


#: Root r1 advertises for its parents; on r2, only p1 and p2 accept.
ONE_TYPE = {
    'NVIDIA_558': candidates.Acceptors.of(
        [('r1', 'r1'), ('p1', 'r2'), ('p2', 'r2')]
    )
}
TWO_TYPES = {
    'NVIDIA_558': candidates.Acceptors.of([('p1', 'r2'), ('r1', 'r1')]),
    'NVIDIA_742': candidates.Acceptors.of([('p2', 'r2')]),
}


@ddt.ddt
class CandidateTest(testtools.TestCase):
    """What sources, acceptors by type and root make of one candidate."""

    def remaining(self, sources, acceptors, root, *found):
        decision = candidates.CandidateFilter(sources, acceptors, VGPU)
        return list(decision.remaining(root, list(found)))

    @ddt.named_data(
        (
            'one_type',
            [source(A16)],
            ONE_TYPE,
            (
                ('r1', {'any': 1}, True),
                ('r1', {'any': 1, 'other': 1}, True),
                ('r2', {'p1': 1}, True),
                ('r2', {'p1': 1, 'p2': 1}, True),
                ('r2', {'p3': 1}, False),
                ('r2', {'p1': 1, 'p3': 1}, False),
                ('r3', {'any': 1}, False),
            ),
        ),
        (
            'nothing_accepts',
            [source(A16)],
            {'NVIDIA_558': candidates.Acceptors()},
            (('r1', {'any': 1}, False),),
        ),
        (
            'two_types',  # in the amounts of the source
            [source(A16), source(A2, amount=2)],
            TWO_TYPES,
            (
                ('r2', {'p1': 1, 'p2': 2}, True),
                ('r2', {'p1': 2, 'p2': 1}, False),
                ('r2', {'p1': 3}, False),
                ('r2', {'p1': 1}, False),
                ('r2', {'p1': 1, 'p2': 2, 'p3': 1}, False),
                ('r2', {}, False),
                ('r1', {'a': 1, 'b': 2}, False),
            ),
        ),
        (
            'one_mdev_of_an_unknown_type',
            [source(A16, A2)],
            TWO_TYPES,
            (
                ('r2', {'p1': 1}, True),
                ('r2', {'p2': 1}, True),
                ('r2', {'p1': 1, 'p2': 1}, False),
                ('r2', {'p3': 1}, False),
            ),
        ),
        (
            'two_mdevs_of_an_unknown_type',
            [source(A16, A2, amount=2)],
            TWO_TYPES,
            (('r2', {'p1': 1, 'p2': 1}, True),),
        ),
        (
            'a_known_type_beside_an_unknown_one',
            [source(A16, A2), source(A2)],
            TWO_TYPES,
            (
                ('r2', {'p1': 2}, False),
                ('r2', {'p1': 1, 'p2': 1}, True),
                ('r2', {'p2': 2}, True),
                ('r2', {'p1': 1, 'p3': 1}, False),
            ),
        ),
        (
            'a_known_source_beside_an_unknown_one',
            [source(A16), source()],
            {'NVIDIA_558': TWO_TYPES['NVIDIA_558']},
            (
                ('r2', {'p1': 1, 'p3': 1}, True),
                ('r2', {'p2': 1, 'p3': 1}, False),
                ('r2', {'p1': 2}, True),
                ('r2', {'p3': 2}, False),
                ('r2', {'p3': 1}, False),
            ),
        ),
        (
            # A parent that accepts one type does not serve another.
            'a_type_with_unknown_acceptors',
            [source(A16), source(A2)],
            TWO_TYPES | {'NVIDIA_742': None},
            (
                ('r2', {'p1': 1, 'p3': 1}, True),
                ('r2', {'p2': 1, 'p3': 1}, False),
                ('r2', {'p1': 2}, False),
                ('r2', {'p3': 2}, False),
            ),
        ),
    )
    def test_remains(self, sources, acceptors, cases):
        for root, amounts, expected in cases:
            one = candidate(**amounts)
            self.assertEqual(
                [one] if expected else [],
                self.remaining(sources, acceptors, root, one),
                (root, amounts),
            )

    def test_only_fitting_candidates_remain(self):
        good, bad = candidate(p2=1), candidate(p3=1)
        self.assertEqual(
            [good],
            self.remaining([source(A16)], ONE_TYPE, 'r2', bad, good, bad),
        )

    def test_others_are_checked_when_they_are_read(self):
        decision = candidates.CandidateFilter([source(A16)], ONE_TYPE, VGPU)
        good, bad = candidate(p1=1), candidate(p3=1)
        remaining = decision.remaining('r2', [bad, good, {}])
        self.assertTrue(remaining)
        self.assertRaises(KeyError, len, remaining)
        remaining = decision.remaining('r2', [bad, good, bad, good])
        self.assertEqual([good, good], remaining[:])
        self.assertEqual(repr([good, good]), repr(remaining))


CLASSES = frozenset({'VGPU', 'CUSTOM_GPU'})
TYPES = ('T1', 'T2', 'T3')
#: Parents of two hosts, r1 and r2, and a sharing provider.
PARENTS = ('p0', 'p1', 'p2', 'p3', 'p4', 'shared')


class Host:
    def __init__(self, uuid, found):
        self.uuid = uuid
        self.allocation_candidates = found


class Case:
    """A request, made up from a seed: sources, acceptors, and two hosts."""

    def __init__(self, seed):
        self.chance = random.Random(seed)  # noqa: S311
        self.sources = [
            source(
                *(
                    ident.Identity.of('10DE_25B6', name)
                    for name in self.some(TYPES, 2)
                ),
                amount=self.chance.randint(1, 3),
            )
            for _ in range(self.chance.randint(1, 3))
        ]
        self.acceptors = {
            name: self.chance.choice((None, *(self.accepting(),) * 3))
            for name in sorted(matching.by_type(self.sources))
        }
        self.hosts = [Host(uuid, self.candidates()) for uuid in ('r1', 'r2')]

    def some(self, values, most):
        return self.chance.sample(values, self.chance.randint(0, most))

    def accepting(self):
        roots = [(root, root) for root in self.some(('r1', 'r2'), 1)]
        parents = [
            (parent, self.chance.choice(('r1', 'r2')))
            for parent in self.some(PARENTS, 4)
        ]
        return candidates.Acceptors.of([*roots, *parents])

    def candidates(self):
        return [
            {'allocations': self.allocations()}
            for _ in range(self.chance.randint(0, 4))
        ]

    def allocations(self):
        """Return as many mdevs as the sources have, more or less."""
        wanted = sum(one.amount for one in self.sources)
        found = {
            provider: {'resources': {self.chance.choice(('VCPU', 'VGPU')): 0}}
            for provider in self.some(('r1', *PARENTS), 2)
        }
        for _ in range(wanted + self.chance.choice((-1, 0, 0, 0, 1))):
            resources = found.setdefault(
                self.chance.choice(PARENTS), {'resources': {}}
            )['resources']
            name = self.chance.choice(('CUSTOM_GPU', 'VGPU'))
            resources[name] = resources.get(name, 0) + 1
        return found

    def fits(self, root, one):
        """Return whether the mdevs of the sources can be a candidate's."""
        allocations = one['allocations']
        if len(self.acceptors) == 1 and all(
            item.identities for item in self.sources
        ):
            (only,) = self.acceptors.values()
            if only is not None:
                return root in only.roots or (
                    root in only.parent_roots
                    and all(
                        uuid in only.parents
                        for uuid, item in allocations.items()
                        if CLASSES & set(item['resources'])
                    )
                )
        places = collections.Counter()
        for uuid, item in allocations.items():
            places[self.type_of(root, uuid)] += sum(
                item['resources'].get(name, 0) for name in CLASSES
            )
        choices = [
            self.places(item)
            for item in self.sources
            for _ in range(item.amount)
        ]
        return places.total() == len(choices) and assignable(+places, choices)

    def type_of(self, root, uuid):
        for name, some in self.acceptors.items():
            if some and (uuid in some.parents or root in some.roots):
                return name
        return ''

    def places(self, one):
        types = {identity.type for identity in one.identities}
        if not types:
            return {'', *self.acceptors}
        unknown = any(self.acceptors[name] is None for name in types)
        return types | ({''} if unknown else set())


def assignable(places, choices):
    """Try every assignment of mdevs to places, by type."""
    return not choices or any(
        assignable(places - collections.Counter([place]), choices[1:])
        for place in choices[0]
        if places[place]
    )


class ReferenceTest(testtools.TestCase):
    """The filter decides as the plain algorithm above does."""

    def test_every_candidate(self):
        seen = collections.Counter()
        for seed in range(2000):
            case = Case(seed)
            with self.subTest(seed=seed):
                self.check(case, seen)
        for types in (1, 2, 3):
            for kept in (True, False):
                self.assertGreater(seen[types, kept], 30, seen)

    def check(self, case, seen):
        before = [host.allocation_candidates for host in case.hosts]
        expected = [
            [one for one in found if case.fits(host.uuid, one)]
            for host, found in zip(case.hosts, before, strict=True)
        ]
        decision = candidates.CandidateFilter(
            case.sources, case.acceptors, CLASSES
        )
        refused = [
            host
            for host, some in zip(case.hosts, expected, strict=True)
            if not some
        ]
        self.assertEqual(refused, decision.filter(case.hosts, narrow=False))
        self.assertIs(before[0], case.hosts[0].allocation_candidates)
        self.assertEqual(refused, decision.filter(case.hosts))
        for host, some in zip(case.hosts, expected, strict=True):
            if some:
                remaining = host.allocation_candidates
                self.assertTrue(remaining)
                self.assertEqual(some, list(remaining))
                self.assertEqual(some[0], remaining[0])
                self.assertEqual(len(some), len(remaining))
                # It is the same for a filter that runs once more.
                self.assertEqual(
                    some, list(decision.remaining(host.uuid, remaining))
                )
            seen[len(case.acceptors), bool(some)] += 1


class AmountsTest(testtools.TestCase):
    def test_of_a_candidate(self):
        self.assertEqual(
            {'p1': 1, 'p2': 2},
            candidates.mdev_amounts(candidate(p1=1, p2=2), VGPU),
        )

    def test_classes_of_one_provider_add_up(self):
        self.assertEqual(
            {'p': 3},
            candidates.amounts(
                {
                    'p': {'VGPU': 1, 'CUSTOM_GPU': 2, 'VCPU': 4},
                    'q': {'VCPU': 1},
                },
                frozenset({'VGPU', 'CUSTOM_GPU'}),
            ),
        )
