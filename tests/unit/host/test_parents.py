# SPDX-License-Identifier: Apache-2.0

import dataclasses

import ddt
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.host import libvirt_xml
from nova_mdev_compat.host import nova_types
from nova_mdev_compat.host import parents
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import loader
from tests.unit import samples

LAB = ('labgpu-1', 'labgpu-2')
UUID1 = '11111111-1111-4111-8111-111111111111'
UUID2 = '22222222-2222-4222-8222-222222222222'


def device(name, /, **changes):
    return dataclasses.replace(
        libvirt_xml.parse_parent(name, samples.capture(f'parent-{name}.xml')),
        **changes,
    )


def mdev(name, uuid, **more):
    return parents.Mdev(uuid, name, 'pci_0000_01_00_0', **more)


def build(
    *found,
    enabled=('labgpu-1',),
    addresses=None,
    mdevs=(),
    used=(),
    facts=None,
    unknown=None,
    subsystem='mtty',
):
    types = nova_types.assign(enabled, addresses or {})
    return parents.build(
        found,
        mdevs,
        frozenset(used),
        types,
        {
            item.name: parents.parent_id(item, lambda _: subsystem)
            for item in found
        },
        {
            item.name: identity.Facts(
                (facts or {}).get(item.name, {}), unknown or {}
            )
            for item in found
        },
    )


