# SPDX-License-Identifier: Apache-2.0
"""What libvirt's test driver cannot be made to say, from a stand-in."""

import libvirt
import testtools

from nova_mdev_compat.collector import nodedev
from tests.unit import samples


class Device:
    def __init__(self, name, text):
        self._name, self._text = name, text

    def name(self):
        return self._name

    def XMLDesc(self):
        return self._text


class Connection:
    """Lists parents; no mdevs and no domains."""

    def __init__(self, *parents):
        self._parents = parents

    def getHostname(self):
        return 'host1'

    def listAllDevices(self, flags):
        wanted = libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV_TYPES
        return self._parents if flags & wanted else ()

    def listAllDomains(self, flags):
        return ()


class OddParentTest(testtools.TestCase):

    def test_the_others_are_read(self):
        good = samples.capture('parent-pci_0000_01_00_0.xml')
        found = nodedev._read(Connection(
            Device('pci_0000_01_00_0', good),
            Device('pci_0000_02_00_0', good[:-20]),
            Device('pci_0000_03_00_0', good.replace("id='0x1234'", ''))))
        self.assertEqual(['pci_0000_01_00_0'],
                         [parent.name for parent in found.parents])
        self.assertEqual({'pci_0000_02_00_0', 'pci_0000_03_00_0'},
                         set(found.odd))
        self.assertIn('its XML is broken',
                      str(found.odd['pci_0000_02_00_0']))
        self.assertEqual('node device pci_0000_03_00_0: no vendor id',
                         str(found.odd['pci_0000_03_00_0']))
