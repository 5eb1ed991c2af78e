# SPDX-License-Identifier: Apache-2.0

import dataclasses

import ddt
import testtools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import verdict
from nova_mdev_compat.publication import devices_file
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import evaluation
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model
from tests.unit import samples

ANYTHING_GOES = loader.load([str(samples.MILD_RULES)])
NVIDIA = model.RuleSet(dict([samples.rules('design_example.yaml')]))
V1, HOST, MIXED = 'CUSTOM_MDEV_V1', 'CUSTOM_MDEV_HOST', 'CUSTOM_MDEV_MIXED'
BOARD = 'CUSTOM_MDEV_PARENT_10DE_2235'
TYPE = 'CUSTOM_MDEV_TYPE_NVIDIA_558'
FACTS = {
    'CUSTOM_MDEV_FACT_DRIVER_550_90_07',
    'CUSTOM_MDEV_FACT_ECC_ON',
    'CUSTOM_MDEV_FACT_KERNEL_5_14_0_427_EL9',
    'CUSTOM_MDEV_FACT_OS_RHEL_9_6',
    'CUSTOM_MDEV_FACT_SUBSYSTEM_10DE_1482',
}
FLOOR = 'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_558'
RANGE = f'{FLOOR}__DRIVER_GE_535_LE_550_90_07_NE_535_54_3__ECC_IS_ON'


def describe(*names, rules=ANYTHING_GOES, **changes):
    """Return what parents of these names, otherwise alike, publish."""
    return [
        host_traits.describe(samples.parent(name, **changes), rules)
        for name in names
    ]


def one(rules=ANYTHING_GOES, **changes):
    (found,) = describe('pci_0', rules=rules, **changes)
    return found


@ddt.ddt
class DescribeTest(testtools.TestCase):
    def test_by_rules(self):
        found = one(NVIDIA)
        self.assertEqual({V1, BOARD, TYPE, *FACTS}, found.identity)
        self.assertEqual({RANGE}, set(found.accepts))
        self.assertEqual(found.identity | {RANGE}, found.all_traits)
        self.assertEqual('', found.note)
        (outcome,) = found.outcomes
        self.assertEqual((), outcome.reasons)

    def test_what_is_published_is_what_it_is(self):
        found = traits.describe(one(NVIDIA).all_traits)
        self.assertEqual({samples.A16}, found.identities())
        self.assertEqual((), found.unreadable)

    def test_a_type_in_use_is_said_but_not_accepted(self):
        found = one(NVIDIA, in_use=frozenset({'nvidia-557'}))
        self.assertEqual(
            {V1, BOARD, TYPE, 'CUSTOM_MDEV_INUSE_NVIDIA_557', *FACTS},
            found.identity,
        )
        self.assertEqual({RANGE}, set(found.accepts))

    def test_a_parent_that_nova_does_not_use(self):
        found = one(NVIDIA, target_type=None, in_use=frozenset({'nvidia-558'}))
        self.assertEqual(
            {V1, BOARD, 'CUSTOM_MDEV_INUSE_NVIDIA_558', *FACTS},
            found.all_traits,
        )
        self.assertEqual(
            'Nova uses no mdev type that this device offers', found.note
        )
        self.assertEqual(found.note, found.why_nothing)
        self.assertEqual((), found.outcomes)

    @ddt.data('vfio-ccw', 'vfio-ap')
    def test_a_device_that_cannot_migrate_accepts_nothing(self, api):
        """Whatever rules say; what it is may be known all the same."""
        found = one(device_api=api)
        self.assertEqual({V1, BOARD, TYPE, *FACTS}, found.all_traits)
        self.assertEqual(
            f'device API {api} cannot be live-migrated', found.note
        )
        self.assertEqual(found.note, found.why_nothing)
        self.assertEqual((), found.outcomes)

    def test_no_rule_applies(self):
        found = one(NVIDIA, facts={'driver': '470.1', 'ecc': 'on'})
        self.assertEqual({}, found.accepts)
        self.assertEqual('no rule applies to this device', found.note)
        (outcome,) = found.outcomes
        self.assertEqual(
            ['driver 470.1 is not at least 550'],
            list(map(str, outcome.reasons)),
        )
        self.assertEqual(
            "no rule applies to this device ('same board and type, driver "
            "from the 535 branch up to ours': driver 470.1 is not at least "
            '550)',
            found.why_nothing,
        )

    def test_no_rule_file_speaks_for_the_vendor(self):
        found = one(NVIDIA, parent_id='8086_0BD5')
        self.assertEqual({}, found.accepts)
        self.assertEqual((), found.outcomes)
        self.assertEqual('no rule file covers vendor 8086', found.note)

    def test_the_vendors_file_has_no_rule(self):
        found = one(model.RuleSet({'10DE': ()}))
        self.assertEqual({}, found.accepts)
        self.assertEqual(
            'the rule files for vendor 10DE have no rule for this device',
            found.note,
        )

    def test_patterns_of_several_rules_add_up(self):
        rules = model.RuleSet(
            {
                '10DE': (
                    *NVIDIA.for_vendor('10DE'),
                    *ANYTHING_GOES.for_vendor('10DE'),
                )
            }
        )
        self.assertEqual({FLOOR, RANGE}, set(one(rules).accepts))


