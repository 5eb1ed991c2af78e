# SPDX-License-Identifier: Apache-2.0
"""vGPUs without mdev: live migrations of virtual functions, with real Nova."""

from nova_mdev_compat.cmd import collector
from nova_mdev_compat.core import traits
from tests.functional import base
from tests.functional import differences
from tests.functional import vfio_base

board = vfio_base.board


class PciInPlacementTest(vfio_base.VfioTestCase):
    def setUp(self):
        super().setUp()
        self.write_rules(base.UPGRADE_RULES)

    def test_only_one_host_accepts(self):
        self.start_host('host1', board())
        self.start_host('host2', board(version='535.54.03'))
        self.start_host('host3', board())
        self.start_host('host4', board(types=('559', '559')))
        server = self.boot('host1')

        self.assertEqual('host3', self.migrate(server))

        self.assertEqual(['host3'], self.checked)
        # What is published, who accepts, the migration's allocation and the
        # source's identity.
        self.assertEqual(4, len(self.requests), self.requests)

    def test_direction_of_drivers(self):
        self.start_host('host1', board(version='535.54.03'))
        self.start_host('host2', board(version='550.54.14'))
        server = self.boot('host1')
        self.assertEqual('host2', self.migrate(server))
        self.assert_no_valid_host(server)
        self.assertEqual([], self.checked)

    def test_one_of_two_boards_accepts(self):
        other = {'product': '2236'}
        self.start_host('host1', board())
        self.start_host('host2', board(0x81, **other), board(0x82))
        self.start_host('host3', board(0x81), board(0x82, **other))
        server = self.boot('host1')
        for host, board_address in (
            ('host2', '0000:82:'),
            ('host3', '0000:81:'),
        ):
            self.assertEqual(host, self.migrate(server, host))
            (address,) = self.functions_of(server)
            self.assertEqual(board_address, address[: len(board_address)])

    def test_types_are_gone_after_a_reboot(self):
        self.start_host('host1', board())
        self.start_host('host2', board())
        server = self.boot('host1')
        self.set_types('host2', '0', '0')
        self.collect('host2')
        self.assert_no_valid_host(server)

        self.set_types('host2', '558', '0')
        self.collect('host2')
        self.assert_no_valid_host(server)

        self.set_types('host2', '558', '558')
        self.collect('host2')
        self.assertEqual('host2', self.migrate(server))

    def test_an_instance_leaves_a_board_that_accepts_nothing(self):
        self.start_host('host1', board())
        self.start_host('host2', board())
        server = self.boot('host1')
        self.set_types('host1', '558', '0')
        self.collect('host1')
        self.assertEqual('host2', self.migrate(server))

    def test_two_functions_of_one_alias(self):
        self.start_host('host1', board())
        self.start_host('host2', board(), board(0x82, product='2236'))
        server = self.boot('host1', self.flavor_for('a40-8q:2'))
        self.assertEqual('host2', self.migrate(server))
        self.assertEqual(
            ['0000:81:00.1', '0000:81:00.2'],
            sorted(self.functions_of(server)),
        )
        self.assertEqual('host1', self.migrate(server))

    def test_periodic_tasks_of_nova_leave_our_traits(self):
        self.start_host('host1', board())
        uuid = self.provider('host1', '0000:81:00.0')
        before = self.our_traits(uuid)
        self.assertIn(traits.SCHEMA, before)
        manager = self.computes['host1'].manager
        # As if the provider tree had not been refreshed for long.
        manager.rt.reportclient.clear_provider_cache()
        self._run_periodics()
        self.assertEqual(before, self.our_traits(uuid))

    def test_providers_are_deleted_and_made_anew(self):
        self.start_host('host1', board())
        self.start_host('host2', board())
        server = self.boot('host1')
        ours = self.provider('host2', '0000:81:00.0')
        nova = self._get_provider_uuid_by_name('host2_0000:81:00.0')
        for uuid in (ours, nova):
            self.assertEqual(
                204,
                self.placement.delete(f'/resource_providers/{uuid}').status,
            )
        self.assert_no_valid_host(server)

        self.computes['host2'].manager.rt.reportclient.clear_provider_cache()
        self._run_periodics()
        self.collect('host2')

        self.assertNotEqual(ours, self.provider('host2', '0000:81:00.0'))
        self.assertEqual('host2', self.migrate(server))

    def test_withdraw_leaves_nothing(self):
        self.start_host('host1', board())
        conf = collector.COMMAND.new_config()
        path = self.directory / 'host1/collector.conf'
        conf(['--config-file', str(path), 'withdraw'])
        self.assertEqual(0, collector.COMMAND.run(conf))

        self.assertIsNone(self.provider('host1', '0000:81:00.0'))
        for item in self._get_all_providers():
            self.assertEqual(set(), self.our_traits(item['uuid']))

    def test_all_but_live_migrations(self):
        self.start_host('host1', board())
        # It would refuse, so that an answer would show.
        self.start_host('host2', board(types=('559', '559')))
        self.forget()
        server = self._create_server(
            image_uuid=base.IMAGE,
            flavor_id=self.flavor,
            networks='none',
            host='host1',
        )
        self.assertEqual(([], []), (self.requests, self.lookups))
        self._resize_server(
            server, self.flavor_for('a40-8q:1', memory_mb=4096)
        )
        self._revert_resize(server)
        self._migrate_server(server)
        self._confirm_resize(server)
        self.assertEqual('host2', self.host_of(server))
        self.assertEqual([], self.requests)
        # Once for each move, which may be a live migration until then.
        self.assertEqual(2, len(self.lookups))


