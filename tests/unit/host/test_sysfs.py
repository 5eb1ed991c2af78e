# SPDX-License-Identifier: Apache-2.0

import pathlib

import ddt
import fixtures
import testtools

from nova_mdev_compat.host import parents
from nova_mdev_compat.host import sysfs

PATH = 'devices/pci0000:80/0000:84:00.0'
#: A virtual function of it.
VF_PATH = 'devices/pci0000:80/0000:84:00.4'
ALL_FACTS = {
    'module': 'nvidia',
    'driver': '550.90.07',
    'intree': 'no',
    'subsystem': '10de:1482',
}


def device(**changes):
    values = {
        'name': 'pci_0000_84_00_0',
        'path': f'/sys/{PATH}',
        'address': '0000:84:00.0',
        'vendor': '0x10de',
        'product': '0x2235',
        'driver': None,
        'types': {},
        **changes,
    }
    return parents.ParentDevice(**values)


VF = device(
    name='pci_0000_84_00_4', path=f'/sys/{VF_PATH}', address='0000:84:00.4'
)
MTTY = device(
    name='mtty_mtty',
    path='/sys/devices/virtual/mtty/mtty',
    address=None,
    vendor=None,
    product=None,
)


class TreeTestCase(testtools.TestCase):
    """Has a tree laid out as /sys."""

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.write(f'{PATH}/subsystem_vendor', '0x10de\n')
        self.write(f'{PATH}/subsystem_device', '0x1482\n')
        self.link(f'{PATH}/driver', 'bus/pci/drivers/nvidia')
        self.link('bus/pci/drivers/nvidia/module', 'module/nvidia')
        self.write('module/nvidia/version', '550.90.07\n')
        self.write('module/nvidia/taint', 'POE\n')
        self.write('module/nvidia/initstate', 'live\n')
        self.link('bus/pci/devices/0000:84:00.0', PATH)
        self.link('devices/virtual/mtty/mtty/subsystem', 'class/mtty')
        self.tree = sysfs.Sysfs(str(self.root))

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def link(self, name, target):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (self.root / target).mkdir(parents=True, exist_ok=True)
        path.symlink_to(self.root / target)

    def remove(self, name):
        (self.root / name).unlink()


@ddt.ddt
class FactsTest(TreeTestCase):
    def without(self, *names):
        return {name: ALL_FACTS[name] for name in ALL_FACTS.keys() - names}

    @ddt.data(device(), device(driver='nvidia'), device(path=None))
    def test_all(self, some):
        self.assertEqual(ALL_FACTS, self.tree.facts(some))

    @ddt.data(
        (f'{PATH}/subsystem_vendor', ['subsystem']),
        (f'{PATH}/subsystem_device', ['subsystem']),
        ('module/nvidia/version', ['driver']),
        ('module/nvidia/taint', ['intree']),
        (f'{PATH}/driver', ['driver', 'intree', 'module']),
    )
    @ddt.unpack
    def test_what_is_not_there_is_left_out(self, name, facts):
        self.remove(name)
        self.assertEqual(self.without(*facts), self.tree.facts(device()))

    def test_empty_files(self):
        self.write('module/nvidia/version', '\n')
        self.write(f'{PATH}/subsystem_vendor', '')
        self.assertEqual(
            self.without('driver', 'subsystem'), self.tree.facts(device())
        )

    def test_bytes_that_are_not_utf_8(self):
        (self.root / 'module/nvidia/version').write_bytes(b'55\xff0')
        self.assertEqual('55\ufffd0', self.tree.facts(device())['driver'])

    def test_a_device_that_is_gone(self):
        gone = device(path='/sys/devices/pci0000:80/0000:99:00.0')
        self.assertEqual({}, self.tree.facts(gone))

    def test_the_driver_that_libvirt_reports_goes_first(self):
        self.assertEqual(
            'vfio-mdev', self.tree.facts(device(driver='vfio-mdev'))['module']
        )

    def test_module_directory_of_a_driver_with_dashes(self):
        self.remove(f'{PATH}/driver')
        self.write('module/my_gpu/version', '2.0')
        self.write('module/my_gpu/taint', '\n')
        self.assertEqual(
            ALL_FACTS | {'module': 'my-gpu', 'driver': '2.0', 'intree': 'yes'},
            self.tree.facts(device(driver='my-gpu')),
        )

    def test_driver_and_module_of_different_names(self):
        self.remove('bus/pci/drivers/nvidia/module')
        self.link('bus/pci/drivers/nvidia/module', 'module/nvidia_vgpu')
        self.write('module/nvidia_vgpu/version', '570.1')
        self.write('module/nvidia_vgpu/taint', 'OE')
        self.assertEqual(
            {**ALL_FACTS, 'driver': '570.1'}, self.tree.facts(device())
        )

    @ddt.data(
        # Modules of the kernel's own tree: loaded, of staging, not signed.
        ('yes', '', 'C', 'E', 'CE'),
        # Out-of-tree modules: NVIDIA's, a free one, and loaded by force.
        ('no', 'POE', 'PO', 'OE', 'FO'),
        # Not known: loaded by force, perhaps of another kernel; proprietary;
        # a live patch; flags of distributors.
        (None, 'F', 'FE', 'P', 'K', 'X', '?'),
    )
    def test_intree(self, data):
        expected, *all_flags = data
        for flags in all_flags:
            self.write('module/nvidia/taint', f'{flags}\n')
            found = self.tree.facts(device()).get('intree')
            self.assertEqual(expected, found, flags)

    def test_a_driver_that_is_built_in(self):
        """Its module has no more than a version and parameters."""
        for name in ('taint', 'initstate'):
            self.remove(f'module/nvidia/{name}')
        self.assertEqual('yes', self.tree.facts(device())['intree'])

    def test_a_built_in_driver_without_a_module(self):
        """Nothing tells it from one whose files cannot be seen."""
        self.remove(f'{PATH}/driver')
        self.link(f'{PATH}/driver', 'bus/pci/drivers/plain')
        self.assertEqual(
            self.without('driver', 'intree') | {'module': 'plain'},
            self.tree.facts(device()),
        )

    @ddt.data(
        'module/nvidia/version',
        'module/nvidia/taint',
        f'{PATH}/subsystem_vendor',
    )
    def test_a_file_that_cannot_be_read(self, name):
        self.remove(name)
        (self.root / name).mkdir()
        exc = self.assertRaises(sysfs.SysfsError, self.tree.facts, device())
        self.assertEqual(f'{self.root}/{name}: Is a directory', str(exc))

    def test_not_a_link(self):
        self.remove(f'{PATH}/driver')
        self.write(f'{PATH}/driver', '')
        exc = self.assertRaises(sysfs.SysfsError, self.tree.facts, device())
        self.assertEqual(
            f'{self.root}/{PATH}/driver: Invalid argument', str(exc)
        )