@ddt.ddt
class PluginTest(testtools.TestCase):
    """A vendor's plugin answers in the place of the rules."""

    pattern = pat.Pattern(
        '10DE_2235', 'NVIDIA_558', (pat.Condition('ecc', pat.Op.IS, 'ON'),)
    )
    trait = f'{FLOOR}__ECC_IS_ON'

    def one(self, *patterns, rules=ANYTHING_GOES, **changes):
        return host_traits.describe(
            samples.parent('pci_0', **changes),
            rules,
            host_traits.VendorAnswer('acme', frozenset(patterns)),
        )

    def test_replaces_the_answer_of_the_rules(self):
        found = self.one(self.pattern)
        self.assertEqual({V1, BOARD, TYPE, *FACTS}, found.identity)
        self.assertEqual({self.trait: self.pattern}, found.accepts)
        self.assertEqual(('acme', ''), (found.plugin, found.note))
        self.assertEqual(
            (
                evaluation.RuleOutcome(
                    'vendor plugin acme',
                    'vendor plugin acme',
                    {self.trait: self.pattern},
                ),
            ),
            found.outcomes,
        )

    def test_where_no_rule_applies(self):
        for rules in (NVIDIA, model.RuleSet({})):
            found = self.one(self.pattern, rules=rules, facts={'os': 'x-1'})
            self.assertEqual({self.trait}, set(found.accepts))

    def test_several_patterns(self):
        other = pat.Pattern('10DE_ANY', pat.ANY)
        found = self.one(self.pattern, other)
        self.assertEqual(
            {
                self.trait: self.pattern,
                'CUSTOM_MDEV_ACCEPT_10DE_ANY__ANY': other,
            },
            found.accepts,
        )

    def test_accepts_nothing(self):
        """Not even what rules would accept."""
        found = self.one()
        self.assertEqual({}, found.accepts)
        self.assertEqual({V1, BOARD, TYPE, *FACTS}, found.all_traits)
        self.assertEqual('acme', found.plugin)
        self.assertEqual('vendor plugin acme accepts nothing here', found.note)
        (outcome,) = found.outcomes
        self.assertEqual(
            (verdict.Reason(verdict.Cause.VENDOR, 'it accepts nothing here'),),
            outcome.reasons,
        )

    def test_no_answer(self):
        self.assertIsNone(one().plugin)

    @ddt.data({'target_type': None}, {'device_api': 'vfio-ccw'})
    def test_a_device_of_which_nothing_is_asked(self, changes):
        self.assertEqual(one(**changes), self.one(self.pattern, **changes))

    def test_a_pattern_that_no_trait_can_carry(self):
        """vendors/manager.py has refused it before, naming the plugin."""
        self.assertIn(
            'node device pci_0: ',
            str(
                self.assertRaises(
                    host_traits.PublicationError,
                    self.one,
                    pat.Pattern('10DE_2235', 'X' * 250),
                )
            ),
        )

    def test_parents_differ_where_only_one_answers_itself(self):
        parents = [*describe('pci_1'), self.one(self.pattern)]
        found = host_traits.build_host_traits(parents)
        self.assertTrue(found.mixed)
        self.assertEqual({V1, HOST}, found.root)

    def test_it_does_not_matter_who_answers(self):
        floor = pat.Pattern('10DE_2235', 'NVIDIA_558')
        found = host_traits.build_host_traits(
            [*describe('pci_1'), self.one(floor)]
        )
        self.assertFalse(found.mixed)
        self.assertIn(FLOOR, found.root)


