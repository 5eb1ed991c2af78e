# SPDX-License-Identifier: Apache-2.0
"""What an operator sees of vGPUs without mdev, and where Nova moves them."""

from oslo_utils import uuidutils

from tests.functional import base
from tests.functional import osc_base
from tests.functional import vfio_base

board = vfio_base.board
OTHER = '2236'


class CloudTestCase(osc_base.CloudMixin, vfio_base.VfioTestCase):
    def setUp(self):
        super().setUp()
        self.write_rules(base.UPGRADE_RULES)

    def fields(self, line, *names, **kwargs):
        """Return some fields of what a command lists."""
        return [
            tuple(row[osc_base.key(name)] for name in names)
            for row in self.rows(line, **kwargs)
        ]

    def targets(self, server, status=0):
        return {
            row['host']: (row['verdict'], row['devices'], row['because'])
            for row in self.rows(
                f'mdev target list {server["id"]}', status=status
            )
        }


class PciInPlacementTest(CloudTestCase):
    def test_a_cloud(self):
        """Starting Nova takes most of the time."""
        self.start_host('host1', board())
        self.start_host('host2', board(version='535.54.03'))
        self.start_host('host3', board(product=OTHER), board(0x82))
        self.start_host('host4', board())
        self.set_types('host4', '558', '0')
        self.collect('host4')
        self.start_host('host5', board(), collect=False)
        self.start_host('host6', board())
        full = self.boot('host6', self.flavor_for('a40-8q:2'))
        server = self.boot('host1')

        for check in (
            self.devices,
            self.filtered_devices,
            self.matrix,
            self.target_list,
            self.upgrade_plan,
            self.stranded,
            self.drain,
        ):
            with self.subTest(check.__name__):
                check(server, full)

        # The scheduler agrees: of host2 to host6 it takes this one.
        self.assertEqual('host3', self.migrate(server))
        (address,) = self.functions_of(server)
        self.assertEqual('0000:82:', address[:8])

    def drain(self, *_):
        """Of two boards of host3, one accepts; host6 is full."""
        (row,) = self.rows('mdev drain check host1 --long')
        self.assertEqual(
            (
                [{'host': 'host3', 'devices': ['0000:82:00.0']}],
                ['host6'],
                'host3',
                '',
                ['0000:81:00.0'],
                ['nvidia-558'],
            ),
            tuple(list(row.values())[3:]),
        )
        # There is one function on each of two hosts, and one needs two.
        (row,) = self.rows('mdev drain check host6', status=1)
        self.assertEqual(
            ([], ['host1', 'host3'], ''),
            (row['targets'], row['if_room'], row['go_to']),
        )

    def devices(self, *_):
        names = ('Host', 'Device', 'Framework', 'Type', 'Used', 'Total')
        self.assertEqual(
            [
                ('host1', '0000:81:00.0', 'vfio', 'nvidia-558', 1, 2),
                ('host2', '0000:81:00.0', 'vfio', 'nvidia-558', 0, 2),
                ('host3', '0000:81:00.0', 'vfio', 'nvidia-558', 0, 2),
                ('host3', '0000:82:00.0', 'vfio', 'nvidia-558', 0, 2),
                ('host4', '0000:81:00.0', 'vfio', 'none (nvidia-558)', 0, 2),
                ('host6', '0000:81:00.0', 'vfio', 'nvidia-558', 2, 2),
            ],
            self.fields('mdev device list', *names),
        )

    def filtered_devices(self, *_):
        line = 'mdev device list --type nvidia-558 --vendor 10de --host host3'
        self.assertEqual(
            [
                ('0000:81:00.0', '10de:2236', 'vfio'),
                ('0000:82:00.0', '10de:2235', 'vfio'),
            ],
            [
                (device, parent, facts['framework'])
                for device, parent, facts in self.fields(
                    line, 'Device', 'Parent ID', 'Facts'
                )
            ],
        )

    def matrix(self, *_):
        device = '{} nvidia-558 driver={} framework=vfio'
        new, older = '550.54.14', '535.54.03'
        self.assertEqual(
            [
                ('A', device.format('10de:2235', new), 3, 3, 'yes'),
                ('B', device.format('10de:2235', older), 1, 1, 'yes'),
                ('C', device.format('10de:2235', new), 1, 1, 'yes'),
                ('D', device.format('10de:2236', new), 1, 1, 'no B'),
            ],
            self.fields(
                'mdev compatibility list',
                'From',
                'Device',
                'Hosts',
                'Devices',
                'to A',
            ),
        )

    def target_list(self, server, _):
        self.assertEqual(
            {
                'host3': ('compatible', ['0000:82:00.0'], ''),
                'host6': (
                    'unavailable',
                    [],
                    'accepts, but has no free capacity',
                ),
                'host5': ('unknown', [], 'no collector has published here'),
                'host2': (
                    'incompatible',
                    [],
                    'driver 550.54.14 is not at most 535.54.03',
                ),
                'host4': (
                    'incompatible',
                    [],
                    'publishes no accepted sources',
                ),
            },
            self.targets(server),
        )
        done = self.openstack(f'mdev target list {server["id"]}')
        self.assertIn('1 of 5 hosts with vGPUs could take it', done.stderr)
        self.assertIn(
            'only with [filter_scheduler]pci_in_placement: host3, where '
            '0000:81:00.0 does not accept',
            done.stderr,
        )

    def upgrade_plan(self, server, _):
        line = (
            f'mdev upgrade plan --type nvidia-558 --rules {self.rules} '
            '--fact driver=560.35.03 host1'
        )
        ((number, host, moves),) = self.fields(line, 'Step', 'Host', 'Go To')
        self.assertEqual(
            (1, 'host1', [server['id']], ['host3']),
            (
                number,
                host,
                [move['server'] for move in moves],
                [move['to'] for move in moves],
            ),
        )

    def stranded(self, _, full):
        """One function of each board that accepts is taken elsewhere."""
        line = 'mdev stranded instance list'
        self.assertIn(
            '0 of 2 instances with vGPUs could go', self.openstack(line).stderr
        )
        self.hold('host3_0000:82:00.0')
        self.assertEqual(
            [
                (
                    full['id'],
                    'host6',
                    ['0000:81:00.0'],
                    ['host1', 'host3'],
                    'accepts, but has no free capacity (2 hosts); driver '
                    '550.54.14 is not at most 535.54.03 (1 host); publishes '
                    'no accepted sources (1 host)',
                )
            ],
            self.fields(
                line, 'ID', 'Host', 'Devices', 'With Capacity', 'Because'
            ),
        )

    def hold(self, provider):
        """Allocate one function of a provider of Nova's."""
        uuid = self._get_provider_uuid_by_name(provider)
        self.placement.put(
            f'/allocations/{uuidutils.generate_uuid()}',
            {
                'allocations': {uuid: {'resources': {vfio_base.CLASS: 1}}},
                'project_id': 'p',
                'user_id': 'u',
                'consumer_generation': None,
            },
            version='1.28',
        )


