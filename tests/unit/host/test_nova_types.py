# SPDX-License-Identifier: Apache-2.0

import pathlib

import ddt
import fixtures
from oslo_config import cfg
import testtools

from nova_mdev_compat.conf import nova as nova_options
from nova_mdev_compat.host import nova_types
from tests.unit import samples


@ddt.ddt
class AssignTest(testtools.TestCase):
    @ddt.data(
        # enabled, addresses, by address, default, ignored
        ([], {}, {}, None, ()),
        (['a'], {}, {}, 'a', ()),
        (['a'], {'a': []}, {}, 'a', ()),
        (['a', 'b'], {}, {}, 'a', ('b',)),
        (['a'], {'a': ['0000:84:00.0']}, {'0000:84:00.0': 'a'}, None, ()),
        (
            ['a', 'b', 'c'],
            {'a': ['0000:84:00.0', 'mtty_mtty'], 'b': []},
            {'0000:84:00.0': 'a', 'mtty_mtty': 'a'},
            'b',
            ('c',),
        ),
        (['a', 'a'], {}, {}, 'a', ('a',)),
        # A type that is not enabled is ignored.
        (['a'], {'b': ['0000:84:00.0']}, {}, 'a', ()),
    )
    @ddt.unpack
    def test_assign(self, enabled, addresses, by_address, default, ignored):
        self.assertEqual(
            nova_types.NovaTypes(by_address, default, ignored, tuple(enabled)),
            nova_types.assign(enabled, addresses),
        )

    def test_one_address_for_two_types(self):
        exc = self.assertRaises(
            nova_types.NovaTypesError,
            nova_types.assign,
            ['a', 'b'],
            {'a': ['0000:84:00.0'], 'b': ['0000:85:00.0', '0000:84:00.0']},
        )
        self.assertEqual(
            'nova.conf: [mdev_b]device_addresses and [mdev_a]'
            'device_addresses both name 0000:84:00.0',
            str(exc),
        )

    types = nova_types.NovaTypes({'0000:84:00.0': 'a', 'mtty_mtty': 'b'}, 'c')

    @ddt.data(
        ('pci_0000_84_00_0', '0000:84:00.0', 'a'),
        ('mtty_mtty', None, 'b'),
        ('pci_0000_85_00_0', '0000:85:00.0', 'c'),
        # A PCI device goes by its address only.
        ('mtty_mtty', '0000:86:00.0', 'c'),
        # The default is for PCI devices whose address Nova can read.
        ('mtty_other', None, None),
        ('css_0_0_fffe', None, None),
        ('ap_matrix', None, None),
        ('pci_0001_c8_00_0', '0001:c8:00.0', 'c'),
        ('pci_10000_e1_00_0', '10000:e1:00.0', None),
    )
    @ddt.unpack
    def test_type_of(self, name, address, expected):
        self.assertEqual(expected, self.types.type_of(name, address))

    def test_no_type_for_others_without_default(self):
        types = nova_types.NovaTypes({'0000:84:00.0': 'a'}, None)
        self.assertIsNone(types.type_of('pci_x', '0000:85:00.0'))


def address(name):
    """Return the PCI address of a device by libvirt's name."""
    if not name.startswith('pci_'):
        return None
    return '{}:{}:{}.{}'.format(*name.split('_')[1:])


@ddt.ddt
class WhyNoneTest(testtools.TestCase):
    END = '; enabled: a, b; offered: c'

    @ddt.data(
        (
            {},
            'pci_0000_84_00_0',
            'nova.conf gives it b, which it does not offer',
        ),
        (
            {},
            'pci_10000_e1_00_0',
            'Nova does not support PCI addresses whose domain has more than '
            'four digits',
        ),
        (
            {},
            'ap_matrix',
            'it is not a PCI device, and no '
            '[mdev_<type>]device_addresses names it',
        ),
        (
            {'b': ['0000:85:00.0']},
            'pci_0000_84_00_0',
            'no [mdev_<type>]device_addresses names it, and no type is the '
            'default',
        ),
    )
    @ddt.unpack
    def test_why(self, more, name, expected):
        types = nova_types.assign(['a', 'b'], {'a': ['0000:86:00.0'], **more})
        self.assertEqual(
            expected + self.END,
            types.why_none(name, address(name), {'c': 'vfio-pci'}),
        )

    def test_nothing_is_enabled(self):
        self.assertEqual(
            '[devices]enabled_mdev_types is empty; enabled: none; offered: '
            't10, t11, t12, t13, t14, t15, t16, t17, t18, t19 and 30 more',
            nova_types.assign([], {}).why_none(
                'x', '0000:84:00.0', [f't{n}' for n in range(49, 9, -1)]
            ),
        )


@ddt.ddt
class NovaConfTest(testtools.TestCase):
    def read(self, name):
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (home / 'devices/virtual/mtty/mtty').mkdir(parents=True)
        conf = cfg.ConfigOpts()
        nova_options.register_opts(conf)
        conf(
            ['--config-file', str(samples.DATA / 'nova' / name)],
            project='nova-mdev-compat',
            default_config_files=[],
        )
        return nova_types.mdev_types(conf, str(home))

    @ddt.data('types.conf', 'types-old-names.conf')
    def test_file(self, name):
        self.assertEqual(
            nova_types.NovaTypes(
                {
                    '0000:84:00.0': 'nvidia-35',
                    '0000:85:00.0': 'nvidia-35',
                    'mtty_mtty': 'mtty-2',
                },
                'nvidia-36',
                (),
                ('nvidia-35', 'nvidia-36', 'mtty-2'),
            ),
            self.read(name),
        )

    def test_file_without_types(self):
        self.assertEqual(
            nova_types.NovaTypes({}, None), self.read('no-types.conf')
        )
