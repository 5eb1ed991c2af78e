# SPDX-License-Identifier: Apache-2.0

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.host import sysfs
from nova_mdev_compat.host import system
from nova_mdev_compat.host import vfio
from tests.unit.host import test_vfio
from tests import vfio_tree


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

    @hypothesis.given(st.text(max_size=40), st.text('aZ09', min_size=1))
    def test_canonical_of_canonical_is_itself(self, raw, letters):
        raw += letters
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

    def test_version_facts(self):
        """All other facts are tokens."""
        versions = {'driver', 'kernel', 'version', 'vbiosversion'}
        tokens = {
            *('ecc', 'module', 'os', 'subsystem', 'drivers', 'kerneltype'),
            *('versions', 'driverbranch', ''),
        }
        self.assertEqual(
            versions, set(filter(identity.is_version_fact, versions | tokens))
        )
        for name in versions:
            self.assertEqual('94.2.5c', identity.display(name, '94_2_5C'))


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

    @ddt.data('!10de', '10de*', '>mtty', '10de|8086')
    def test_a_vendor_with_signs(self, text):
        self.assertRaises(identity.IdentityError, identity.vendor, text)


class OwnFactsTest(test_vfio.TreeTestCase):
    """Vendor plugins must not provide FACTS."""

    def test_facts_that_the_collector_reads(self):
        board = vfio_tree.VfioBoard()
        self.write(board)
        vfio_tree.write_adapter(
            self.root, board.address, '28.41.1000', 'MT_0000000838'
        )
        (physical,) = self.find()
        facts = vfio.facts(sysfs.Sysfs(str(self.root)), physical)
        facts |= system.os_facts(system.OS_RELEASE).values
        self.assertEqual(set(identity.FACTS), set(facts))
        for name in facts:
            self.assertEqual(name, identity.fact_name(name))
        for name, values in identity.FACT_VALUES.items():
            self.assertIn(facts[name], values)


@ddt.ddt
class ParentTest(testtools.TestCase):
    @ddt.data(('0x10de', '0x2235'), ('10DE', '2235'), ('0X10de', '2235'))
    @ddt.unpack
    def test_pci(self, vendor, product):
        self.assertEqual('10DE_2235', identity.pci_parent(vendor, product))
        self.assertEqual('10DE', identity.vendor_of('10DE_2235'))

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

    @ddt.data('MTTY', 'VFIO_AP', 'ANYTHING')
    def test_subsystem(self, parent):
        raw = parent.lower().replace('_', '-')
        self.assertEqual(parent, identity.subsystem_parent(raw))
        self.assertEqual(parent, identity.vendor_of(parent))

    @ddt.data('any', 'ANY', '10de_any', 'dead-beef', '1234:5678')
    def test_ambiguous_subsystem(self, raw):
        exc = self.assertRaises(
            identity.IdentityError, identity.subsystem_parent, raw
        )
        self.assertIn(f'subsystem {raw!r}', str(exc))

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
        *('nvidia-558', 'mtty-2', 'vfio_ap-passthrough', 'vfio_ccw-io'),
        *('mdpy-vga', 'x'),
        # A trait does not have the upper case letters of GVTg_V5_4.
        'i915-gvtg_v5_4',
    )
    def test_types_as_nova_conf_has_them(self, raw):
        self.assertEqual(raw, identity.display_type(identity.canonical(raw)))


class IdentityTest(testtools.TestCase):
    def test_of_raw_values(self):
        found = identity.Identity.of(
            '10DE_2235',
            'nvidia-558',
            {'driver': '550.90.07', 'subsystem': '10de:1482'},
        )
        facts = {('driver', '550_90_07'), ('subsystem', '10DE_1482')}
        self.assertEqual(
            identity.Identity('10DE_2235', 'NVIDIA_558', frozenset(facts)),
            found,
        )
        self.assertEqual('550_90_07', found.fact('driver'))
        self.assertIsNone(found.fact('kernel'))
        self.assertEqual(
            '10de:2235 nvidia-558 driver=550.90.07 subsystem=10de:1482',
            str(found),
        )

    def test_facts_that_no_trait_carries(self):
        for facts, why in (
            (
                {'ecc': '?'},
                "fact ecc: '?' has no letter or digit that a trait",
            ),
            ({'host_os': 'x'}, "fact host_os: 'host_os' is not a fact name"),
        ):
            exc = self.assertRaises(
                identity.IdentityError,
                identity.Identity.of,
                'MTTY',
                'mtty-2',
                facts,
            )
            self.assertIn(why, str(exc))


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
