# SPDX-License-Identifier: Apache-2.0
"""Reads from libvirt, with a connection that answers as a real one."""

import ddt
import fixtures
import libvirt
import testtools

from nova_mdev_compat.host import node_devices
from tests.unit import samples

UUID = '11111111-1111-4111-8111-111111111111'
PARENT = 'parent-pci_0000_01_00_0.xml'
ACTIVE = 'mdev-mdev_11111111_1111_4111_8111_111111111111_0000_01_00_0.xml'
INACTIVE = 'mdev-defined-inactive.xml'
RUNNING, STOPPED = (
    libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE,
    libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE,
)


def error(code):
    """Return libvirt's error with a code, which only its library can make."""
    exc = libvirt.libvirtError('')
    exc.err = (code, 0, 'as a test has it', 2, None, None, None, 0, 0)
    return exc


class Item:
    """A node device or a domain.

    :param active: what isActive answers, or raises
    """

    def __init__(self, name, text, active=1):
        self._name, self._text, self._active = name, text, active

    def name(self):
        return self._name

    def XMLDesc(self):
        return self._answer(self._text)

    def isActive(self):
        return self._answer(self._active)

    def _answer(self, found):
        if isinstance(found, Exception):
            raise found
        return found


class Connection:
    def __init__(self, mdevs=(), running=(), stopped=(), parents=()):
        self._devices = {
            libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV_TYPES: [
                Item('pci_0000_01_00_0', samples.capture(PARENT)),
                *parents,
            ],
            libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV: mdevs,
        }
        self._domains = {RUNNING: running, STOPPED: stopped}

    def listAllDevices(self, flags):
        return self._devices[flags]

    def listAllDomains(self, flags):
        return self._domains[flags]

    def getHostname(self):
        return 'host1'

    def close(self):
        pass


def domain(uuid):
    return Item(
        'vm',
        "<domain><devices><hostdev type='mdev'><source>"
        f"<address uuid='{uuid}'/></source></hostdev></devices>"
        '</domain>',
    )


@ddt.ddt
class ReadTest(testtools.TestCase):
    def read(self, *args, **kwargs):
        self.useFixture(
            fixtures.MockPatchObject(
                libvirt,
                'openReadOnly',
                lambda uri: Connection(*args, **kwargs),
            )
        )
        return node_devices.read('qemu:///system')

    @ddt.data(
        (1, True),
        (0, False),
        # Before 7.3, and libvirt's test driver: there are only active ones.
        (error(libvirt.VIR_ERR_NO_SUPPORT), True),
    )
    @ddt.unpack
    def test_active(self, answer, expected):
        found = self.read([Item('mdev_1', samples.capture(ACTIVE), answer)])
        self.assertEqual([expected], [one.active for one in found.mdevs])

    @ddt.data(
        (samples.capture(ACTIVE), error(libvirt.VIR_ERR_NO_NODE_DEVICE)),
        (error(libvirt.VIR_ERR_NO_NODE_DEVICE), 1),
    )
    @ddt.unpack
    def test_gone_in_the_middle(self, text, answer):
        found = self.read(
            [
                Item('mdev_1', text, answer),
                Item('mdev_2', samples.capture(INACTIVE), 0),
            ]
        )
        self.assertEqual(['mdev_2'], [one.name for one in found.mdevs])

    def test_another_error(self):
        broken = error(libvirt.VIR_ERR_INTERNAL_ERROR)
        item = Item('x', samples.capture(ACTIVE), broken)
        self.assertRaises(node_devices.LibvirtError, self.read, [item])

    def test_an_odd_mdev_stops_nothing(self):
        found = self.read(
            [
                Item('mdev_1', '<device/>'),
                Item('mdev_2', '<dev'),
                Item('mdev_3', samples.capture(ACTIVE)),
            ]
        )
        self.assertEqual(
            [True, True, False], [bool(one.fault) for one in found.mdevs]
        )
        self.assertEqual(UUID, found.mdevs[2].uuid)

    def test_an_odd_parent_stops_no_other(self):
        good = samples.capture(PARENT)
        found = self.read(
            parents=[
                Item('pci_0000_02_00_0', good[:-20]),
                Item('pci_0000_03_00_0', good.replace("id='0x1234'", '')),
            ]
        )
        self.assertEqual(
            ['pci_0000_01_00_0'], [parent.name for parent in found.parents]
        )
        self.assertEqual(
            {'pci_0000_02_00_0', 'pci_0000_03_00_0'}, set(found.odd)
        )
        self.assertIn('its XML is broken', str(found.odd['pci_0000_02_00_0']))
        self.assertEqual(
            'node device pci_0000_03_00_0: no vendor id',
            str(found.odd['pci_0000_03_00_0']),
        )

    def test_domains(self):
        found = self.read(
            running=[domain('aa'), domain('bb')], stopped=[domain('cc')]
        )
        self.assertEqual(({'aa', 'bb'}, {'cc'}), (found.used, found.kept))
