# SPDX-License-Identifier: Apache-2.0

import ddt
from oslo_config import cfg
import testtools

from nova_mdev_compat.collector import nova_types
from nova_mdev_compat.conf import nova as nova_options
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
        (['a', 'b', 'c'], {'a': ['0000:84:00.0', 'mtty_mtty'], 'b': []},
         {'0000:84:00.0': 'a', 'mtty_mtty': 'a'}, 'b', ('c',)),
        (['a', 'a'], {}, {}, 'a', ('a',)),
        # What is not enabled has no say.
        (['a'], {'b': ['0000:84:00.0']}, {}, 'a', ()),
    )
    @ddt.unpack
    def test_assign(self, enabled, addresses, by_address, default, ignored):
        self.assertEqual(
            nova_types.NovaTypes(by_address, default, ignored),
            nova_types.assign(enabled, addresses))

    def test_one_address_for_two_types(self):
        exc = self.assertRaises(
            nova_types.NovaTypesError, nova_types.assign, ['a', 'b'],
            {'a': ['0000:84:00.0'], 'b': ['0000:85:00.0', '0000:84:00.0']})
        self.assertEqual(
            'nova.conf: [mdev_b]device_addresses and [mdev_a]'
            'device_addresses both name 0000:84:00.0', str(exc))

    types = nova_types.NovaTypes(
        {'0000:84:00.0': 'a', 'mtty_mtty': 'b'}, 'c')

    @ddt.data(
        ('pci_0000_84_00_0', '0000:84:00.0', 'a'),
        ('mtty_mtty', None, 'b'),
        ('pci_0000_85_00_0', '0000:85:00.0', 'c'),
        # A PCI device goes by its address only.
        ('mtty_mtty', '0000:86:00.0', 'c'),
    )
    @ddt.unpack
    def test_type_of(self, name, address, expected):
        self.assertEqual(expected, self.types.type_of(name, address))

    def test_no_type_for_others_without_default(self):
        types = nova_types.NovaTypes({'0000:84:00.0': 'a'}, None)
        self.assertIsNone(types.type_of('pci_x', '0000:85:00.0'))


@ddt.ddt
class NovaConfTest(testtools.TestCase):

    def read(self, name):
        conf = cfg.ConfigOpts()
        nova_options.register_opts(conf)
        conf(['--config-file', str(samples.DATA / 'nova' / name)],
             project='nova-mdev-compat', default_config_files=[])
        return nova_options.mdev_types(conf)

    @ddt.data('types.conf', 'types-old-names.conf')
    def test_file(self, name):
        self.assertEqual(nova_types.NovaTypes(
            {'0000:84:00.0': 'nvidia-35', '0000:85:00.0': 'nvidia-35',
             'mtty_mtty': 'mtty-2'}, 'nvidia-36'), self.read(name))

    def test_file_without_types(self):
        self.assertEqual(nova_types.NovaTypes({}, None),
                         self.read('no-types.conf'))
