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
PARENT = 'CUSTOM_MDEV_PARENT_10DE_2235'
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


#: The only rule of NVIDIA.
RULE = 'same board and type, driver from the 535 branch up to ours'
IDENTITY = {V1, PARENT, TYPE, *FACTS}


def describe(*names, rules=ANYTHING_GOES, **changes):
    """Return what equal parents with these names publish."""
    return [
        host_traits.describe(samples.parent(name, **changes), rules)
        for name in names
    ]


def one(rules=ANYTHING_GOES, **changes):
    (found,) = describe('pci_0', rules=rules, **changes)
    return found


def reasons(item):
    """Return the reasons of the only rule, as texts."""
    (outcome,) = item.outcomes
    return list(map(str, outcome.reasons))


@ddt.ddt
class DescribeTest(testtools.TestCase):
    def test_by_rules(self):
        found = one(NVIDIA)
        self.assertEqual(IDENTITY, found.identity)
        self.assertEqual({RANGE}, set(found.accepts))
        self.assertEqual(IDENTITY | {RANGE}, found.all_traits)
        self.assertEqual(('', []), (found.note, reasons(found)))

    def test_type_in_use(self):
        """It is published on the parent alone, and not accepted."""
        found = one(NVIDIA, in_use=frozenset({'nvidia-557'}))
        expected = IDENTITY | {'CUSTOM_MDEV_INUSE_NVIDIA_557'}
        self.assertEqual(expected, found.identity)
        self.assertEqual({RANGE}, set(found.accepts))
        host = host_traits.build_host_traits([found])
        self.assertEqual({V1, HOST, PARENT, TYPE, RANGE}, host.root)
        self.assertEqual({'pci_0': expected | {RANGE}}, host.parents)

    @ddt.data(
        (
            {'target_type': None, 'in_use': frozenset({'nvidia-558'})},
            'Nova uses no mdev type that this device offers',
            (IDENTITY - {TYPE}) | {'CUSTOM_MDEV_INUSE_NVIDIA_558'},
        ),
        # Nothing can migrate to it, whatever the rules.
        (
            {'device_api': 'vfio-ccw'},
            'device API vfio-ccw cannot be live-migrated',
        ),
        (
            {'device_api': 'vfio-ap'},
            'device API vfio-ap cannot be live-migrated',
        ),
        # No rule of these files is for it.
        (
            {'parent_id': '8086_0BD5', 'rules': NVIDIA},
            'no rule file covers vendor 8086',
            (IDENTITY - {PARENT}) | {'CUSTOM_MDEV_PARENT_8086_0BD5'},
        ),
        (
            {'rules': model.RuleSet({'10DE': ()})},
            'the rule files for vendor 10DE have no rule for this device',
        ),
    )
    @ddt.unpack
    def test_no_rule_is_evaluated(self, changes, note, expected=IDENTITY):
        found = one(**changes)
        self.assertEqual(expected, found.all_traits)
        self.assertEqual((note, note), (found.note, found.why_nothing))
        self.assertEqual((), found.outcomes)

    @ddt.data(
        (
            {'facts': {'driver': '470.1'}},
            'CUSTOM_MDEV_FACT_DRIVER_470_1',
            'driver 470.1 is not at least 550',
        ),
        (
            {
                'facts': {'driver': '550.90.07'},
                'unknown': {'ecc': 'load nvidia.ko'},
            },
            'CUSTOM_MDEV_FACT_DRIVER_550_90_07',
            'ecc of the target is unknown: load nvidia.ko',
        ),
    )
    @ddt.unpack
    def test_no_rule_applies(self, changes, fact, reason):
        found = one(NVIDIA, **changes)
        self.assertEqual({V1, PARENT, TYPE, fact}, found.all_traits)
        self.assertEqual([reason], reasons(found))
        note = 'no rule applies to this device'
        self.assertEqual(note, found.note)
        self.assertEqual(f"{note} ('{RULE}': {reason})", found.why_nothing)

    def test_patterns_of_several_rules_add_up(self):
        both = (*NVIDIA.for_vendor('10DE'), *ANYTHING_GOES.for_vendor('10DE'))
        found = one(model.RuleSet({'10DE': both}))
        self.assertEqual({FLOOR, RANGE}, set(found.accepts))

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
            f"rule '{RULE}'",
        ),
    )
    @ddt.unpack
    def test_what_no_trait_can_carry(self, changes, why):
        exc = self.assertRaises(host_traits.PublicationError, one, **changes)
        self.assertTrue(str(exc).startswith('node device pci_0: '))
        self.assertIn(why, str(exc))
        self.assertIsInstance(exc, exceptions.BadInput)


