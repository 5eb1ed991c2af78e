# SPDX-License-Identifier: Apache-2.0

import dataclasses
import json

import ddt
from oslo_config import cfg
import testtools

from nova_mdev_compat.conf import nova
from nova_mdev_compat.host import device_spec
from nova_mdev_compat.host import libvirt_xml
from nova_mdev_compat.host import nova_types
from nova_mdev_compat.host import parents
from nova_mdev_compat.host import remarks
from nova_mdev_compat.host import vfio
from tests.unit import samples

#: In the captures: 0000:04:00.1 and .2 are virtual functions of 0000:04:00.0.
VIRTUAL = [
    libvirt_xml.parse_parent(name, samples.capture(f'sriov-{name}.xml'))
    for name in ('pci_0000_04_00_1', 'pci_0000_04_00_2')
]
MTTY = libvirt_xml.parse_parent(
    'mtty_mtty', samples.capture('parent-mtty_mtty.xml')
)
#: Of a board with letters in its address.
BOARD = dataclasses.replace(
    VIRTUAL[0], name='pci_0000_af_00_0', address='0000:af:00.0', board=None
)
USED, KEPT = 'used', 'kept'
#: Two boards that offer two types; Nova uses one of them on the first.
BOARDS = [
    dataclasses.replace(
        BOARD,
        name=f'pci_0000_{bus}_00_0',
        address=f'0000:{bus}:00.0',
        types={'nvidia-557': 'vfio-pci', 'nvidia-558': 'vfio-pci'},
    )
    for bus in ('84', '85')
]
TYPES = nova_types.assign(['nvidia-558'], {'nvidia-558': ['0000:84:00.0']})


def mdev(
    name='mdev_1',
    uuid='free',
    mdev_type='nvidia-558',
    parent='pci_0000_84_00_0',
    **more,
):
    return parents.Mdev(uuid, mdev_type, parent, name, **more)


def unused(*mdevs):
    return remarks.unused_mdevs(
        parents.HostDevices('host1', BOARDS, mdevs, {USED}, {'odd'}, {KEPT}),
        TYPES,
    )


def of_types(enabled, addresses):
    host = parents.HostDevices('host1', (*VIRTUAL, MTTY, BOARD), ())
    return remarks.of_host(host, nova_types.assign(enabled, addresses), ())


@ddt.ddt
class UnusedTest(testtools.TestCase):
    @ddt.data(
        (mdev(), 'free'),
        # Nova takes only the type that it uses on the parent.
        (mdev(mdev_type='nvidia-557'), 'stray'),
        (mdev(parent='pci_0000_85_00_0'), 'stray'),
        # It is not known how Nova uses these.
        (mdev(parent='ap_matrix'), None),
        (mdev(parent='odd'), None),
        (mdev(mdev_type='nvidia-559'), None),
        (mdev(active=False), 'inactive'),
        (mdev(mdev_type='nvidia-557', active=False), 'inactive'),
        (mdev(parent='pci_0000_85_00_0', active=False), 'inactive'),
        (mdev(parent='odd', active=False), 'inactive'),
        # The name that libvirt has if the parent is gone.
        (mdev(parent='computer', active=False), 'orphaned'),
        # Domains have these.
        (mdev(uuid=USED), None),
        (mdev(uuid=USED, mdev_type='nvidia-557'), None),
        (mdev(uuid=KEPT), None),
        (mdev(uuid=KEPT, active=False), None),
        # Nothing is known of it but its fault.
        (mdev(fault='odd'), None),
    )
    @ddt.unpack
    def test_one(self, one, expected):
        self.assertEqual(
            [(one, expected)] if expected else [],
            [(found, kind.value) for found, kind in unused(one)],
        )

    @ddt.data(USED, KEPT)
    def test_a_definition_whose_uuid_is_active_elsewhere(self, uuid):
        active = mdev('mdev_2', uuid)
        left = mdev('mdev_1', uuid, parent='pci_0000_85_00_0', active=False)
        self.assertEqual(
            ((left, remarks.Unused.INACTIVE),), unused(active, left)
        )

    def test_in_order(self):
        mdevs = [mdev('mdev_2'), mdev('mdev_1'), mdev('mdev_3')]
        self.assertEqual(
            ['mdev_1', 'mdev_2', 'mdev_3'],
            [one.name for one, _ in unused(*mdevs)],
        )


