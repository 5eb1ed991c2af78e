# SPDX-License-Identifier: Apache-2.0

import ddt
import testtools

from nova_mdev_compat.placement import providers


@ddt.ddt
class NamesTest(testtools.TestCase):
    @ddt.data(
        ('gpu-1_pci_0000_84_00_0', 'pci_0000_84_00_0'),
        ('gpu-1_mtty_mtty', 'mtty_mtty'),
        ('gpu-1_0000:84:0A.0_mdev_compat', '0000:84:0a.0'),
        ('gpu-1_10000:84:00.0_mdev_compat', '10000:84:00.0'),
        # Nova's own of a physical function.
        ('gpu-1_0000:84:00.0', None),
        # Neutron's.
        ('gpu-1:Open vSwitch agent', None),
        ('gpu-1:Open vSwitch agent_mdev_compat', None),
        ('gpu-1_eth0:br_mdev_compat', None),
        ('gpu-10_pci_0000_84_00_0', None),
        ('gpu-1', None),
    )
    @ddt.unpack
    def test_device_name(self, provider, device):
        self.assertEqual(device, providers.device_name(provider, 'gpu-1'))

    @ddt.data(
        ('gpu-1_0000:84:0A.0', '0000:84:0a.0'),
        ('gpu-1_0000:84:00.0_mdev_compat', None),
        ('gpu-1_pci_0000_84_00_0', None),
        ('gpu-1', None),
    )
    @ddt.unpack
    def test_pci_address(self, provider, address):
        self.assertEqual(address, providers.pci_address(provider, 'gpu-1'))

    def test_child_has_a_name_and_a_uuid_of_its_own(self):
        name = providers.child_name('gpu-1_0000:84:0A.0')
        self.assertEqual('0000:84:0a.0', providers.device_name(name, 'gpu-1'))
        one = '11111111-1111-4111-8111-111111111111'
        # Of filters and collectors of all versions: it may never change.
        self.assertEqual(
            'b0316e7c-1e5e-54dd-8427-a8f1bd6c0cda', providers.child_uuid(one)
        )
