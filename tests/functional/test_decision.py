# SPDX-License-Identifier: Apache-2.0
"""Where a live migration goes."""

from tests.functional import base
from tests import hardware

Board = hardware.Board


class DecisionTest(base.MdevCompatTestCase):
    def test_only_accepting_host(self):
        """Of several hosts one accepts, and no other is even checked."""
        self.start_host('src', Board(0))
        self.start_host('other-product', Board(0, product='2236'))
        self.start_host('other-vendor', Board(0, vendor='1002'))
        self.start_host('good', Board(0))
        server = self.boot('src')

        self.assertEqual('good', self.migrate(server))
        self.assertEqual(['good'], self.checked)
        self.assertLessEqual(len(self.requests), 4, self.requests)
        self.assertEqual([server['id']], self.lookups)
        self.assertIn('1 of 3 hosts accept it', self.stdlog.logger.output)

    def test_host_names(self):
        """Capitals, underscores and dots, as Placement and Nova have them."""
        names = ['GPU_Node-01.Example.ORG', 'GPU_Node-02.Example.ORG']
        for name in names:
            self.start_host(name, Board(0))
        server = self.boot(names[0])

        self.assertEqual(names[1], self.migrate(server))
        self.assertIn('1 of 1 hosts accept it', self.stdlog.logger.output)

    def test_direction_of_driver_versions(self):
        """The same board: old to new is allowed, new to old refused."""
        self.write_rules(base.UPGRADE_RULES)
        self.start_host('old', Board(0, driver='535.54.03'))
        self.start_host('new', Board(0, driver='550.54.14'))
        server = self.boot('old')

        self.assertEqual('new', self.migrate(server))
        self.assert_no_valid_host(server)
        self.assertEqual([], self.checked)
        self.assertIn(
            'driver 550.54.14 is not at most 535.54.03',
            self.stdlog.logger.output,
        )

    def test_rules_differ_by_host(self):
        """Each host's rules answer for that host alone."""
        self.write_rules(base.UPGRADE_RULES)
        self.write_rules(
            base.UPGRADE_RULES.replace('"535"', '"545"'), host='picky'
        )
        self.start_host('src', Board(0, driver='535.54.03'))
        self.start_host('picky', Board(0))
        self.start_host('easy', Board(0))
        server = self.boot('src')

        self.assertEqual('easy', self.migrate(server))
        self.assertEqual(['easy'], self.checked)

    def test_two_boards_one_compatible(self):
        """The allocation lands on the board that accepts.

        Both orders, since Placement may put either board's candidate first.
        """
        self.start_host('src', Board(0))
        self.start_host('low', Board(0), Board(1, product='2236'))
        self.start_host('high', Board(0, product='2236'), Board(1))
        server = self.boot('src')

        self.migrate(server, host='low')
        self.assertEqual({'low_pci_0000_81_00_0': 1}, self.devices_of(server))
        self.migrate(server, host='high')
        self.assertEqual({'high_pci_0000_81_01_0': 1}, self.devices_of(server))
        self.assertLessEqual(len(self.requests), 4, self.requests)

    def test_requests_do_not_grow_with_hosts(self):
        """Four requests, of which none is for a single host, mixed or not."""
        self.start_host('src', Board(0))
        for number in range(4):
            self.start_host(
                f'mixed-{number}', Board(0), Board(1, product='2236')
            )
        server = self.boot('src')

        self.migrate(server)
        self.assertEqual(4, len(self.requests), self.requests)

    def test_incompatible_requested_host(self):
        """--host to an incompatible host is the usual 'no valid host'."""
        self.start_host('src', Board(0))
        self.start_host('bad', Board(0, product='2236'))
        self.start_host('good', Board(0))
        server = self.boot('src')

        self.assert_no_valid_host(server, host='bad')
        self.assertEqual([], self.checked)
        self.assertEqual('good', self.migrate(server, host='good'))

    def test_next_host_after_failed_check(self):
        """The accepted host that fails Nova's own check is left out."""
        self.flags(
            skip_hypervisor_version_check_on_lm=True, group='workarounds'
        )
        # The host that fails comes first: an old hypervisor weighs most.
        self.flags(
            hypervisor_version_weight_multiplier=-1000,
            group='filter_scheduler',
        )
        self.start_host('src', Board(0))
        self.FAKE_QEMU_VERSION = 8000000  # too old for mdevs, says Nova
        self.start_host('outdated', Board(0))
        self.FAKE_QEMU_VERSION = type(self).FAKE_QEMU_VERSION
        self.start_host('bad', Board(0, product='2236'))
        self.start_host('good', Board(0))
        server = self.boot('src')

        self.assertEqual('good', self.migrate(server))
        self.assertEqual(['outdated', 'good'], self.checked)


class WithoutFilterTest(base.MdevCompatTestCase):
    WITH_FILTER = False

    def test_nova_alone_takes_another_board(self):
        """What this project is for: Nova migrates to another board."""
        self.start_host('src', Board(0))
        self.start_host('bad', Board(0, product='2236'))
        server = self.boot('src')

        self.assertEqual('bad', self.migrate(server))
        self.assertEqual(['bad'], self.checked)


class GhostTest(base.MdevCompatTestCase):
    def test_ghost_beside_an_accepting_parent(self):
        """A parent that is gone keeps its inventory, and is not chosen."""
        self.start_host('src', Board(0))
        self.start_host('target', Board(0), Board(1))
        self.lose_types('target', slot=0)
        server = self.boot('src')

        self.assertEqual('target', self.migrate(server))
        self.assertEqual(
            {'target_pci_0000_81_01_0': 1}, self.devices_of(server)
        )

    def test_ghost_on_another_host(self):
        self.start_host('src', Board(0))
        self.start_host('ghost', Board(0))
        self.start_host('good', Board(0))
        self.lose_types('ghost', slot=0)
        server = self.boot('src')

        self.assertEqual('good', self.migrate(server))
        self.assertEqual(['good'], self.checked)

    def test_only_a_ghost(self):
        self.start_host('src', Board(0))
        self.start_host('ghost', Board(0))
        self.lose_types('ghost', slot=0)
        server = self.boot('src')

        self.assert_no_valid_host(server)
        self.assertEqual([], self.checked)

    def test_ghost_that_no_collector_ever_saw(self):
        """It was gone before the collector came."""
        self.start_host('src', Board(0))
        self.start_host('target', Board(0), Board(1), collect=False)
        self.lose_types('target', slot=0)
        server = self.boot('src')

        self.assertEqual('target', self.migrate(server))
        self.assertEqual(
            {'target_pci_0000_81_01_0': 1}, self.devices_of(server)
        )
        ghost = self.provider('target', 0)
        self.assertEqual(set(), self.our_traits(ghost))

    def lose_types(self, host, slot):
        """Unload a vendor's driver, as libvirt shows it; Nova sees nothing.

        Its compute service did not look again, so the inventory stays.
        """
        pci_info = self.computes[host].driver._host.get_connection().pci_info
        device = pci_info.devices[f'pci_0000_81_{slot:02x}_0']
        device.generate_xml(skip_capability=True)
        self.assertNotIn('mdev_types', device.XMLDesc(0))
        self.collect(host)
        self.assertEqual(
            16,
            self._get_provider_inventory(self.provider(host, slot))['VGPU'][
                'total'
            ],
        )