class BoardTest(TreeTestCase):
    """A virtual function and its board."""

    def setUp(self):
        super().setUp()
        # As the kernel has it: the link is relative.
        (self.root / VF_PATH).mkdir()
        (self.root / VF_PATH / 'physfn').symlink_to('../0000:84:00.0')
        self.link(f'{VF_PATH}/driver', 'bus/pci/drivers/nvidia')
        self.link('bus/pci/devices/0000:84:00.4', VF_PATH)

    def test_address(self):
        gone = device(path='/sys/devices/x', address='0000:99:00.0')
        for some, expected in (
            (VF, '0000:84:00.0'),
            (device(path=None, address='0000:84:00.4'), '0000:84:00.0'),
            (device(), '0000:84:00.0'),
            (device(path=None), '0000:84:00.0'),
            (gone, '0000:99:00.0'),
            (MTTY, None),
        ):
            self.assertEqual(expected, self.tree.board_address(some))

    def test_the_subsystem_is_that_of_the_board(self):
        self.write(f'{VF_PATH}/subsystem_vendor', '0x10de\n')
        self.write(f'{VF_PATH}/subsystem_device', '0x0000\n')
        self.assertEqual(ALL_FACTS, self.tree.facts(VF))
        self.remove(f'{PATH}/subsystem_device')
        self.assertEqual(
            ALL_FACTS.keys() - {'subsystem'}, self.tree.facts(VF).keys()
        )

    def test_the_driver_is_that_of_the_function(self):
        self.remove(f'{VF_PATH}/driver')
        self.assertEqual({'subsystem': '10de:1482'}, self.tree.facts(VF))

    def test_not_a_link(self):
        self.remove(f'{VF_PATH}/physfn')
        self.write(f'{VF_PATH}/physfn', '')
        for question in (self.tree.facts, self.tree.board_address):
            exc = self.assertRaises(sysfs.SysfsError, question, VF)
            self.assertEqual(
                f'{self.root}/{VF_PATH}/physfn: Invalid argument', str(exc)
            )


@ddt.ddt
class PathTest(TreeTestCase):
    @ddt.data(
        (device(), PATH),
        (device(path=None), 'bus/pci/devices/0000:84:00.0'),
        (
            device(path=None, address=None, name='mtty_mtty'),
            'bus/pci/devices/mtty_mtty',
        ),
        # The root is never left.
        (device(path='/devices/virtual/x'), 'devices/virtual/x'),
        (device(path='//sys/devices/x'), 'sys/devices/x'),
    )
    @ddt.unpack
    def test_path(self, some, expected):
        self.assertEqual(self.root / expected, self.tree.path(some))

    def test_subsystem(self):
        self.assertEqual('mtty', self.tree.subsystem(MTTY))
        self.assertIsNone(self.tree.subsystem(device()))
