# SPDX-License-Identifier: Apache-2.0
"""Two vGPUs of one instance; custom resource classes."""

from nova.conf import devices as nova_devices
from nova.tests.functional.api import client
from nova.tests.functional.libvirt import test_vgpu

from tests.functional import base
from tests.functional import differences
from tests import hardware

Board = hardware.Board
BOTH = {0: 'nvidia-11', 1: 'nvidia-12'}


class TwoMdevsTest(base.MdevCompatTestCase):
    def flavor_of_two(self, *types):
        """Return a flavor of two groups; with types, each asks for one."""
        specs = {
            'resources1:VGPU': '1',
            'resources2:VGPU': '1',
            'group_policy': 'none' if types else 'isolate',
        }
        for number, mdev_type in enumerate(types, 1):
            specs[f'trait{number}:CUSTOM_MDEV_TYPE_{mdev_type}'] = 'required'
        return self._create_flavor(extra_spec=specs)

    def test_on_one_parent(self):
        self.start_host('src', Board(0))
        self.start_host('bad', Board(0, product='2236'))
        self.start_host('good', Board(0))
        flavor = self._create_flavor(extra_spec={'resources:VGPU': '2'})
        server = self.boot('src', flavor)
        self.assertEqual({'src_pci_0000_81_00_0': 2}, self.devices_of(server))

        self.assertEqual('good', self.migrate(server))
        self.assertEqual({'good_pci_0000_81_00_0': 2}, self.devices_of(server))
        self.assertEqual(['good'], self.checked)
        self.assertEqual(4, len(self.requests), self.requests)

    def test_on_two_equal_parents(self):
        """Both target parents must accept: one out of three does not."""
        self.start_host('src', Board(0), Board(1))
        self.start_host('half', Board(0), Board(1, product='2236'))
        self.start_host('good', Board(0), Board(1, product='2236'), Board(2))
        server = self.boot('src', self.flavor_of_two())
        self.assertEqual(
            {'src_pci_0000_81_00_0': 1, 'src_pci_0000_81_01_0': 1},
            self.devices_of(server),
        )

        self.assertEqual('good', self.migrate(server))
        self.assertEqual(
            {'good_pci_0000_81_00_0': 1, 'good_pci_0000_81_02_0': 1},
            self.devices_of(server),
        )
        self.assertEqual(['good'], self.checked)
        # One more than four: each source parent is asked what it is.
        self.assertEqual(5, len(self.requests), self.requests)

    def test_on_two_different_parents(self):
        """Nova pairs by type only: each target must accept both sources."""
        self.write_rules("""
schema_version: "1.0"
vendor: "10de"
rules:
  - name: two boards take each other
    target: {product: ["2235", "2236"]}
    accepts: {product: ["2235", "2236"]}
  - name: all others take themselves
    accepts: {}
""")
        self.start_host('src', Board(0), Board(1, product='2236'))
        self.start_host('one', Board(0), Board(1, product='2237'))
        self.start_host('good', Board(0, product='2236'), Board(1))
        server = self.boot('src', self.flavor_of_two())

        self.assertEqual('good', self.migrate(server))
        self.assertEqual(['good'], self.checked)

    def test_of_two_types(self):
        """Each type goes to a parent that serves it and accepts."""
        boards = [Board(slot, both_types=True) for slot in (0, 1)]
        others = [
            Board(0, both_types=True),
            Board(1, both_types=True, product='2236'),
        ]
        self.start_host('src', *boards, types=BOTH)
        self.start_host('half', *others, types=BOTH)
        self.start_host(
            'good', *boards, types={0: 'nvidia-12', 1: 'nvidia-11'}
        )
        server = self.boot('src', self.flavor_of_two('NVIDIA_11', 'NVIDIA_12'))

        if self.migrate_two_types(server):
            self.assertEqual(
                {'good_pci_0000_81_00_0': 1, 'good_pci_0000_81_01_0': 1},
                self.devices_of(server),
            )

    def test_of_two_types_without_a_trait(self):
        """Placement offers one type twice; the filter leaves those out.

        Nova would refuse them only on the destination.
        """
        boards = [Board(slot, both_types=True) for slot in (0, 1)]
        self.start_host('src', *boards, types=BOTH)
        self.start_host(
            'one-type', *boards, types={0: 'nvidia-11', 1: 'nvidia-11'}
        )
        self.start_host('good', *boards, types=BOTH)
        server = self.boot('src', self.flavor_of_two())

        self.migrate_two_types(server)

    def test_a_type_that_nobody_knows_beside_a_known_one(self):
        """One board serves a type and has another in use.

        Its mdev may be of either, the other board's of one: a host has to
        have room for that one.
        """
        boards = [Board(slot, both_types=True) for slot in (0, 1)]
        self.start_host('src', *boards, types=BOTH)
        self.start_host(
            'other-type', *boards, types={0: 'nvidia-11', 1: 'nvidia-11'}
        )
        server = self.boot('src', self.flavor_of_two())
        self.mdev_types['src'] = {0: 'nvidia-12', 1: 'nvidia-12'}
        self.collect('src')
        self.assertEqual(
            {'CUSTOM_MDEV_INUSE_NVIDIA_11', 'CUSTOM_MDEV_TYPE_NVIDIA_12'},
            {
                name
                for name in self.our_traits(self.provider('src', 0))
                if 'NVIDIA_1' in name and 'ACCEPT' not in name
            },
        )

        self.assert_no_valid_host(server)
        self.assertEqual([], self.checked)
        self.start_host('good', *boards, types=BOTH)
        self.migrate_two_types(server)

    def migrate_two_types(self, server):
        """Live-migrate an instance, which the filter sends to "good".

        :returns: whether Nova then took it there
        """
        if not differences.here('one-allocation'):
            self.assertEqual('good', self.migrate(server))
            self.assertEqual(['good'], self.checked)
            return True
        # The destination may have made an mdev of the other type. Which it
        # makes goes by the order of the providers' UUIDs.
        try:
            self.assertEqual('good', self.migrate(server))
        except client.OpenStackApiException as exc:
            self.assertIn('NoValidHost', str(exc))
            self.assertIn(
                'are not fully mapped for this compute',
                self.stdlog.logger.output,
            )
        self.assertEqual(['good'], self.checked)
        return self.host_of(server) == 'good'


