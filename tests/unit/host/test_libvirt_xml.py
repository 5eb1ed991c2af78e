# SPDX-License-Identifier: Apache-2.0
"""XML of a real libvirt (tests/data/libvirt-11.3), and invalid XML."""

import dataclasses

import ddt
import hypothesis
from hypothesis import strategies as st
from lxml import etree
import testtools

from nova_mdev_compat.host import libvirt_xml
from nova_mdev_compat.host import parents
from tests.unit import samples

TYPES = "<capability type='mdev_types'>"
NO_ID = 'an mdev type without id'
LAB = {'labgpu-1': 'vfio-pci', 'labgpu-2': 'vfio-pci'}
UUIDS = {
    1: '11111111-1111-4111-8111-111111111111',
    2: '22222222-2222-4222-8222-222222222222',
}
PCI = (
    "<device><capability type='pci'><domain>0</domain><bus>132</bus>"
    "<slot>0</slot><function>1</function><product id='0x2235'/>"
    "<vendor id='0x10de'/>{}</capability></device>"
)


SRIOV = {'vendor': '0x1b36', 'product': '0x0010'}


def pci(bridge, address, **changes):
    """Return a parent below a bridge, as libvirt describes it."""
    values = {
        'name': 'pci_0000_' + address.replace(':', '_').replace('.', '_'),
        'path': f'/sys/devices/pci0000:00/0000:{bridge}/0000:{address}',
        'address': f'0000:{address}',
        'driver': 'labgpu',
        'types': LAB,
    }
    return parents.ParentDevice(**values | changes)


FIRST = pci('00:01.0', '01:00.0', vendor='0x1234', product='0x11e8')


def types(*items):
    return PCI.format(f'{TYPES}{"".join(items)}</capability>')


def api(name, text):
    return f"<type id='{name}'><deviceAPI>{text}</deviceAPI></type>"


@ddt.ddt
class CapturedParentTest(testtools.TestCase):
    def parse(self, name):
        text = samples.capture(name)
        return libvirt_xml.parse_parent(
            etree.fromstring(text).findtext('name'), text
        )

    @ddt.data(
        ('parent-pci_0000_01_00_0.xml', FIRST),
        (
            'parent-pci_0000_03_00_0.xml',
            pci('00:03.0', '03:00.0', vendor='0x1b36', product='0x0005'),
        ),
        (
            'nvidia-like-parent-empty.xml',
            dataclasses.replace(
                FIRST,
                driver='nvidia',
                types={'nvidia-1': 'vfio-pci', 'nvidia-2': 'vfio-pci'},
            ),
        ),
        # Types nested twice, neither ids nor a driver.
        (
            'parent-mtty_mtty.xml',
            parents.ParentDevice(
                'mtty_mtty',
                '/sys/devices/virtual/mtty/mtty',
                *[None] * 4,
                {'mtty-1': 'vfio-pci', 'mtty-2': 'vfio-pci'},
            ),
        ),
        # The driver was unloaded, and the types with it.
        (
            'parent-pci_0000_01_00_0-after-rmmod.xml',
            dataclasses.replace(FIRST, driver=None, types={}),
        ),
        # A physical and a virtual function have more capabilities.
        ('sriov-pci_0000_04_00_0.xml', pci('00:08.0', '04:00.0', **SRIOV)),
        (
            'sriov-pci_0000_04_00_2.xml',
            pci('00:08.0', '04:00.2', board='0000:04:00.0', **SRIOV),
        ),
    )
    @ddt.unpack
    def test_parent(self, name, expected):
        self.assertEqual(expected, self.parse(name))

    @ddt.data(
        ('parent-pci_0000_01_00_0', '', '-with-mdevs'),
        ('parent-pci_0000_01_00_0', '', '-one-mdev'),
        ('parent-mtty_mtty', '', '-with-mdevs'),
        # With an mdev of one type, no instance of the other is available.
        ('nvidia-like-parent', '-empty', '-one-type2'),
    )
    @ddt.unpack
    def test_its_mdevs_do_not_change_it(self, name, without, with_mdevs):
        self.assertEqual(
            self.parse(f'{name}{without}.xml'),
            self.parse(f'{name}{with_mdevs}.xml'),
        )

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
            parse = {
                'mdev': libvirt_xml.parse_mdev,
                'pci': libvirt_xml.parse_parent,
            }[kind]
            text = etree.tostring(device).decode()
            found[kind].append(parse(device.findtext('name'), text))
        self.assertEqual(
            (parents, mdevs), (len(found['pci']), len(found['mdev']))
        )
        self.assertLessEqual(
            {mdev.parent for mdev in found['mdev']},
            {device.name for device in found['pci']} | {'mtty_mtty'},
        )


