# SPDX-License-Identifier: Apache-2.0

import re

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.host import system
from tests.unit.host import test_sysfs


@ddt.ddt
class CanonicalTest(testtools.TestCase):
    @ddt.data(
        ('nvidia-558', 'NVIDIA_558'),
        ('i915-GVTg_V5_4', 'I915_GVTG_V5_4'),
        ('535.54.03', '535_54_03'),
        ('6.12.0-rc1+', '6_12_0_RC1'),
        ('__a  /  b__', 'A_B'),
        ('déjà', 'D_J'),
    )
    @ddt.unpack
    def test_canonical(self, raw, expected):
        self.assertEqual(expected, identity.canonical(raw))

    @ddt.data('', '__', ' - ', '…', '日本')
    def test_nothing_left(self, raw):
        exc = self.assertRaises(
            identity.IdentityError, identity.canonical, raw
        )
        self.assertEqual(
            f'{raw!r} has no letter or digit that a trait could carry',
            str(exc),
        )

    @hypothesis.given(st.text(max_size=40))
    def test_canonical_of_canonical_is_itself(self, raw):
        hypothesis.assume(re.search('[A-Za-z0-9]', raw))
        once = identity.canonical(raw)
        self.assertEqual(once, identity.canonical(once))
        self.assertRegex(once, '^[A-Z0-9]+(_[A-Z0-9]+)*$')

    @ddt.data('driver', 'ecc', 'x2')
    def test_fact_name(self, name):
        self.assertEqual(name, identity.fact_name(name))

    @ddt.data('', 'Driver', 'host_os', '2x', 'a-b', 'é', 'a\n')
    def test_no_fact_name(self, name):
        exc = self.assertRaises(
            identity.IdentityError, identity.fact_name, name
        )
        self.assertIn(repr(name), str(exc))

    @ddt.data('driver', 'kernel', 'version', 'vbiosversion', 'firmwareversion')
    def test_version_fact(self, name):
        self.assertTrue(identity.is_version_fact(name))
        self.assertEqual('94.2.5c', identity.display(name, '94_2_5C'))

    @ddt.data(
        'ecc',
        'module',
        'os',
        'subsystem',
        'drivers',
        'kerneltype',
        'versions',
        'driverbranch',
        '',
    )
    def test_token_fact(self, name):
        self.assertFalse(identity.is_version_fact(name))


@ddt.ddt
class LiteralTest(testtools.TestCase):
    """More of it, with whole rules, is in rules/test_signs.py."""

    @ddt.data(
        ('nvidia-558', '', 'NVIDIA_558'),
        ('日本-1', '', '1'),
        (' on ', 'ecc', 'ON'),
        ('__a  /  b__', '', 'A_B'),
        ('x86_64+rt', 'os', 'X86_64_RT'),
        ('550.54', 'driver', '550_54'),
        (' 550 ', 'driver', '550'),
        ('5.14.0-427.13.1.el9_4', 'kernel', '5_14_0_427_13_1_EL9_4'),
    )
    @ddt.unpack
    def test_literal(self, text, fact, expected):
        self.assertEqual(expected, identity.literal(text, fact))

    @ddt.data(
        ('nvidia-', '', '-'),
        ('10²', '', '²'),
        ('a*b', '', '*'),
        ('5\uff150', '', '\uff15'),
        ('550.', 'driver', '.'),
        ('550 54', 'driver', ' '),
        ('(550)', 'driver', '('),
        ('5é0', 'driver', 'é'),
    )
    @ddt.unpack
    def test_a_sign_that_is_lost(self, text, fact, sign):
        exc = self.assertRaises(
            identity.SignError, identity.literal, text, fact
        )
        self.assertEqual(
            f'{text!r}: a trait cannot carry {sign!r}, so that '
            'it would be lost',
            str(exc),
        )

    def test_nothing_left(self):
        exc = self.assertRaises(identity.IdentityError, identity.literal, '>=')
        self.assertIn('has no letter or digit', str(exc))

    @ddt.data('!10de', '10de*', '>mtty', '10de|8086')
    def test_a_vendor_with_signs(self, text):
        self.assertRaises(identity.IdentityError, identity.vendor, text)


class OwnFactsTest(test_sysfs.TreeTestCase):
    """FACTS is what vendor plugins may not give."""

    def test_are_those_that_the_collector_reads(self):
        self.assertEqual(
            set(identity.FACTS),
            {
                *self.tree.facts(test_sysfs.device()),
                *system.os_facts(system.OS_RELEASE).values,
            },
        )

    def test_their_names_are_fact_names(self):
        for name, text in identity.FACTS.items():
            self.assertEqual(name, identity.fact_name(name))
            self.assertTrue(text)

    def test_the_values_of_those_that_have_few(self):
        self.assertLessEqual(set(identity.FACT_VALUES), set(identity.FACTS))
        self.assertIn(
            self.tree.facts(test_sysfs.device())['intree'],
            identity.FACT_VALUES['intree'],
        )