@ddt.ddt
class OfHostTest(testtools.TestCase):
    @ddt.data(
        # enabled, addresses
        (['labgpu-1'], {}),
        (['labgpu-1'], {'labgpu-1': ['0000:04:00.1', '0000:af:00.0']}),
        (['mtty-1'], {'mtty-1': ['mtty_mtty']}),
        # Enabled for other hosts, perhaps.
        (['labgpu-1', 'nvidia-558'], {'labgpu-1': ['0000:04:00.1']}),
        ([], {}),
    )
    @ddt.unpack
    def test_nothing_to_remark(self, enabled, addresses):
        self.assertEqual((), of_types(enabled, addresses))

    @ddt.data(
        ('[nvidia-35', 'use neither brackets nor quotes'),
        ('nvidia-36]', 'use neither brackets nor quotes'),
        ('"nvidia-35"', 'use neither brackets nor quotes'),
        ('nvidia-35 # T4', 'put the comment on its own line'),
        ('nvidia-35 nvidia-36', 'separate types with commas'),
    )
    @ddt.unpack
    def test_types(self, name, hint):
        self.assertEqual(
            (
                f'nova.conf: [devices]enabled_mdev_types has {name!r}, which '
                f'Nova reads as the name of a type: {hint}',
            ),
            of_types([name], {}),
        )

    @ddt.data(
        (['0000:3b:00.0'], '0000:3b:00.0'),
        (
            ['0000:04:00.1', '0000:3b:00.0', 'mtty_other'],
            '0000:3b:00.0, mtty_other',
        ),
        (
            ['0000:AF:00.0'],
            '0000:AF:00.0; Nova compares case-sensitively: use lower case',
        ),
        (
            ['0000:04:00.0'],
            '0000:04:00.0; it is a physical function, and its virtual '
            'functions have the mdevs: name those',
        ),
        (
            [f'0000:{n:02x}:00.0' for n in range(16, 32)],
            '0000:10:00.0, 0000:11:00.0, 0000:12:00.0, 0000:13:00.0, '
            '0000:14:00.0, 0000:15:00.0, 0000:16:00.0, 0000:17:00.0, '
            '0000:18:00.0, 0000:19:00.0 and 6 more',
        ),
    )
    @ddt.unpack
    def test_addresses(self, addresses, expected):
        self.assertEqual(
            (
                'nova.conf: [mdev_labgpu-1]device_addresses: no device here that '
                f'can create mdevs has the address {expected}',
            ),
            of_types(['labgpu-1'], {'labgpu-1': addresses}),
        )

    def functions(self, *, reported=True, **keys):
        """Return remarks on a board whose functions an entry names."""
        conf = cfg.ConfigOpts()
        nova.register_opts(conf)
        spec = {'vendor_id': '10de', 'product_id': '2235', **keys}
        conf.set_override('device_spec', [json.dumps(spec)], 'pci')
        one = vfio.VirtualFunction(
            '0000:81:00.4',
            '0000:81:00.0',
            '10de',
            '2235',
            'nvidia',
            'nvidia-558',
        )
        board = vfio.PhysicalFunction('0000:81:00.0', (one,))
        return remarks.of_functions(
            [board], device_spec.device_specs(conf), reported
        )

    def test_functions_as_nova_needs_them(self):
        self.assertEqual(
            (), self.functions(managed='no', live_migratable='yes')
        )
        self.assertEqual((), remarks.of_functions([], [], False))
        # Nova does not use these.
        self.assertEqual((), self.functions(product_id='2236'))
        # These are Neutron's.
        self.assertEqual(
            (), self.functions(reported=False, physical_network='physnet1')
        )

    def test_functions_that_are_not_reported(self):
        (line,) = self.functions(
            reported=False, managed='no', live_migratable='yes'
        )
        self.assertIn('[pci]report_in_placement is off', line)
        self.assertIn('0000:81:00.0', line)

    @ddt.data({}, {'managed': 'yes', 'live_migratable': 'no'})
    def test_functions_that_nova_would_spoil(self, keys):
        managed, migratable = self.functions(**keys)
        self.assertIn('is not managed: no', managed)
        self.assertIn('is not live_migratable: yes', migratable)

    def test_mdevs(self):
        mdevs = [
            mdev('mdev_1', mdev_type='nvidia-557'),
            mdev('mdev_2', active=False),
            mdev('mdev_3', parent='computer', active=False),
            mdev('mdev_4', active=False),
            mdev('mdev_5'),
            mdev('mdev_6', fault='odd'),
        ]
        found = remarks.of_host(
            parents.HostDevices('host1', (), mdevs),
            nova_types.assign([], {}),
            unused(*mdevs),
        )
        self.assertEqual('odd', found[0])
        on_board = '{0} (nvidia-558 on pci_0000_84_00_0)'.format
        expected = {
            'mdev_1 (nvidia-557 on pci_0000_84_00_0)': 'nodedev-destroy',
            f'{on_board("mdev_2")}, {on_board("mdev_4")}': (
                'mediated device not found'
            ),
            'mdev_3 (nvidia-558 on computer)': 'nova-compute may not start',
        }
        for line, (names, word) in zip(
            found[1:], expected.items(), strict=True
        ):
            self.assertIn(f': {names}. ', line)
            self.assertIn(word, line)
            self.assertIn('virsh nodedev-undefine', line)


class OfParentsTest(testtools.TestCase):
    def test_each_reason_once(self):
        parents = [
            samples.parent(name, target_type=None, why_no_type=why)
            for name, why in (('a', 'no'), ('b', 'none'), ('c', 'no'))
        ]
        self.assertEqual(
            ('a, c: no', 'b: none'),
            remarks.of_parents([samples.parent(), *parents]),
        )
