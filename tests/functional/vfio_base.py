# SPDX-License-Identifier: Apache-2.0
"""A cloud whose vGPUs are virtual functions: PCI devices to Nova.

As base.py, with Nova's own fixtures of PCI devices. Mocked is what no machine
that runs the tests has: the devices, as a tree that looks like sysfs for the
collector, and as Nova's fake of libvirt for nova-compute.
"""

import contextlib
import json
import textwrap

import fixtures
from nova.tests.functional.api import client
from nova.tests.functional.libvirt import test_pci_sriov_servers
from nova.virt.libvirt import driver
from oslo_utils import versionutils

from tests.functional import base
from tests.functional import differences
from tests.functional import fakehost
from tests import vfio_tree

#: The first that migrate devices; nova-compute checks them when it starts.
LIBVIRT = versionutils.convert_version_to_int((10, 0, 0))
QEMU = versionutils.convert_version_to_int((8, 2, 2))
CLASS = 'CUSTOM_A40_8Q'
#: In nova.conf of a host that has mdevs, too.
MDEVS = '[devices]\nenabled_mdev_types = nvidia-11\n'
#: Of the virtual functions. Physical ones have the same ids.
FUNCTIONS = {'bus': '8[0-9]', 'slot': '00', 'function': '[1-7]'}


def spec(**changes):
    """Return an entry of [pci]device_spec."""
    return _json(
        {
            'address': FUNCTIONS,
            'vendor_id': '10de',
            'live_migratable': 'yes',
            'managed': 'no',
            'resource_class': CLASS,
        },
        changes,
    )


def alias(**changes):
    """Return a [pci]alias; None takes a field away.

    Its ids are what Nova compares without Placement.
    """
    return _json(
        {
            'name': 'a40-8q',
            'vendor_id': '10de',
            'product_id': '2235',
            'device_type': 'type-VF',
            'resource_class': CLASS,
            'live_migratable': 'yes',
        },
        changes,
    )


def _json(values, changes):
    return json.dumps(
        {
            key: value
            for key, value in {**values, **changes}.items()
            if value is not None
        }
    )


def board(bus=0x81, **kwargs):
    """Return a board as Nova's fake numbers its functions, from 1 on."""
    return vfio_tree.VfioBoard(bus, first=1, **kwargs)


def pci_info(boards, mdev_boards=(), plain=()):
    """Return boards as Nova's fake libvirt shows them.

    :param plain: buses of devices without functions
    """
    info = fakehost.pci_info(mdev_boards)
    group = 60
    for bus in plain:
        group += 1
        info.add_device(
            dev_type='PCI',
            bus=bus,
            slot=0,
            function=1,
            iommu_group=group,
            numa_node=0,
            vend_id='10de',
            prod_id='2235',
        )
    for one in boards:
        functions = one.functions()
        for function, address in enumerate([one.address, *functions]):
            group += 1
            info.add_device(
                dev_type='VF' if function else 'PF',
                bus=one.bus,
                slot=0,
                function=int(address[-1]),
                iommu_group=group,
                numa_node=0,
                vf_ratio=len(functions),
                vend_id=one.vendor,
                prod_id=one.product,
                parent=(one.bus, 0, 0) if function else None,
            )
    return info


class VfioTestCase(
    base.MigrationMixin,
    test_pci_sriov_servers._PCIServersWithMigrationTestBase,
):
    """Starts hosts, lets collectors publish, moves instances.

    A class of tests has none where Nova migrates no such devices.
    """

    #: The tests of a class are also for a Nova that migrates no such devices.
    ANY_NOVA = False
    ADMIN_API = True
    microversion = 'latest'
    NETWORKS = 'none'
    PCI_DEVICE_SPEC = [spec()]
    PCI_ALIAS = [alias()]
    REPORT, IN_PLACEMENT = True, True
    #: Buses of devices without functions, on each host.
    PLAIN = ()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if not cls.ANY_NOVA:
            differences.leave_out('no-device-migration')(cls)

    def setUp(self):
        # The API checks aliases when it starts.
        self.flags(report_in_placement=self.REPORT, group='pci')
        self.flags(
            pci_in_placement=self.IN_PLACEMENT, group='filter_scheduler'
        )
        super().setUp()
        # As Nova's own tests of moves do: its fake libvirt makes no disk.
        self.useFixture(
            fixtures.MockPatchObject(
                driver.LibvirtDriver,
                'migrate_disk_and_power_off',
                return_value='{}',
            )
        )
        self.boards = {}
        self.mdev_boards = {}
        self.flavor = self.flavor_for('a40-8q:1')

    def flavor_for(self, aliases, **kwargs):
        return self._create_flavor(
            extra_spec={'pci_passthrough:alias': aliases}, **kwargs
        )

    def start_host(self, name, *boards, mdev_boards=(), collect=True):
        """Start nova-compute on a host with boards, and its collector.

        :param mdev_boards: those with mdevs, hardware.Board
        """
        self.boards[name] = boards
        self.mdev_boards[name] = mdev_boards
        self.start_compute(
            hostname=name,
            libvirt_version=LIBVIRT,
            qemu_version=QEMU,
            pci_info=pci_info(boards, mdev_boards, self.PLAIN),
        )
        self.sysfs(name).mkdir(parents=True)
        vfio_tree.write(self.sysfs(name), *boards)
        if collect:
            self.collect(name)

    def live_migrate(self, server, status):
        """Live-migrate an instance and wait for the migration's status."""
        with contextlib.suppress(client.OpenStackApiException):
            self.api.post_server_action(
                server['id'],
                {'os-migrateLive': {'host': None, 'block_migration': 'auto'}},
            )
        self._wait_for_migration_status(server, [status])

    def sysfs(self, name):
        return self.directory / name / 'sys'

    def set_types(self, name, *types):
        """Write the types of the functions of a host's first board."""
        addresses = self.boards[name][0].functions()
        for address, vgpu_type in zip(addresses, types, strict=True):
            vfio_tree.set_type(self.sysfs(name), address, vgpu_type)

    def collect(self, name):
        """Run the collector once, as on that host."""
        specs = ''.join(
            f'device_spec = {one}\n' for one in self.PCI_DEVICE_SPEC
        )
        self.run_collector(
            name,
            textwrap.dedent(f"""\
                [pci]
                report_in_placement = {self.REPORT}
                """)
            + specs
            + (MDEVS if self.mdev_boards[name] else ''),
            self.mdev_boards[name],
        )

    def provider(self, host, address):
        """Return the UUID of our provider of a physical function, or None."""
        return next(
            (
                item['uuid']
                for item in self._get_all_providers()
                if item['name'] == f'{host}_{address.upper()}_mdev_compat'
            ),
            None,
        )

    def functions_of(self, server):
        """Return the addresses of the functions that an instance has."""
        host = self.computes[self.host_of(server)].driver._host
        xml = host.get_connection().lookupByUUIDString(server['id']).XMLDesc(0)
        return vfio_tree.hostdevs(xml)