@ddt.ddt
class BuildTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.first = device('pci_0000_01_00_0')
        self.third = device('pci_0000_03_00_0')
        self.mtty = device('mtty_mtty')

    def test_all_of_a_host(self):
        found = build(
            self.third,
            self.first,
            self.mtty,
            enabled=['labgpu-1', 'mtty-2'],
            addresses={'mtty-2': ['mtty_mtty']},
            facts={'pci_0000_01_00_0': {'driver': '1.0'}},
        )
        mtty = ('mtty-1', 'mtty-2')
        self.assertEqual(
            [
                ('mtty_mtty', 'MTTY', mtty, 'mtty-2', {}),
                (
                    *('pci_0000_01_00_0', '1234_11E8', LAB, 'labgpu-1'),
                    {'driver': '1.0'},
                ),
                ('pci_0000_03_00_0', '1B36_0005', LAB, 'labgpu-1', {}),
            ],
            [
                (
                    *(parent.name, parent.parent_id, parent.offered),
                    *(parent.target_type, parent.facts),
                )
                for parent in found
            ],
        )
        for parent in found:
            self.assertEqual('vfio-pci', parent.device_api)
            self.assertEqual(
                (frozenset(), {}), (parent.in_use, parent.unknown)
            )

    @ddt.data(
        (['labgpu-1'], {}, 'labgpu-1'),
        (['labgpu-1'], {'labgpu-1': ['0000:03:00.0']}, None),
        (['labgpu-2', 'labgpu-1'], {'labgpu-1': ['0000:01:00.0']}, 'labgpu-1'),
        # The device does not offer it.
        (['nvidia-558'], {}, None),
        ([], {}, None),
    )
    @ddt.unpack
    def test_target_type(self, enabled, addresses, expected):
        (found,) = build(self.first, enabled=enabled, addresses=addresses)
        self.assertEqual(expected, found.target_type)
        self.assertEqual(expected is None, bool(found.why_no_type))

    def test_why_there_is_no_type(self):
        (found,) = build(self.first, enabled=['labgpu-1x'])
        self.assertEqual(
            'Nova uses no mdev type that this device offers; nova.conf gives it '
            'labgpu-1x, which it does not offer; enabled: labgpu-1x; offered: '
            'labgpu-1, labgpu-2',
            found.why_no_type,
        )

    def test_target(self):
        facts = {'driver': '1.0'}
        (found,) = build(
            self.first,
            facts={'pci_0000_01_00_0': facts},
            unknown={'ecc': '???'},
        )
        self.assertEqual({'ecc': '???'}, found.unknown)
        self.assertEqual(
            identity.Identity.of('1234_11E8', 'labgpu-1', facts),
            found.target(),
        )
        (found,) = build(self.first, enabled=[])
        self.assertIsNone(found.target())

    def test_the_device_api_is_that_of_the_target_type(self):
        types = {'labgpu-1': 'vfio-ccw', 'labgpu-2': 'vfio-pci'}
        some = dataclasses.replace(self.first, types=types)
        apis = [
            build(some, enabled=[name])[0].device_api
            for name in ('labgpu-1', 'labgpu-2', 'other')
        ]
        self.assertEqual(['vfio-ccw', 'vfio-pci', 'vfio-pci'], apis)

    @ddt.data(
        # mdevs, used, expected
        ((), (), set()),
        # Nova never deletes mdevs, so unused ones are ignored.
        ((mdev('labgpu-2', UUID1),), (), set()),
        ((mdev('labgpu-2', UUID1),), (UUID2,), set()),
        (
            (mdev('labgpu-2', UUID1), mdev('labgpu-2', UUID2)),
            (UUID1, UUID2),
            {'labgpu-2'},
        ),
        # The type that Nova uses is not another type.
        ((mdev('labgpu-1', UUID1),), (UUID1,), set()),
        ((parents.Mdev(UUID1, 'labgpu-2', 'computer'),), (UUID1,), set()),
        # One that is only defined is not what the domain has.
        ((mdev('labgpu-2', UUID1, active=False),), (UUID1,), set()),
        # Its UUID is active on another parent.
        (
            (
                mdev('labgpu-2', UUID1, active=False),
                parents.Mdev(UUID1, 'labgpu-1', 'pci_0000_03_00_0'),
            ),
            (UUID1,),
            set(),
        ),
    )
    @ddt.unpack
    def test_types_still_in_use(self, mdevs, used, expected):
        found = build(self.first, self.third, mdevs=mdevs, used=used)
        self.assertEqual([expected, set()], [item.in_use for item in found])

    @ddt.data(
        # Nobody but the domain has the UUID; the type is not known.
        ([mdev('', UUID1, fault='odd')], [UUID1], [None, 'labgpu-1']),
        # Nor is the UUID; but some mdev of the domain is not found.
        ([mdev('', '', fault='odd')], [UUID1], [None, 'labgpu-1']),
        # Its parent is not known, either.
        ([parents.Mdev(UUID1, '', '', fault='odd')], [UUID1], [None, None]),
        # No domain can have it: all that they have is known.
        ([mdev('', UUID2, fault='odd')], [UUID1], ['labgpu-1'] * 2),
        (
            [mdev('', '', fault='odd'), mdev('labgpu-1', UUID1)],
            [UUID1],
            ['labgpu-1'] * 2,
        ),
        ([mdev('', UUID1, fault='odd')], [], ['labgpu-1'] * 2),
        # What is only defined is in nobody's use.
        (
            [mdev('', UUID1, fault='odd', active=False)],
            [UUID1],
            ['labgpu-1'] * 2,
        ),
    )
    @ddt.unpack
    def test_an_mdev_with_a_fault(self, mdevs, used, expected):
        """Nothing is published that may be wrong."""
        found = build(self.first, self.third, mdevs=mdevs, used=used)
        self.assertEqual(expected, [item.target_type for item in found])
        self.assertEqual([set(), set()], [item.in_use for item in found])
        for item in found:
            if item.target_type is None:
                self.assertEqual(
                    'a running domain may have an mdev of it that libvirt '
                    'does not describe: odd',
                    item.why_no_type,
                )

    def test_a_type_in_use_that_the_device_does_not_offer_any_more(self):
        gone = device('pci_0000_01_00_0', types={}, driver=None)
        (found,) = build(gone, mdevs=[mdev('labgpu-1', UUID1)], used=[UUID1])
        self.assertIsNone(found.target_type)
        self.assertEqual({'labgpu-1'}, found.in_use)

    def test_many(self):
        devices = [
            device(
                'pci_0000_01_00_0',
                name=f'pci_{number}',
                address=f'0000:01:{number // 8:02x}.{number % 8}',
            )
            for number in range(256)
        ]
        found = build(*devices)
        self.assertEqual(
            sorted(item.name for item in devices),
            [item.name for item in found],
        )
        rules = loader.load([str(samples.SHIPPED_RULES)])
        host = host_traits.build_host_traits(
            host_traits.describe(parent, rules) for parent in found
        )
        self.assertEqual(256, len(host.parents))
        self.assertEqual(1, len(set(host.parents.values())))
        self.assertFalse(host.mixed)