class UnknownTest(testtools.TestCase):
    def test_no_trait_says_it_but_the_reason_does(self):
        found = one(
            NVIDIA,
            facts={'driver': '550.90.07'},
            unknown={'ecc': 'load nvidia.ko'},
        )
        self.assertEqual(
            {V1, BOARD, TYPE, 'CUSTOM_MDEV_FACT_DRIVER_550_90_07'},
            found.all_traits,
        )
        self.assertEqual('no rule applies to this device', found.note)
        (outcome,) = found.outcomes
        self.assertEqual(
            ['ecc of the target is unknown: load nvidia.ko'],
            list(map(str, outcome.reasons)),
        )


@ddt.ddt
class RefusedTest(testtools.TestCase):
    @ddt.data(
        (
            {'target_type': 'any'},
            "mdev type 'any': ANY is reserved and cannot name a device",
        ),
        ({'in_use': frozenset({'Any'})}, "mdev type 'Any': ANY is reserved"),
        ({'target_type': '--'}, "'--' has no letter or digit"),
        ({'facts': {'os': '?'}}, "fact os: '?' has no letter or digit"),
        ({'facts': {'host_os': 'x'}}, "fact host_os: 'host_os' is not a"),
        ({'facts': {'os': 'x' * 250}}, 'Placement takes 255'),
        ({'in_use': frozenset({'x' * 250})}, 'Placement takes 255'),
        (
            {'rules': NVIDIA, 'facts': {'driver': '550', 'ecc': 'lt-1'}},
            "rule 'same board and type, driver from the 535 branch up to ours'",
        ),
    )
    @ddt.unpack
    def test_names_the_device(self, changes, why):
        exc = self.assertRaises(host_traits.PublicationError, one, **changes)
        self.assertTrue(str(exc).startswith('node device pci_0: '))
        self.assertIn(why, str(exc))
        self.assertIsInstance(exc, exceptions.BadInput)