@ddt.ddt
class ParentTest(testtools.TestCase):
    @ddt.data(
        ("<type id='a'/>", {'a': 'vfio-pci'}),
        (api('a', ''), {'a': 'vfio-pci'}),
        (api('a', ' vfio-pci\n'), {'a': 'vfio-pci'}),
        (api('a', 'vfio-ccw'), {'a': 'vfio-ccw'}),
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

    @ddt.data(
        ('</capability>', f'{TYPES}<type/></capability></capability>', NO_ID),
        ("<vendor id='0x10de'/>", '', 'no vendor id'),
        ("<product id='0x2235'/>", '', 'no product id'),
        ("id='0x2235'", '', 'no product id'),
        ("id='0x10de'", "id='10de'", 'no vendor id'),
        ("id='0x10de'", "id=''", 'no vendor id'),
        ('<bus>132</bus>', '', 'its PCI address is incomplete'),
        ('<slot>0</slot>', '<slot>x</slot>', 'its PCI address is incomplete'),
    )
    @ddt.unpack
    def test_incomplete(self, old, new, why):
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
            UUIDS[2],
            'labgpu-2',
            'pci_0000_02_00_0',
        ),
        (
            'mdev-mdev_33333333_3333_4333_8333_333333333333_mtty.xml',
            '33333333-3333-4333-8333-333333333333',
            'mtty-1',
            'mtty_mtty',
        ),
        (
            'mdev-defined-inactive.xml',
            '05922e05-ff8a-4005-81e2-95d5c4e86901',
            'labgpu-2',
            'pci_0000_03_00_0',
        ),
        (
            'pci-remove-with-mdev.txt',
            '66666666-6666-4666-8666-666666666666',
            'labgpu-1',
            'computer',
        ),
    )
    @ddt.unpack
    def test_captured(self, name, *expected):
        """The XML does not tell an active mdev from an inactive one."""
        capture = samples.capture(name)
        text = capture[capture.index('<device>') :]
        for active in (True, False):
            self.assertEqual(
                parents.Mdev(*expected, 'mdev_x', active),
                libvirt_xml.parse_mdev('mdev_x', text, active),
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
    def test_incomplete(self, old, new, why):
        text = samples.capture('mdev-defined-inactive.xml')
        self.assertIn(old, text)
        found = libvirt_xml.parse_mdev('mdev_1', text.replace(old, new))
        self.assertTrue(found.fault.startswith(f'node device mdev_1: {why}'))
        for what, value in (
            ('UUID', found.uuid),
            ('type', found.type),
            ('parent', found.parent),
        ):
            self.assertIs(f'no {what}' in why or 'XML' in why, not value, what)


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
    """Tenants influence parts of a domain's XML."""

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
        *('', ' ', 'no XML', '<domain', '<domain></device>', '\0'),
        *('<domain>\x1b</domain>', '<domain>&x;</domain>'),
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
    def test_a_device_or_an_error(self, text):
        try:
            found = libvirt_xml.parse_parent('x', text)
        except parents.DeviceError as exc:
            self.assertTrue(str(exc).startswith('node device x: '))
        else:
            self.assertEqual('x', found.name)