@ddt.ddt
class PluginTest(testtools.TestCase):
    """A vendor's plugin answers instead of the rules."""

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
        any_type = pat.Pattern('10DE_ANY', pat.ANY)
        found = self.one(self.pattern, any_type)
        accepts = {
            self.trait: self.pattern,
            'CUSTOM_MDEV_ACCEPT_10DE_ANY__ANY': any_type,
        }
        self.assertEqual((IDENTITY, accepts), (found.identity, found.accepts))
        self.assertEqual(('acme', ''), (found.plugin, found.note))
        name = 'vendor plugin acme'
        self.assertEqual(
            (evaluation.RuleOutcome(name, name, accepts),), found.outcomes
        )
        self.assertIsNone(one().plugin)

    @ddt.data(NVIDIA, model.RuleSet({}))
    def test_where_no_rule_applies(self, rules):
        found = self.one(self.pattern, rules=rules, facts={'os': 'x-1'})
        self.assertEqual({self.trait}, set(found.accepts))

    def test_accepts_nothing(self):
        """Not even what rules would accept."""
        found = self.one()
        self.assertEqual(IDENTITY, found.all_traits)
        self.assertEqual('acme', found.plugin)
        self.assertEqual('vendor plugin acme accepts nothing here', found.note)
        (outcome,) = found.outcomes
        self.assertEqual(
            (verdict.Reason(verdict.Cause.VENDOR, 'it accepts nothing here'),),
            outcome.reasons,
        )

    @ddt.data({'target_type': None}, {'device_api': 'vfio-ccw'})
    def test_device_that_cannot_be_a_target(self, changes):
        self.assertEqual(one(**changes), self.one(self.pattern, **changes))

    def test_pattern_that_no_trait_can_carry(self):
        """vendors/manager.py has refused it before, naming the plugin."""
        exc = self.assertRaises(
            host_traits.PublicationError,
            self.one,
            pat.Pattern('10DE_2235', 'X' * 250),
        )
        self.assertIn('node device pci_0: ', str(exc))

    def test_combined_with_a_parent_under_rules(self):
        """Only what they accept decides whether parents differ."""
        for pattern, mixed in (
            (self.pattern, True),
            (pat.Pattern('10DE_2235', 'NVIDIA_558'), False),
        ):
            parents = [*describe('pci_1'), self.one(pattern)]
            found = host_traits.build_host_traits(parents)
            self.assertEqual(mixed, found.mixed)
            self.assertEqual(not mixed, FLOOR in found.root)


@ddt.ddt
class CombineTest(testtools.TestCase):
    def build(self, parents, *args, **kwargs):
        return host_traits.build_host_traits(iter(parents), *args, **kwargs)

    def test_root_advertises_for_equal_parents(self):
        everything = IDENTITY | {FLOOR}
        self.assertEqual(
            host_traits.HostTraits(
                frozenset({V1, HOST, PARENT, TYPE, FLOOR}),
                {'pci_0': everything, 'pci_1': everything},
                False,
            ),
            self.build(describe('pci_0', 'pci_1')),
        )

    @ddt.data(
        {'parent_id': '10DE_2236'},
        {'target_type': 'nvidia-557'},
        {'target_type': None},
        {'rules': NVIDIA},
    )
    def test_parents_that_differ_advertise_for_themselves(self, changes):
        parents = describe('pci_0') + describe('pci_1', **changes)
        self.assertEqual(
            host_traits.HostTraits(
                frozenset({V1, HOST}),
                {one.parent.name: one.all_traits | {MIXED} for one in parents},
                True,
            ),
            self.build(parents),
        )

    def test_facts_that_change_no_pattern_do_not_matter(self):
        parents = describe('pci_0') + describe('pci_1', facts={'ecc': 'off'})
        found = self.build(parents)
        self.assertFalse(found.mixed)
        self.assertIn('CUSTOM_MDEV_FACT_ECC_OFF', found.parents['pci_1'])
        self.assertFalse(found.root & FACTS)

    def test_orphan_makes_a_host_mixed(self):
        found = self.build(describe('pci_0'), ['pci_1'])
        self.assertTrue(found.mixed)
        self.assertEqual({V1, HOST}, found.root)
        self.assertEqual({V1}, found.parents['pci_1'])
        self.assertLessEqual({FLOOR, MIXED}, found.parents['pci_0'])

    @ddt.data([], ['pci_1', 'pci_2'])
    def test_only_orphans(self, orphans):
        self.assertEqual(
            host_traits.HostTraits(
                frozenset({V1, HOST}), {name: {V1} for name in orphans}, False
            ),
            self.build([], orphans),
        )

    def test_traits_that_always_exist(self):
        self.assertEqual({V1, HOST, MIXED}, host_traits.ALWAYS)

    def test_published_traits_describe_a_mixed_host(self):
        parents = describe('pci_0') + describe('pci_1', rules=NVIDIA)
        for names in self.build(parents).parents.values():
            found = traits.describe(names)
            self.assertEqual({samples.A16}, found.identities())
            self.assertEqual((), found.unreadable)

    @ddt.data(
        ({}, False),
        ({'parent_id': '10DE_2236'}, True),
        # Nova does not use it.
        ({'target_type': None}, False),
        ({'target_type': None, 'parent_id': '10DE_2236'}, True),
        # Of virtual functions: nova-compute creates a provider for functions
        # that it uses, also for those without a type.
        ({'target_type': None, 'used': True}, True),
        ({'target_type': None, 'used': False}, False),
        (
            {'target_type': None, 'used': False, 'parent_id': '15B3_101E'},
            False,
        ),
    )
    @ddt.unpack
    def test_parent_without_a_provider(self, changes, mixed):
        """nova-compute may create the provider at any time."""
        absent = describe('pci_1', **changes)
        found = self.build(describe('pci_0'), absent=absent)
        self.assertEqual(mixed, found.mixed)
        self.assertEqual({'pci_0'}, set(found.parents))

    def test_unreadable_parent_without_a_provider(self):
        absent = host_traits.unreadable(
            samples.parent('pci_1', target_type=None),
            exceptions.Failure('sick'),
        )
        self.assertTrue(self.build(describe('pci_0'), absent=[absent]).mixed)