@ddt.ddt
class CombineTest(testtools.TestCase):
    def test_parents_of_one_kind_let_the_root_speak(self):
        parents = describe('pci_0', 'pci_1')
        found = host_traits.build_host_traits(parents)
        everything = {V1, BOARD, TYPE, FLOOR, *FACTS}
        self.assertEqual(
            host_traits.HostTraits(
                frozenset({V1, HOST, BOARD, TYPE, FLOOR}),
                {'pci_0': everything, 'pci_1': everything},
                False,
            ),
            found,
        )

    @ddt.data(
        {'parent_id': '10DE_2236'},
        {'target_type': 'nvidia-557'},
        {'target_type': None},
        {'rules': NVIDIA},
    )
    def test_parents_that_differ_speak_for_themselves(self, changes):
        parents = describe('pci_0') + describe('pci_1', **changes)
        found = host_traits.build_host_traits(parents)
        self.assertEqual({V1, HOST}, found.root)
        self.assertTrue(found.mixed)
        for item in parents:
            self.assertEqual(
                item.all_traits | {MIXED}, found.parents[item.parent.name]
            )

    def test_facts_that_change_no_answer_do_not_matter(self):
        parents = describe('pci_0') + describe('pci_1', facts={'ecc': 'off'})
        found = host_traits.build_host_traits(parents)
        self.assertFalse(found.mixed)
        self.assertIn('CUSTOM_MDEV_FACT_ECC_OFF', found.parents['pci_1'])
        self.assertFalse(found.root & FACTS)

    def test_a_type_in_use_stays_with_its_parent(self):
        found = host_traits.build_host_traits(
            describe('pci_0', in_use=frozenset({'nvidia-557'}))
        )
        self.assertEqual({V1, HOST, BOARD, TYPE, FLOOR}, found.root)
        self.assertIn('CUSTOM_MDEV_INUSE_NVIDIA_557', found.parents['pci_0'])

    def test_a_ghost_keeps_the_root_from_speaking(self):
        found = host_traits.build_host_traits(describe('pci_0'), ['pci_1'])
        self.assertTrue(found.mixed)
        self.assertEqual({V1, HOST}, found.root)
        self.assertEqual({V1}, found.parents['pci_1'])
        self.assertLessEqual({FLOOR, MIXED}, found.parents['pci_0'])

    @ddt.data([], ['pci_1'], ['pci_1', 'pci_2'])
    def test_nothing_but_ghosts(self, ghosts):
        found = host_traits.build_host_traits([], ghosts)
        self.assertEqual(
            host_traits.HostTraits(
                frozenset({V1, HOST}), {name: {V1} for name in ghosts}, False
            ),
            found,
        )

    def test_every_trait_that_is_asked_for_always_exists(self):
        self.assertEqual({V1, HOST, MIXED}, host_traits.ALWAYS)

    def test_a_whole_host_reads_back(self):
        parents = describe('pci_0') + describe('pci_1', rules=NVIDIA)
        for names in host_traits.build_host_traits(parents).parents.values():
            found = traits.describe(names)
            self.assertEqual({samples.A16}, found.identities())

    def test_parents_may_come_from_a_generator(self):
        found = host_traits.build_host_traits(iter(describe('pci_0', 'pci_1')))
        self.assertEqual({'pci_0', 'pci_1'}, set(found.parents))

    def test_a_parent_to_come_counts(self):
        """nova-compute may make its provider at any time."""
        found = host_traits.build_host_traits(
            describe('pci_0'), absent=describe('pci_1', parent_id='10DE_2236')
        )
        self.assertTrue(found.mixed)
        self.assertEqual({'pci_0'}, set(found.parents))

    def test_a_parent_to_come_that_is_like_the_others(self):
        found = host_traits.build_host_traits(
            describe('pci_0'), absent=describe('pci_1')
        )
        self.assertFalse(found.mixed)

    @ddt.data(('10DE_2235', False), ('10DE_2236', True))
    @ddt.unpack
    def test_a_parent_that_nova_does_not_use(self, parent_id, mixed):
        """One of the same board does not make a host mixed for nothing."""
        found = host_traits.build_host_traits(
            describe('pci_0'),
            absent=describe('pci_1', parent_id=parent_id, target_type=None),
        )
        self.assertEqual(mixed, found.mixed)

    def test_a_parent_to_come_that_cannot_be_read(self):
        found = host_traits.build_host_traits(
            describe('pci_0'),
            absent=[
                host_traits.unreadable(
                    samples.parent('pci_1', target_type=None),
                    exceptions.Failure('sick'),
                )
            ],
        )
        self.assertTrue(found.mixed)


