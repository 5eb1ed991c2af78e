# SPDX-License-Identifier: Apache-2.0
"""Whether all instances can leave hosts, and that Nova then lets them."""

from tests.functional import test_osc_cloud
from tests import hardware

Board = hardware.Board
CHECK = 'mdev drain check'
#: All columns but ID, for the page on maintenance.
SHORT = '-c Name -c Host -c Targets -c if_room -c go_to -c Because'


class DrainTest(test_osc_cloud.CloudTestCase):
    def test_a_maintenance(self):
        """One is checked, waited for, and then drained as was said."""
        self.start_host('gpu-1', Board(0, driver='535.54.03'))
        self.start_host('gpu-2', Board(0))
        self.start_host('gpu-3', Board(0))
        self.start_host('gpu-4', Board(0, driver='535.54.03'))
        self.start_host('gpu-5', Board(0), collect=False)
        self.start_compute('plain')
        self.servers = {
            name: self.boot_named(name, host)
            for name, host in (
                ('old-1', 'gpu-1'),
                ('old-2', 'gpu-1'),
                ('new-1', 'gpu-2'),
                ('new-2', 'gpu-2'),
            )
        }
        for check in (
            self.nothing_to_leave,
            self.unknown_host,
            self.room_for_some,
            self.room_for_none,
            self.both_hosts,
            self.all_leave,
        ):
            with self.subTest(check.__name__):
                check()

    def nothing_to_leave(self):
        for host in ('gpu-3', 'gpu-5', 'plain'):
            done = self.openstack(f'{CHECK} {host} -f value')
            self.assertEqual(
                ('', f'0 instances with mdevs on {host}\n'),
                (done.stdout, done.stderr),
            )

    def unknown_host(self):
        self.assertEqual(
            'Placement has no compute host gpu-9: "openstack hypervisor list" '
            'has their names',
            self.refuse(f'{CHECK} gpu-1 gpu-9', status=2),
        )
        self.assertIn('<host>', self.openstack(CHECK, status=2).stderr)

    def room_for_some(self):
        """Each has a target alone, and the two of them have not."""
        self.hold(self.provider('gpu-3', 0), 'VGPU', 15)
        done = self.openstack(f'{CHECK} gpu-2 {SHORT}', status=1)
        self.assert_golden('drain-some.txt', done.stdout)
        self.assert_golden('drain-some.stderr.txt', done.stderr)
        done = self.openstack(f'{CHECK} gpu-2 --long -f json', status=1)
        self.assert_golden('drain-some.json', done.stdout)

    def room_for_none(self):
        held = self.hold(self.provider('gpu-3', 0), 'VGPU', 1)
        for row in self.rows(f'{CHECK} gpu-2', status=1):
            self.assertEqual(
                ([], ['gpu-3'], ''),
                (
                    row['targets'],
                    row['if_room'],
                    row['go_to'],
                ),
            )
            self.assertIn(
                'accepts, but has no free capacity (1 host)', row['because']
            )
            self.assertIn(
                'driver 550.54.14 is not at most 535.54.03 (2 hosts)',
                row['because'],
            )
        self.release(held)

    def both_hosts(self):
        """A host that is drained takes nothing from another."""
        rows = self.rows(f'{CHECK} gpu-1 gpu-2 gpu-4', status=1)
        self.assertEqual(
            {'new-1', 'new-2', 'old-1', 'old-2'},
            {row['name'] for row in rows},
        )
        self.assertEqual(
            {'gpu-3'},
            {one['host'] for row in rows for one in row['targets']},
        )
        self.assertEqual(1, sum(row['go_to'] == 'gpu-3' for row in rows))

    def all_leave(self):
        """The instances of gpu-1 have to leave room for those of gpu-2."""
        other = self.provider('gpu-3', 0)
        self.hold(self.provider('gpu-4', 0), 'VGPU', 14)
        (holder,) = self.placement.get(
            f'/resource_providers/{other}/allocations'
        ).body['allocations']
        self.release(holder)
        self.hold(other, 'VGPU', 14)
        line = f'{CHECK} gpu-1 gpu-2'
        done = self.openstack(f'{line} {SHORT}')
        self.assert_golden('drain-all.txt', done.stdout)
        self.assert_golden('drain-all.stderr.txt', done.stderr)
        # As --fit-width does on a terminal of this width.
        narrow = self.openstack(f'{line} --max-width 80').stdout
        self.assertGreaterEqual(80, max(map(len, narrow.splitlines())))
        rows = self.rows(line)
        assigned = {row['name']: row['go_to'] for row in rows}
        self.assertEqual(
            {
                'new-1': 'gpu-3',
                'new-2': 'gpu-3',
                'old-1': 'gpu-4',
                'old-2': 'gpu-4',
            },
            assigned,
        )
        for name, host in assigned.items():
            self.assertEqual(host, self.migrate(self.servers[name], host=host))
        for host in ('gpu-1', 'gpu-2'):
            self.openstack(f'{CHECK} {host}')
        # And back, after the maintenance.
        rows = self.rows(f'{CHECK} gpu-3')
        self.assertEqual({'new-1', 'new-2'}, {row['name'] for row in rows})
        self.assertEqual({'gpu-2'}, {row['go_to'] for row in rows})