@ddt.ddt
class ParentTest(testtools.TestCase):
    @ddt.data(('0x10de', '0x2235'), ('10DE', '2235'), ('0X10de', '2235'))
    @ddt.unpack
    def test_pci(self, vendor, product):
        self.assertEqual('10DE_2235', identity.pci_parent(vendor, product))

    @ddt.data(
        ('10de', ''),
        ('10de', '0x223'),
        ('10dg', '2235'),
        ('*', '2235'),
        ('10de', '0x02235'),
        ('10de', '2235\n'),
    )
    @ddt.unpack
    def test_no_pci(self, vendor, product):
        exc = self.assertRaises(
            identity.IdentityError, identity.pci_parent, vendor, product
        )
        self.assertIn('is not a PCI id of four digits', str(exc))

    @ddt.data(('mtty', 'MTTY'), ('vfio-ap', 'VFIO_AP'), ('anything', None))
    @ddt.unpack
    def test_subsystem(self, raw, expected):
        self.assertEqual(
            expected or 'ANYTHING', identity.subsystem_parent(raw)
        )

    @ddt.data('any', 'ANY', '10de_any', 'dead-beef', '1234:5678')
    def test_subsystem_that_would_be_misread(self, raw):
        exc = self.assertRaises(
            identity.IdentityError, identity.subsystem_parent, raw
        )
        self.assertIn(f'subsystem {raw!r}', str(exc))

    @ddt.data(('10DE_2235', '10DE'), ('MTTY', 'MTTY'), ('VFIO_AP', 'VFIO_AP'))
    @ddt.unpack
    def test_vendor(self, parent, vendor):
        self.assertEqual(vendor, identity.vendor_of(parent))

    @ddt.data(
        ('10DE_2235', '10de:2235'),
        ('10DE_ANY', '10de:any'),
        ('MTTY', 'mtty'),
        ('VFIO_AP', 'vfio_ap'),
    )
    @ddt.unpack
    def test_display(self, parent, expected):
        self.assertEqual(expected, identity.display_parent(parent))

    @ddt.data(
        ('os', 'rhel-9.6'),
        ('os', 'debian-13'),
        ('os', 'opensuse-leap-15.6'),
        ('os', 'arch'),
        ('driver', '550.90.07'),
        ('kernel', '6.8.0.45.generic'),
        ('module', 'nvidia_vgpu_vfio'),
        ('subsystem', '10de:1482'),
        ('ecc', 'on'),
    )
    @ddt.unpack
    def test_facts_as_their_source_writes_them(self, name, raw):
        shown = identity.display(name, identity.canonical(raw))
        self.assertEqual(raw, shown)
        self.assertEqual(identity.canonical(raw), identity.canonical(shown))

    @ddt.data(
        'nvidia-558',
        'mtty-2',
        'vfio_ap-passthrough',
        'vfio_ccw-io',
        'mdpy-vga',
    )
    def test_types_as_nova_conf_has_them(self, raw):
        self.assertEqual(raw, identity.display_type(identity.canonical(raw)))

    def test_what_a_trait_has_lost_is_not_made_up(self):
        self.assertEqual(
            'i915-gvtg_v5_4',
            identity.display_type(identity.canonical('i915-GVTg_V5_4')),
        )
        self.assertEqual('x', identity.display_type('X'))


class IdentityTest(testtools.TestCase):
    def test_of_raw_values(self):
        found = identity.Identity.of(
            '10DE_2235', 'nvidia-558', {'driver': '550.90.07', 'ecc': 'on'}
        )
        self.assertEqual(
            identity.Identity(
                '10DE_2235',
                'NVIDIA_558',
                frozenset({('driver', '550_90_07'), ('ecc', 'ON')}),
            ),
            found,
        )

    def test_fact(self):
        found = identity.Identity.of('MTTY', 'mtty-2', {'kernel': '6.12'})
        self.assertEqual('6_12', found.fact('kernel'))
        self.assertIsNone(found.fact('driver'))

    def test_in_words(self):
        found = identity.Identity.of(
            '10DE_2235',
            'nvidia-558',
            {'driver': '550.90.07', 'subsystem': '10de:1482'},
        )
        self.assertEqual(
            '10de:2235 nvidia-558 driver=550.90.07 subsystem=10de:1482',
            str(found),
        )

    def test_value_that_no_trait_carries_names_the_fact(self):
        exc = self.assertRaises(
            identity.IdentityError, identity.canonical_facts, {'ecc': '?'}
        )
        self.assertEqual(
            "fact ecc: '?' has no letter or digit that a trait could carry",
            str(exc),
        )

    def test_wrong_fact_name(self):
        exc = self.assertRaises(
            identity.IdentityError,
            identity.Identity.of,
            'MTTY',
            'mtty-2',
            {'host_os': 'x'},
        )
        self.assertIn("fact host_os: 'host_os' is not a fact name", str(exc))


@ddt.ddt
class FactsTest(testtools.TestCase):
    @ddt.data(
        None,
        [('ecc', 'on')],
        'driver is not loaded',
        {'ecc': None},
        {'ecc': True},
        {'ecc': 94.02},
        {'ecc': b'on'},
        {'ecc': ['on']},
        {None: 'on'},
        {5: 'on'},
    )
    def test_texts_only(self, some):
        for parts in ((some,), ({}, some)):
            error = self.assertRaises(TypeError, identity.Facts, *parts)
            self.assertEqual(
                f'{some!r} is not a mapping of texts to texts', str(error)
            )

    def test_a_mapping_that_changes_later(self):
        values = {'ecc': 'on'}
        facts = identity.Facts(values)
        values['ecc'] = 'off'
        self.assertEqual({'ecc': 'on'}, facts.values)