@ddt.ddt
class SettledTest(testtools.TestCase):
    """What may stay published of a parent that cannot be read."""

    SICK = exceptions.Failure('the board is sick')
    ECC = 'CUSTOM_MDEV_FACT_ECC_'

    def setUp(self):
        super().setUp()
        self.published = one(NVIDIA).all_traits

    def unreadable(self, unread=(ECC,), expired=False, **changes):
        facts = {
            name: value
            for name, value in samples.FACTS.items()
            if name != 'ecc'
        }
        parent = samples.parent('pci_0', **{'facts': facts, **changes})
        return dataclasses.replace(
            host_traits.unreadable(parent, self.SICK, unread), expired=expired
        )

    def settle(self, published=None, **how):
        return self.unreadable(**how).with_fallback(
            self.published if published is None else published
        )

    def test_what_was_read_is_not_changed(self):
        item = one(NVIDIA)
        self.assertIs(item, item.with_fallback({'CUSTOM_MDEV_FACT_ECC_OFF'}))

    def test_kept(self):
        found = self.settle()
        self.assertEqual(host_traits.Fallback.KEPT, found.fallback)
        self.assertEqual(self.published, found.all_traits)
        self.assertEqual({RANGE}, set(found.accepts))
        self.assertIn('the board is sick', found.note)

    def test_expired(self):
        found = self.settle(expired=True)
        self.assertEqual(host_traits.Fallback.EXPIRED, found.fallback)
        self.assertEqual(
            {V1, BOARD, TYPE, *FACTS} - {'CUSTOM_MDEV_FACT_ECC_ON'},
            found.all_traits,
        )

    @ddt.data(
        {'facts': {**samples.FACTS, 'driver': '560.1'}},
        {'facts': {**samples.FACTS, 'kernel': '6.12'}},
        # It was there, and is not there any more.
        {'facts': {'driver': samples.FACTS['driver']}},
        # It was not there, and is now.
        {'facts': {**samples.FACTS, 'module': 'nvidia'}},
        {'parent_id': '10DE_2236'},
        {'target_type': 'nvidia-557'},
        {'target_type': None},
        # Nobody could say it in a trait.
        {'facts': {**samples.FACTS, 'driver': '?'}},
    )
    def test_contradicted(self, changes):
        for expired in (False, True):
            found = self.settle(expired=expired, **changes)
            self.assertEqual(host_traits.Fallback.CONTRADICTED, found.fallback)
            self.assertEqual({}, found.accepts)
            self.assertNotIn('CUSTOM_MDEV_FACT_ECC_ON', found.identity)

    def test_nothing_is_published(self):
        found = self.settle(published=())
        self.assertEqual(host_traits.Fallback.NEW, found.fallback)
        self.assertEqual({}, found.accepts)
        self.assertIn(BOARD, found.identity)

    def test_a_type_in_use_contradicts_nothing(self):
        found = self.settle(in_use=frozenset({'nvidia-557'}))
        self.assertEqual(host_traits.Fallback.KEPT, found.fallback)
        self.assertEqual(
            self.published | {'CUSTOM_MDEV_INUSE_NVIDIA_557'}, found.all_traits
        )

    def test_nothing_but_its_presence_is_known(self):
        found = self.settle(
            unread=(traits.PARENT, traits.TYPE, traits.FACT),
            parent_id='',
            target_type=None,
            facts={},
        )
        self.assertEqual(host_traits.Fallback.KEPT, found.fallback)
        self.assertEqual(self.published, found.all_traits)

    def test_mixed_is_said_anew(self):
        found = self.settle(published=self.published | {MIXED})
        self.assertEqual(self.published, found.all_traits)

    def test_a_rule_that_cannot_be_said(self):
        """All was read; what it accepts is what nobody knows."""
        found = self.settle(unread=(), facts=samples.FACTS)
        self.assertEqual(host_traits.Fallback.KEPT, found.fallback)

    def test_failures(self):
        wrong = exceptions.BadInput('odd')
        host = host_traits.HostSnapshot(
            'host1',
            (
                one(),
                self.unreadable(),
                host_traits.unreadable(samples.parent('pci_1'), self.SICK),
                host_traits.unreadable(samples.parent('pci_2'), wrong),
            ),
        )
        self.assertEqual(
            {'pci_0': self.SICK, 'pci_1': self.SICK, 'pci_2': wrong},
            host.failures,
        )
        exc = self.assertRaises(host_traits.PartlyRead, host.check)
        self.assertEqual(
            'pci_0, pci_1: the board is sick; pci_2: odd', str(exc)
        )
        self.assertEqual(2, exc.exit_status)
        self.assertIsNone(host_traits.HostSnapshot('host1', (one(),)).check())

    def test_left_for_the_late_check(self):
        before = {
            'pci_0': devices_file.DeviceEntry(
                one(NVIDIA).identity, {RANGE: ('a rule',)}
            )
        }
        host = host_traits.HostSnapshot(
            'host1', (self.unreadable(), *describe('pci_1', rules=NVIDIA))
        )
        found = host_traits.devices_found(host, 1.0, before).devices
        self.assertEqual(before['pci_0'], found['pci_0'])
        self.assertEqual(
            ('same board and type, driver from the 535 branch up to ours',),
            found['pci_1'].rules[RANGE],
        )
        for old in (
            {},
            {'pci_0': devices_file.DeviceEntry(frozenset({V1}), {})},
        ):
            found = host_traits.devices_found(host, 1.0, old).devices
            self.assertEqual({}, found['pci_0'].rules)
            self.assertIn(BOARD, found['pci_0'].identity)