@ddt.ddt
class FallbackTest(testtools.TestCase):
    """What may stay published for a parent that cannot be read."""

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

    def fall_back(self, published=None, **how):
        return self.unreadable(**how).with_fallback(
            self.published if published is None else published
        )

    def test_parent_that_was_read(self):
        item = one(NVIDIA)
        self.assertIs(item, item.with_fallback({'CUSTOM_MDEV_FACT_ECC_OFF'}))

    @ddt.data(
        {},
        # Only its presence is known.
        {
            'unread': (traits.PARENT, traits.TYPE, traits.FACT),
            'parent_id': '',
            'target_type': None,
            'facts': {},
        },
        # All was read; only what it accepts is unknown.
        {'unread': (), 'facts': samples.FACTS},
    )
    def test_kept(self, how):
        found = self.fall_back(**how)
        self.assertEqual(host_traits.Fallback.KEPT, found.fallback)
        self.assertEqual(self.published, found.all_traits)
        self.assertEqual({RANGE}, set(found.accepts))
        self.assertIn('the board is sick', found.note)

    def test_type_in_use_contradicts_nothing(self):
        found = self.fall_back(in_use=frozenset({'nvidia-557'}))
        self.assertEqual(host_traits.Fallback.KEPT, found.fallback)
        self.assertEqual(
            self.published | {'CUSTOM_MDEV_INUSE_NVIDIA_557'}, found.all_traits
        )

    def test_mixed_is_not_kept(self):
        found = self.fall_back(self.published | {MIXED})
        self.assertEqual(self.published, found.all_traits)

    def test_expired(self):
        found = self.fall_back(expired=True)
        self.assertEqual(host_traits.Fallback.EXPIRED, found.fallback)
        self.assertEqual(
            IDENTITY - {'CUSTOM_MDEV_FACT_ECC_ON'}, found.all_traits
        )

    @ddt.data(
        {'facts': {**samples.FACTS, 'driver': '560.1'}},
        {'facts': {**samples.FACTS, 'kernel': '6.12'}},
        # Published, and no longer there.
        {'facts': {'driver': samples.FACTS['driver']}},
        # There, and not published.
        {'facts': {**samples.FACTS, 'module': 'nvidia'}},
        {'parent_id': '10DE_2236'},
        {'target_type': 'nvidia-557'},
        {'target_type': None},
        # No trait can carry it.
        {'facts': {**samples.FACTS, 'driver': '?'}},
    )
    def test_contradicted(self, changes):
        for expired in (False, True):
            found = self.fall_back(expired=expired, **changes)
            self.assertEqual(host_traits.Fallback.CONTRADICTED, found.fallback)
            self.assertEqual({}, found.accepts)
            self.assertNotIn('CUSTOM_MDEV_FACT_ECC_ON', found.identity)

    def test_nothing_is_published(self):
        found = self.fall_back(())
        self.assertEqual(host_traits.Fallback.NEW, found.fallback)
        self.assertEqual({}, found.accepts)
        self.assertIn(PARENT, found.identity)

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

    def test_devices_file(self):
        """It keeps the rules of patterns that stay, and no others."""
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
        self.assertEqual((RULE,), found['pci_1'].rules[RANGE])
        for old in (
            {},
            {'pci_0': devices_file.DeviceEntry(frozenset({V1}), {})},
        ):
            found = host_traits.devices_found(host, 1.0, old).devices
            self.assertEqual({}, found['pci_0'].rules)
            self.assertIn(PARENT, found['pci_0'].identity)