class ReportingOnlyTest(CloudTestCase):
    """Without pci_in_placement, which the client cannot know."""

    IN_PLACEMENT = False

    def test_where_every_board_has_to_accept(self):
        self.start_host('host1', board(), collect=False)
        server = self.boot('host1')
        line = f'mdev target list {server["id"]}'
        self.assertEqual(
            'no collector has published for the PCI devices of server '
            f'{server["name"]}, host1_0000:81:00.0: if these are vGPUs, start '
            'nova-mdev-collector on its host, and see its log',
            self.refuse(line),
        )
        self.assertEqual([], self.rows('mdev device list'))
        self.collect('host1')
        self.start_host('host2', board(), board(0x82, product=OTHER))
        self.start_host('host3', board(), board(0x82))
        self.assertEqual(
            {
                'host2': ('compatible', ['0000:81:00.0'], ''),
                'host3': (
                    'compatible',
                    ['0000:81:00.0', '0000:82:00.0'],
                    '',
                ),
            },
            self.targets(server),
        )
        self.assertEqual(
            [
                'only with [filter_scheduler]pci_in_placement: host2, where '
                '0000:82:00.0 does not accept'
            ],
            self.openstack(line).stderr.splitlines()[1:],
        )
        self.assertEqual('host3', self.migrate(server))
