# SPDX-License-Identifier: Apache-2.0
"""What a real libvirt said (tests/data/libvirt-11.3), and what none would."""

import dataclasses

import ddt
import hypothesis
from hypothesis import strategies as st
from lxml import etree
import testtools

from nova_mdev_compat.host import libvirt_xml
from nova_mdev_compat.host import parents
from tests.unit import samples

LAB = {'labgpu-1': 'vfio-pci', 'labgpu-2': 'vfio-pci'}
UUIDS = {
    1: '11111111-1111-4111-8111-111111111111',
    2: '22222222-2222-4222-8222-222222222222',
}
SYSFS = '/sys/devices/pci0000:00/'
PCI = (
    "<device><capability type='pci'><domain>0</domain><bus>132</bus>"
    "<slot>0</slot><function>1</function><product id='0x2235'/>"
    "<vendor id='0x10de'/>{}</capability></device>"
)


def types(*items):
    return PCI.format(
        f"<capability type='mdev_types'>{''.join(items)}</capability>"
    )


@ddt.ddt
class CapturedParentTest(testtools.TestCase):
    def parse(self, name):
        text = samples.capture(name)
        return libvirt_xml.parse_parent(
            etree.fromstring(text).findtext('name'), text
        )

    @ddt.data(
        (
            'parent-pci_0000_01_00_0.xml',
            parents.ParentDevice(
                'pci_0000_01_00_0',
                SYSFS + '0000:00:01.0/0000:01:00.0',
                '0000:01:00.0',
                '0x1234',
                '0x11e8',
                'labgpu',
                LAB,
            ),
        ),
        (
            'parent-pci_0000_03_00_0.xml',
            parents.ParentDevice(
                'pci_0000_03_00_0',
                SYSFS + '0000:00:03.0/0000:03:00.0',
                '0000:03:00.0',
                '0x1b36',
                '0x0005',
                'labgpu',
                LAB,
            ),
        ),
        (
            'nvidia-like-parent-empty.xml',
            parents.ParentDevice(
                'pci_0000_01_00_0',
                SYSFS + '0000:00:01.0/0000:01:00.0',
                '0000:01:00.0',
                '0x1234',
                '0x11e8',
                'nvidia',
                {'nvidia-1': 'vfio-pci', 'nvidia-2': 'vfio-pci'},
            ),
        ),
        # Types nested twice, neither ids nor a driver.
        (
            'parent-mtty_mtty.xml',
            parents.ParentDevice(
                'mtty_mtty',
                '/sys/devices/virtual/mtty/mtty',
                None,
                None,
                None,
                None,
                {'mtty-1': 'vfio-pci', 'mtty-2': 'vfio-pci'},
            ),
        ),
        # The driver is gone, and with it the types.
        (
            'parent-pci_0000_01_00_0-after-rmmod.xml',
            parents.ParentDevice(
                'pci_0000_01_00_0',
                SYSFS + '0000:00:01.0/0000:01:00.0',
                '0000:01:00.0',
                '0x1234',
                '0x11e8',
                None,
                {},
            ),
        ),
        # A physical and a virtual function: more capabilities beside.
        (
            'sriov-pci_0000_04_00_0.xml',
            parents.ParentDevice(
                'pci_0000_04_00_0',
                SYSFS + '0000:00:08.0/0000:04:00.0',
                '0000:04:00.0',
                '0x1b36',
                '0x0010',
                'labgpu',
                LAB,
            ),
        ),
        (
            'sriov-pci_0000_04_00_2.xml',
            parents.ParentDevice(
                'pci_0000_04_00_2',
                SYSFS + '0000:00:08.0/0000:04:00.2',
                '0000:04:00.2',
                '0x1b36',
                '0x0010',
                'labgpu',
                LAB,
                board='0000:04:00.0',
            ),
        ),
    )
    @ddt.unpack
    def test_parent(self, name, expected):
        self.assertEqual(expected, self.parse(name))

    @ddt.data(
        (
            'parent-pci_0000_01_00_0.xml',
            'parent-pci_0000_01_00_0-with-mdevs.xml',
        ),
        (
            'parent-pci_0000_01_00_0.xml',
            'parent-pci_0000_01_00_0-one-mdev.xml',
        ),
        ('parent-mtty_mtty.xml', 'parent-mtty_mtty-with-mdevs.xml'),
        # With an mdev of one type, no instance of the other is available.
        ('nvidia-like-parent-empty.xml', 'nvidia-like-parent-one-type2.xml'),
    )
    @ddt.unpack
    def test_mdevs_on_it_do_not_change_what_it_is(self, without, with_mdevs):
        self.assertEqual(self.parse(without), self.parse(with_mdevs))

    @ddt.data(
        ('testdriver-minimal-node.xml', 1, 1),
        ('testdriver-from-captures.xml', 3, 5),
    )
    @ddt.unpack
    def test_a_whole_node(self, name, parents, mdevs):
        node = etree.fromstring((samples.DATA / name).read_bytes())
        found = {'mdev': [], 'pci': []}
        for device in node.iterfind('device'):
            kind = device.find('capability').get('type')
            parse = (
                libvirt_xml.parse_mdev
                if kind == 'mdev'
                else libvirt_xml.parse_parent
            )
            found[kind].append(
                parse(device.findtext('name'), etree.tostring(device).decode())
            )
        names = {device.name for device in found['pci']}
        self.assertEqual(
            (parents, mdevs), (len(found['pci']), len(found['mdev']))
        )
        self.assertLessEqual(
            {mdev.parent for mdev in found['mdev']}, names | {'mtty_mtty'}
        )


