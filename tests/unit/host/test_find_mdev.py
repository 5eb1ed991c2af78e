# SPDX-License-Identifier: Apache-2.0

import pathlib

import ddt
import fixtures
import testtools

from nova_mdev_compat.host import sysfs
from tests import mdev_tree


@ddt.ddt
class FindTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.root = self.useFixture(fixtures.TempDir()).path

    @ddt.data('11111111', '22222222', '33333333', '44444444', '05922e05')
    def test_as_libvirt_says(self, uuid):
        """Names are libvirt's, of PCI devices and of mtty."""
        uuid, parent, mdev_type = mdev_tree.add(
            self.root, mdev_tree.capture(uuid)
        )
        self.assertEqual(
            sysfs.DeviceLocation(parent, mdev_type),
            sysfs.find_mdev(self.root, uuid),
        )

    @ddt.data(
        ('bus/matrix', 'vfio_ap/matrix', 'ap_matrix'),
        ('bus/css', 'css0/0.0.fffe', 'css_0_0_fffe'),
        ('bus/pci', 'pci10000:e0/10000:e1:00.0', 'pci_10000_e1_00_0'),
        ('class/mtty', 'virtual/mtty/mtty', 'mtty_mtty'),
    )
    @ddt.unpack
    def test_names(self, subsystem, parent, name):
        """Those of all kinds that libvirt takes for parents.

        tests/nodedevschemadata of libvirt has ap_matrix and css_0_0_fffe.
        """
        uuid = mdev_tree.add_below(self.root, parent, subsystem, 'x-1')
        self.assertEqual(
            sysfs.DeviceLocation(name, 'x-1'), sysfs.find_mdev(self.root, uuid)
        )

    @ddt.data(
        '11111111-1111-4111-8111-111111111111',
        '',
        '..',
        '../../../devices',
        '11111111-1111-4111-8111-11111111111',
        '11111111-1111-4111-8111-111111111111/..',
        '11111111-1111-4111-8111-111111111111\n',
    )
    def test_not_there(self, uuid):
        mdev_tree.add(self.root, mdev_tree.capture('22222222'))
        self.assertIsNone(sysfs.find_mdev(self.root, uuid))

    @ddt.data('mdev_type', '../subsystem')
    def test_link_is_missing(self, link):
        uuid, *_ = mdev_tree.add(self.root, mdev_tree.capture('11111111'))
        home = pathlib.Path(self.root, 'bus/mdev/devices', uuid).resolve()
        (home / link).unlink()
        self.assertRaises(FileNotFoundError, sysfs.find_mdev, self.root, uuid)