class AliasTest(vfio_base.VfioTestCase):
    """An alias without live_migratable: Nova tries each host."""

    ANY_NOVA = True
    # Nova before 31 has no such field.
    PCI_DEVICE_SPEC = [vfio_base.spec(live_migratable=None, managed=None)]
    PCI_ALIAS = [vfio_base.alias(live_migratable=None)]

    def test_refused_at_once(self):
        for number in range(1, 4):
            self.start_host(f'host{number}', board())
        server = self.boot('host1')
        if differences.here('no-device-migration'):
            # It is not the filter that refuses.
            self.live_migrate(server, 'error')
            self.assertEqual(([], []), (self.requests, self.lookups))
        else:
            self.assert_no_valid_host(server)
            self.assertIn(
                '[pci]alias a40-8q was not live_migratable',
                self.stdlog.logger.output,
            )
        self.assertEqual([], self.checked)


class WholeDeviceTest(vfio_base.VfioTestCase):
    """Plain passthrough costs nothing, neither request nor database."""

    PCI_ALIAS = [vfio_base.alias(device_type='type-PCI', live_migratable=None)]
    PLAIN = (0x85,)

    def test_nothing_is_asked(self):
        self.start_host('host1')
        self.start_host('host2')
        server = self.boot('host1')
        self.live_migrate(server, 'error')
        self.assertEqual(([], []), (self.requests, self.lookups))


class ReportingOnlyTest(vfio_base.VfioTestCase):
    """Without pci_in_placement candidates name no PCI device.

    Only device_spec has the class then: in an alias, it would need the option.
    """

    IN_PLACEMENT = False
    PCI_ALIAS = [vfio_base.alias(resource_class=None)]

    def test_all_boards_of_a_host_must_accept(self):
        self.start_host('host1', board())
        self.start_host('host2', board(), board(0x82, product='2236'))
        self.start_host('host3', board(), board(0x82))
        server = self.boot('host1')
        self.assertEqual('host3', self.migrate(server))
        self.assertEqual(['host3'], self.checked)


class NotReportedTest(vfio_base.VfioTestCase):
    REPORT, IN_PLACEMENT = False, False

    def test_unknown_and_why(self):
        self.start_host('host1', board())
        self.start_host('host2', board())
        server = self.boot('host1')
        self.assert_no_valid_host(server)
        log = self.stdlog.logger.output
        self.assertIn('set [pci]report_in_placement', log)
        self.assertIn('[filter_scheduler]pci_in_placement', log)
        self.flags(unknown='allow', group='mdev_compat')
        self.assertEqual('host2', self.migrate(server))