class TypeTest(base.MdevCompatTestCase):
    def test_type_that_nova_no_longer_uses(self):
        """The operator changed the type while an instance uses the old one.

        It still counts as what the instance's mdev is, and moves to a host
        of the old type.
        """
        board = Board(0, both_types=True)
        self.start_host('src', board)
        self.start_host('new-type', board, types={0: 'nvidia-12'})
        self.start_host('good', board)
        server = self.boot('src')
        self.mdev_types['src'] = {0: 'nvidia-12'}
        self.collect('src')
        uuid = self.provider('src', 0)
        self.assertIn('CUSTOM_MDEV_INUSE_NVIDIA_11', self.our_traits(uuid))
        self.assertIn('CUSTOM_MDEV_TYPE_NVIDIA_12', self.our_traits(uuid))

        self.migrate(server, host='good')
        self.assertEqual(['good'], self.checked)

        self.collect('src')
        self.assertNotIn('CUSTOM_MDEV_INUSE_NVIDIA_11', self.our_traits(uuid))

    def test_flavor_asks_for_a_type(self):
        """The type's trait can be required by a flavor, at boot and after."""
        boards = [Board(slot, both_types=True) for slot in (0, 1)]
        self.start_host('src', *boards, types=BOTH)
        self.start_host('good', *boards, types=BOTH)
        flavor = self._create_flavor(
            extra_spec={
                'resources:VGPU': '1',
                'trait:CUSTOM_MDEV_TYPE_NVIDIA_12': 'required',
            }
        )
        server = self.boot('src', flavor)
        self.assertEqual({'src_pci_0000_81_01_0': 1}, self.devices_of(server))

        self.migrate(server)
        self.assertEqual({'good_pci_0000_81_01_0': 1}, self.devices_of(server))


class CustomClassTest(base.MdevCompatTestCase):
    def _configure_types(self, name):
        super()._configure_types(name)
        nova_devices.register_dynamic_opts(test_vgpu.CONF)
        self.flags(mdev_class='CUSTOM_NOTVGPU', group='mdev_nvidia-11')

    def start_host(self, name, *boards, **kwargs):
        return super().start_host(
            name,
            *boards,
            **kwargs,
            types={board.slot: 'nvidia-11' for board in boards},
        )

    def test_custom_resource_class(self):
        self.flags(
            resource_classes=['VGPU', 'CUSTOM_NOTVGPU'], group='mdev_compat'
        )
        self.start_host('src', Board(0))
        self.start_host('bad', Board(0, product='2236'))
        self.start_host('good', Board(0), Board(1, product='2236'))
        flavor = self._create_flavor(
            extra_spec={'resources:CUSTOM_NOTVGPU': '1'}
        )
        server = self.boot('src', flavor)

        self.assertEqual('good', self.migrate(server))
        self.assertEqual(
            {'good_pci_0000_81_00_0': 1},
            self.devices_of(server, 'CUSTOM_NOTVGPU'),
        )
        self.assertEqual(['good'], self.checked)