@ddt.ddt
class ParentTest(testtools.TestCase):
    @ddt.data(
        ("<type id='a'/>", {'a': 'vfio-pci'}),
        ("<type id='a'><deviceAPI/></type>", {'a': 'vfio-pci'}),
        (
            "<type id='a'><deviceAPI> vfio-pci\n</deviceAPI></type>",
            {'a': 'vfio-pci'},
        ),
        (
            "<type id='a'><deviceAPI>vfio-ccw</deviceAPI></type>",
            {'a': 'vfio-ccw'},
        ),
        ("<type id='b'/><type id='a'/>", {'a': 'vfio-pci', 'b': 'vfio-pci'}),
        ('', {}),
    )
    @ddt.unpack
    def test_types(self, text, expected):
        self.assertEqual(
            expected, libvirt_xml.parse_parent('x', types(text)).types
        )

    def test_address_and_empty_texts(self):
        found = libvirt_xml.parse_parent('x', PCI.format('<driver/>'))
        self.assertEqual('0000:84:00.1', found.address)
        self.assertIsNone(found.path)
        self.assertIsNone(found.driver)

    @ddt.data(
        (
            "<address domain='0x0000' bus='0x84' slot='0x00' function='0x0'/>",
            '0000:84:00.0',
        ),
        ("<address domain='0x0000' bus='0x84' slot='0x00'/>", None),
        ('', None),
    )
    @ddt.unpack
    def test_physical_function(self, address, expected):
        text = PCI.format(
            f"<capability type='phys_function'>{address}</capability>"
        )
        self.assertEqual(expected, libvirt_xml.parse_parent('x', text).board)

    def test_an_mdev_type_without_id(self):
        exc = self.assertRaises(
            parents.DeviceError,
            libvirt_xml.parse_parent,
            'dev_1',
            types('<type/>'),
        )
        self.assertEqual(
            'node device dev_1: an mdev type without id', str(exc)
        )

    @ddt.data(
        ("<vendor id='0x10de'/>", '', 'no vendor id'),
        ("<product id='0x2235'/>", '', 'no product id'),
        ("id='0x2235'", '', 'no product id'),
        ("id='0x10de'", "id='10de'", 'no vendor id'),
        ("id='0x10de'", "id=''", 'no vendor id'),
        ('<bus>132</bus>', '', 'its PCI address is incomplete'),
        ('<slot>0</slot>', '<slot>x</slot>', 'its PCI address is incomplete'),
    )
    @ddt.unpack
    def test_a_pci_device_that_lacks_something(self, old, new, why):
        text = PCI.format('')
        self.assertIn(old, text)
        exc = self.assertRaises(
            parents.DeviceError,
            libvirt_xml.parse_parent,
            'dev_1',
            text.replace(old, new),
        )
        self.assertEqual(f'node device dev_1: {why}', str(exc))