@ddt.ddt
class RefusedTest(testtools.TestCase):
    @ddt.data(
        (None, 'it has neither PCI ids nor a subsystem in sysfs'),
        ('dead_beef', "subsystem 'dead_beef' cannot be told from a PCI id"),
    )
    @ddt.unpack
    def test_subsystem(self, subsystem, why):
        exc = self.assertRaises(
            parents.DeviceError,
            build,
            device('mtty_mtty'),
            subsystem=subsystem,
        )
        self.assertIn(f'node device mtty_mtty: {why}', str(exc))


@ddt.ddt
class CollisionTest(testtools.TestCase):
    """Names that no trait can carry affect only their devices."""

    def collisions(self, *found, **how):
        return {
            name: str(exc)
            for name, exc in parents.collisions(build(*found, **how)).items()
        }

    def test_none(self):
        self.assertEqual(
            {},
            self.collisions(
                device('pci_0000_01_00_0'), device('pci_0000_03_00_0')
            ),
        )

    def test_two_types_that_are_one_in_a_trait(self):
        one = device('pci_0000_01_00_0', types={'gpu-1': 'vfio-pci'})
        other = device('pci_0000_03_00_0', types={'GPU_1': 'vfio-pci'})
        expected = (
            "node device pci_0000_03_00_0: mdev type 'GPU_1' and mdev type "
            "'gpu-1' of node device pci_0000_01_00_0 are both GPU_1 in a "
            'trait'
        )
        self.assertEqual(
            {one.name: expected, other.name: expected},
            self.collisions(
                one,
                other,
                device('pci_0000_02_00_0'),
                enabled=['gpu-1', 'GPU_1', 'labgpu-1'],
                addresses={
                    'GPU_1': ['0000:03:00.0'],
                    'labgpu-1': ['0000:02:00.0'],
                },
            ),
        )

    def test_a_type_in_use_counts_too(self):
        found = self.collisions(
            device('pci_0000_01_00_0'),
            mdevs=[mdev('LABGPU_1', UUID1)],
            used=[UUID1],
        )
        self.assertIn(
            "'labgpu-1' and mdev type 'LABGPU_1'", found['pci_0000_01_00_0']
        )

    def test_types_that_nobody_uses_may_coincide(self):
        some = device(
            'pci_0000_01_00_0',
            types={'gpu-1': 'vfio-pci', 'GPU_1': 'vfio-pci'},
        )
        (found,) = build(some, enabled=['gpu-1'])
        self.assertEqual('gpu-1', found.target_type)
        self.assertEqual({}, parents.collisions([found]))

    def test_two_fact_values_that_are_one_in_a_trait(self):
        found = self.collisions(
            device('pci_0000_01_00_0'),
            device('pci_0000_03_00_0'),
            facts={
                'pci_0000_01_00_0': {'os': 'x-1'},
                'pci_0000_03_00_0': {'os': 'x_1'},
            },
        )
        self.assertIn(
            "node device pci_0000_03_00_0: fact os 'x_1' and fact os 'x-1' "
            'of node device pci_0000_01_00_0 are both X_1',
            found['pci_0000_01_00_0'],
        )

    @ddt.data(
        ({'facts': {'pci_0000_01_00_0': {'ecc': '?'}}}, "fact ecc: '?'"),
        ({'mdevs': [mdev('--', UUID1)], 'used': [UUID1]}, "mdev type: '--'"),
    )
    @ddt.unpack
    def test_a_name_that_no_trait_carries(self, how, expected):
        self.assertEqual(
            {
                'pci_0000_01_00_0': 'node device pci_0000_01_00_0: '
                f'{expected} has no letter or digit that a trait could carry'
            },
            self.collisions(device('pci_0000_01_00_0'), **how),
        )
