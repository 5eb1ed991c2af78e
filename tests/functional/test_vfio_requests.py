# SPDX-License-Identifier: Apache-2.0
"""Instances with several vGPUs: of both frameworks, and of several aliases."""

import ddt
from nova.conf import devices as nova_devices
from nova.tests.functional.libvirt import test_vgpu

from tests.functional import vfio_base
from tests import hardware

board = vfio_base.board
MdevBoard = hardware.Board
OTHER = {'product': '2236'}
LARGE = 'CUSTOM_A40_12Q'


class BothFrameworksTest(vfio_base.VfioTestCase, test_vgpu.VGPUTestBase):
    """Hosts with mdevs and with virtual functions, of the same type."""

    def setUp(self):
        super().setUp()
        self.flags(enabled_mdev_types=['nvidia-11'], group='devices')
        nova_devices.register_dynamic_opts(test_vgpu.CONF)

    def start_both(self, name, mdev_board=None, function_board=None):
        """Start a host with a board of each framework.

        :param mdev_board: what is unlike hardware.Board
        :param function_board: what is unlike vfio_base.board
        """
        self.start_host(
            name,
            board(0x82, types=('11', '11'), **(function_board or {})),
            mdev_boards=[MdevBoard(0, **(mdev_board or {}))],
        )

    def test_an_instance_with_both(self):
        self.start_both('host1')
        self.start_both('host2', function_board=OTHER)
        self.start_both('host3', mdev_board=OTHER)
        self.start_both('host4')
        server = self.boot(
            'host1',
            self._create_flavor(
                extra_spec={
                    'resources:VGPU': '1',
                    'pci_passthrough:alias': 'a40-8q:1',
                }
            ),
        )

        self.assertEqual('host4', self.migrate(server))

        self.assertEqual(['host4'], self.checked)
        # What is published, the migration's allocation, and for each
        # framework who accepts and the source's identity.
        self.assertEqual(6, len(self.requests), self.requests)
        self.assert_no_valid_host(server, 'host2')
        self.assertEqual('host1', self.migrate(server))

    def test_an_instance_with_one_of_them(self):
        """The other framework's board does not count."""
        self.start_both('host1')
        self.start_both('host2', function_board=OTHER)
        self.start_both('host3', mdev_board=OTHER)
        of_mdev = self._create_flavor(extra_spec={'resources:VGPU': '1'})
        for flavor, host in ((of_mdev, 'host2'), (self.flavor, 'host3')):
            server = self.boot('host1', flavor)
            self.assertEqual(host, self.migrate(server))
            self.assertEqual([host], self.checked)


class SeveralAliasesTest(vfio_base.VfioTestCase):
    PCI_DEVICE_SPEC = [
        vfio_base.spec(),
        vfio_base.spec(
            address={**vfio_base.FUNCTIONS, 'bus': '9[0-9]'},
            resource_class=LARGE,
        ),
    ]
    PCI_ALIAS = [
        vfio_base.alias(),
        vfio_base.alias(name='a40-12q', resource_class=LARGE),
        vfio_base.alias(
            name='unmarked', resource_class=LARGE, live_migratable=None
        ),
    ]

    def start_two(self, name, small=None, large=None):
        """Start a host with a board of each class."""
        self.start_host(
            name,
            board(0x81, **(small or {})),
            board(0x91, types=('559', '559'), **(large or {})),
        )

    def test_all_must_be_accepted(self):
        self.start_two('host1')
        self.start_two('host2', small=OTHER)
        self.start_two('host3', large=OTHER)
        self.start_two('host4')
        server = self.boot('host1', self.flavor_for('a40-8q:1,a40-12q:1'))
        self.assertEqual('host4', self.migrate(server))
        self.assertEqual(['host4'], self.checked)
        self.assertEqual(6, len(self.requests), self.requests)
        self.assertEqual(
            ['0000:81:', '0000:91:'],
            sorted(address[:8] for address in self.functions_of(server)),
        )

    def test_one_is_not_migratable(self):
        self.start_two('host1')
        self.start_two('host2')
        server = self.boot('host1', self.flavor_for('a40-8q:1,unmarked:1'))
        self.assert_no_valid_host(server)
        self.assertEqual([], self.checked)
        self.assertIn(
            '[pci]alias unmarked was not live_migratable',
            self.stdlog.logger.output,
        )