@ddt.ddt
class MdevTest(testtools.TestCase):
    @ddt.data(
        (
            'mdev-mdev_22222222_2222_4222_8222_222222222222_0000_02_00_0.xml',
            parents.Mdev(UUIDS[2], 'labgpu-2', 'pci_0000_02_00_0', 'mdev_x'),
        ),
        (
            'mdev-mdev_33333333_3333_4333_8333_333333333333_mtty.xml',
            parents.Mdev(
                '33333333-3333-4333-8333-333333333333',
                'mtty-1',
                'mtty_mtty',
                'mdev_x',
            ),
        ),
        (
            'mdev-defined-inactive.xml',
            parents.Mdev(
                '05922e05-ff8a-4005-81e2-95d5c4e86901',
                'labgpu-2',
                'pci_0000_03_00_0',
                'mdev_x',
            ),
        ),
    )
    @ddt.unpack
    def test_captured(self, name, expected):
        """Nothing in XML is sure to tell an active one from an inactive."""
        for active in (True, False):
            self.assertEqual(
                dataclasses.replace(expected, active=active),
                libvirt_xml.parse_mdev(
                    'mdev_x', samples.capture(name), active
                ),
            )

    def test_captured_after_its_parent_was_removed(self):
        capture = samples.capture('pci-remove-with-mdev.txt')
        found = libvirt_xml.parse_mdev(
            'mdev_x', capture[capture.index('<device>') :]
        )
        self.assertEqual(
            parents.Mdev(
                '66666666-6666-4666-8666-666666666666',
                'labgpu-1',
                'computer',
                'mdev_x',
            ),
            found,
        )

    @ddt.data('mdev_{}', 'mdev_{}_0000_03_00_0', 'mdev_{}_mtty')
    def test_uuid_of_a_libvirt_before_7_3(self, form):
        """Nova takes it from the name, too."""
        uuid = '3627463d-b7f0-4fea-b468-f1da537d301b'
        name = form.format(uuid.replace('-', '_'))
        text = samples.capture('mdev-defined-inactive.xml').replace(
            '<uuid>05922e05-ff8a-4005-81e2-95d5c4e86901</uuid>', ''
        )
        self.assertNotIn('<uuid>', text)
        self.assertEqual(
            parents.Mdev(uuid, 'labgpu-2', 'pci_0000_03_00_0', name),
            libvirt_xml.parse_mdev(name, text),
        )

    @ddt.data(
        # old, new, what it lacks
        ("type='mdev'", "type='pci'", 'no UUID, no type'),
        ("<type id='labgpu-2'/>", '', 'no type'),
        ("id='labgpu-2'", '', 'no type'),
        ('<parent>pci_0000_03_00_0</parent>', '', 'no parent'),
        (
            '<uuid>05922e05-ff8a-4005-81e2-95d5c4e86901</uuid>',
            '<uuid/>',
            'no UUID',
        ),
        ('</device>', '', 'its XML is broken: '),
    )
    @ddt.unpack
    def test_an_mdev_that_lacks_something(self, old, new, why):
        """It has a fault, and everything else."""
        text = samples.capture('mdev-defined-inactive.xml')
        self.assertIn(old, text)
        found = libvirt_xml.parse_mdev('mdev_1', text.replace(old, new))
        self.assertEqual(
            f'node device mdev_1: {why}', found.fault[: len(why) + 20]
        )
        missing = {
            'type': 'type' in why,
            'uuid': 'UUID' in why,
            'parent': 'parent' in why,
        }
        if 'XML' in why:
            missing = dict.fromkeys(missing, True)
        self.assertEqual(
            missing,
            {
                'type': not found.type,
                'uuid': not found.uuid,
                'parent': not found.parent,
            },
        )


class DomainTest(testtools.TestCase):
    def test_captured(self):
        found = libvirt_xml.parse_domain(
            'vg', samples.capture('domain-mdev-live.xml')
        )
        self.assertIn(UUIDS[1], found)
        self.assertEqual(2, len(found))

    def test_upper_case_and_other_devices(self):
        found = libvirt_xml.parse_domain(
            'vm',
            f"""
            <domain><metadata><hostdev type='mdev'><source>
              <address uuid='not-this-one'/></source></hostdev></metadata>
            <devices>
              <hostdev type='pci'><source><address bus='1'/></source></hostdev>
              <hostdev type='mdev'><source/></hostdev>
              <hostdev type='mdev'><source>
                <address uuid='{'ABCD' + UUIDS[1][4:]}'/></source></hostdev>
            </devices></domain>""",
        )
        self.assertEqual({'abcd' + UUIDS[1][4:]}, found)

    def test_no_devices(self):
        self.assertEqual(
            frozenset(), libvirt_xml.parse_domain('vm', '<domain/>')
        )


@ddt.ddt
class HostileTest(testtools.TestCase):
    """A domain's XML has parts that tenants have a say in."""

    bomb = ''.join(
        f'<!ENTITY {one} "{("&" + other + ";") * 20}">'
        for one, other in zip('bcdefgh', 'abcdefg', strict=True)
    )
    bomb = f'<!DOCTYPE d [<!ENTITY a "{"ha" * 20}">{bomb}]>'

    def refused(self, text):
        exc = self.assertRaises(
            parents.DeviceError, libvirt_xml.parse_domain, 'vm', text
        )
        return str(exc)

    @ddt.data(
        '<domain>&h;</domain>',
        '<domain name="&h;"/>',
        '<domain>&a;</domain>',
        '<domain/>',
    )
    def test_entity_bomb(self, text):
        self.assertRegex(
            self.refused(self.bomb + text),
            '^domain vm: its XML (is broken: .+|has a document type)$',
        )

    def test_a_file_of_the_host(self):
        text = (
            '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
            '<domain><name>&x;</name></domain>'
        )
        self.assertEqual(
            'domain vm: its XML has a document type', self.refused(text)
        )

    @ddt.data(
        '',
        ' ',
        'no XML',
        '<domain',
        '<domain></device>',
        '\0',
        '<domain>\x1b</domain>',
        '<domain>&x;</domain>',
        '<domain/><domain/>',
    )
    def test_broken(self, text):
        message = self.refused(text)
        self.assertTrue(message.startswith('domain vm: its XML is broken: '))
        self.assertNotIn('\n', message)

    @hypothesis.given(
        st.one_of(
            st.text(max_size=50),
            st.builds(
                '<device><capability type="pci">{}</capability></device>'.format,
                st.text("<>/'=capbilityvendor idx0", max_size=40),
            ),
        )
    )
    def test_whatever_it_is_there_is_a_device_or_an_error(self, text):
        try:
            found = libvirt_xml.parse_parent('x', text)
        except parents.DeviceError as exc:
            self.assertTrue(str(exc).startswith('node device x: '))
        else:
            self.assertEqual('x', found.name)
