# SPDX-License-Identifier: Apache-2.0
"""Nova's methods return the same types, and refuse the same values."""

import pathlib

import ddt
import fixtures
from nova.conf import devices as nova_devices
from nova import exception
from nova.virt.libvirt import driver
from oslo_config import cfg
import testtools

from nova_mdev_compat.conf import nova as nova_options
from nova_mdev_compat.host import nova_types
from tests.unit.host import test_nova_types


def configuration(options, path):
    """Return the options of a module with the values in a file."""
    conf = cfg.ConfigOpts()
    options.register_opts(conf)
    conf(
        ['--config-file', path],
        project='nova',
        default_config_files=[],
        default_config_dirs=[],
    )
    return conf


@ddt.ddt
class NovaTypesTest(testtools.TestCase):
    NAMES = (
        'pci_0000_84_00_0',
        'pci_0000_84_00_7',
        'pci_0001_c8_00_0',
        'pci_10000_e1_00_0',
        'mtty_mtty',
        'css_0_0_fffe',
        'ap_matrix',
        'pci_ffff_ff_1f_7',
    )
    #: Values of device_addresses of the first of two types.
    ADDRESSES = (
        '',
        '0000:84:00.0',
        '0000:84:00.0,0001:c8:00.0',
        '0000:84:00.0,',
        'FFFF:ff:1f.7',
        'ffff:ff:1f.7',
        '84:00.0',
        '0000:84:00',
        '10000:e1:00.0',
        '0000:84:00.8',
        '0000:84:00.0 # a board',
        'pci_0000_84_00_0',
        'mtty_other',
        'css_0_0_fffe',
        '0000:84:00.0,0000:84:00.0',
        '0000:84:00-0',
        '*',
        '"0000:84:00.0"',
    )

    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.home / 'devices/virtual/mtty/mtty').mkdir(parents=True)
        exists = driver.os.path.exists
        self.useFixture(
            fixtures.MockPatchObject(
                driver.os.path,
                'exists',
                lambda path: exists(
                    str(path).replace('/sys/', f'{self.home}/', 1)
                ),
            )
        )

    def write(self, text):
        path = self.home / 'nova.conf'
        path.write_text(text)
        return str(path)

    def ours(self, path):
        conf = configuration(nova_options, path)
        try:
            types = nova_types.mdev_types(conf, str(self.home))
        except nova_types.NovaTypesError:
            return 'refused'
        return {
            name: types.type_of(name, test_nova_types.address(name))
            for name in self.NAMES
        }

    def novas(self, path):
        conf = configuration(nova_devices, path)
        self.useFixture(fixtures.MockPatchObject(driver, 'CONF', conf))
        nova = driver.LibvirtDriver.__new__(driver.LibvirtDriver)
        nova.pgpu_type_default = None
        nova.pgpu_type_mapping = {}
        nova.mdev_class_mapping = {}
        nova.mdev_type_max_mapping = {}
        nova.mdev_classes = set()
        nova.virtual_mdevs = set()
        try:
            nova.supported_vgpu_types = nova._get_supported_vgpu_types()
        except (exception.InvalidLibvirtMdevConfig, cfg.Error):
            return 'refused'
        return {
            name: nova._get_vgpu_type_per_pgpu(name) for name in self.NAMES
        }

    @ddt.data(*ADDRESSES)
    def test_addresses(self, addresses):
        path = self.write(
            '[devices]\nenabled_mdev_types = a, b\n[mdev_a]\n'
            f'device_addresses = {addresses}\n'
        )
        self.assertEqual(self.novas(path), self.ours(path))

    def test_virtual(self):
        """Only Nova 34 supports virtual parents, which have to exist."""
        path = self.write(
            '[devices]\nenabled_mdev_types = a, b\n[mdev_a]\n'
            'device_addresses = mtty_mtty\n'
        )
        ours = self.ours(path)
        self.assertEqual(
            ('a', None, 'b'),
            (ours['mtty_mtty'], ours['ap_matrix'], ours['pci_0000_84_00_0']),
        )
        known = hasattr(driver.LibvirtDriver, '_is_virtual_mdev')
        self.assertEqual(ours if known else 'refused', self.novas(path))

    @ddt.data(
        '',
        'mdev_class = VGPU',
        'mdev_class = CUSTOM_X',
        'mdev_class = A100_3_20C',
        'mdev_class = CUSTOM_x',
        f'mdev_class = CUSTOM_{"X" * 300}',
        'max_instances = 0',
        'max_instances = 1',
        'max_instances = many',
    )
    def test_other_options(self, line):
        path = self.write(
            f'[devices]\nenabled_mdev_types = a\n[mdev_a]\n{line}\n'
        )
        self.assertEqual(self.novas(path), self.ours(path))

    @ddt.data(
        '', 'a', 'a,b', 'a,a', '[a, b]', 'a # b', 'a b', '"a", b', ',', 'a,'
    )
    def test_types(self, enabled):
        path = self.write(f'[devices]\nenabled_mdev_types = {enabled}\n')
        self.assertEqual(self.novas(path), self.ours(path))