class SeveralAliasesReportingOnlyTest(SeveralAliasesTest):
    """Without pci_in_placement, Nova takes any function that fits."""

    IN_PLACEMENT = False

    def test_all_must_be_accepted(self):
        """By each board, and no board accepts two types."""
        self.start_two('host1')
        self.start_two('host2')
        server = self.boot('host1', self.flavor_for('a40-8q:1,a40-12q:1'))
        self.assert_no_valid_host(server)
        self.assertEqual([], self.checked)


class TwoOfOneAliasTest(vfio_base.VfioTestCase):
    """Requests do not grow with functions or hosts."""

    def migrate_two(self, hosts, source, requests):
        flavor = self.flavor_for('a40-8q:2')
        self.start_host('host1', *source)
        for number in range(2, hosts + 1):
            self.start_host(f'host{number}', board(), board(0x82))
        server = self.boot('host1', flavor)
        self.assertNotEqual('host1', self.migrate(server))
        self.assertEqual(1, len(self.checked))
        self.assertEqual(requests, len(self.requests), self.requests)

    def test_two_hosts(self):
        self.migrate_two(2, [board()], 4)

    def test_five_hosts(self):
        self.migrate_two(5, [board()], 4)

    def test_from_two_boards(self):
        # Each source is asked what it is.
        self.migrate_two(
            5, [board(types=('558',)), board(0x82, types=('558',))], 5
        )


@ddt.ddt
class PoliciesTest(vfio_base.VfioTestCase):
    """A host that has not published."""

    @ddt.data(
        ('enforcing', 'reject', False),
        ('enforcing', 'allow', True),
        ('permissive', 'reject', True),
        ('permissive', 'allow', True),
    )
    @ddt.unpack
    def test_target(self, mode, unknown, passes):
        self.flags(mode=mode, unknown=unknown, group='mdev_compat')
        self.start_host('host1', board())
        self.start_host('host2', board(), collect=False)
        server = self.boot('host1')
        if passes:
            self.assertEqual('host2', self.migrate(server))
        else:
            self.assert_no_valid_host(server)
            self.assertEqual([], self.checked)

    def test_source(self):
        self.start_host('host1', board(), collect=False)
        self.start_host('host2', board())
        server = self.boot('host1')
        self.assert_no_valid_host(server)
        self.flags(unknown='allow', group='mdev_compat')
        self.assertEqual('host2', self.migrate(server))


class PoliciesReportingOnlyTest(PoliciesTest):
    """Without pci_in_placement."""

    IN_PLACEMENT = False


class OtherMovesTest(vfio_base.VfioTestCase):
    """Moves of instances that do not run: nothing is asked."""

    def setUp(self):
        super().setUp()
        self.start_host('host1', board())
        # It would refuse, so that an answer would show.
        self.start_host('host2', board(types=('559', '559')))
        self.server = self.boot('host1')

    def test_evacuation(self):
        self.computes['host1'].stop()
        (service,) = self.admin_api.get_services(
            host='host1', binary='nova-compute'
        )
        self.admin_api.put_service(service['id'], {'forced_down': True})
        self._evacuate_server(self.server, expected_host='host2')
        self.assertEqual([], self.requests)

    def test_unshelve(self):
        self.flags(shelved_offload_time=0)
        self._shelve_server(self.server, expected_state='SHELVED_OFFLOADED')
        (service,) = self.admin_api.get_services(
            host='host1', binary='nova-compute'
        )
        self.admin_api.put_service(service['id'], {'status': 'disabled'})
        self._unshelve_server(self.server)
        self.assertEqual('host2', self.host_of(self.server))
        self.assertEqual([], self.requests)
