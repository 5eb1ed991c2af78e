# SPDX-License-Identifier: Apache-2.0
"""What an operator sees of a cloud, beside what the scheduler does in it."""

import json
import threading

from oslo_utils import uuidutils

from nova_mdev_compat.scheduler import advertised
from tests.functional import base
from tests.functional import osc_base
from tests import hardware

Board = hardware.Board
#: In seconds, for a migration to get to the hypervisor.
DEADLINE = 60
FIELDS = ('Host', 'Verdict', 'Because')


class CloudTestCase(osc_base.CloudMixin, base.MdevCompatTestCase):
    def setUp(self):
        super().setUp()
        self.write_rules(base.UPGRADE_RULES)

    def boot_named(self, name, host, **kwargs):
        server = self._create_server(
            name=name,
            image_uuid=base.IMAGE,
            networks='auto',
            host=host,
            flavor_id=kwargs.pop('flavor', self.flavor),
        )
        self.forget()
        return server

    def hold(self, provider, resource_class, amount):
        """Let somebody have some of what a provider has; return who."""
        consumer = uuidutils.generate_uuid()
        self.placement.put(
            f'/allocations/{consumer}',
            {
                'allocations': {
                    provider: {'resources': {resource_class: amount}}
                },
                'project_id': 'p',
                'user_id': 'u',
                'consumer_generation': None,
            },
            version='1.28',
        )
        return consumer

    def rows(self, line, **kwargs):
        return json.loads(self.openstack(f'{line} -f json', **kwargs).stdout)

    def told(self, line, fields=FIELDS, **kwargs):
        """Return some fields of what a command lists."""
        return [
            tuple(row[name] for name in fields)
            for row in self.rows(line, **kwargs)
        ]


class TargetTest(CloudTestCase):
    def start_all(self):
        """Start a host for every reason that there is."""
        self.start_host('src', Board(0, driver='535.54.03'))
        self.start_host('full', Board(0))
        self.start_host('good', Board(0), Board(1))
        self.start_host('half', Board(0), Board(1, product='2236'))
        self.start_host('nothing', Board(0, driver='525.60.13'))
        self.start_host('older', Board(0, driver='535.43.01'))
        self.start_host('disabled', Board(0))
        self.start_host('other', Board(0, product='2236'))
        self.start_host('silent', Board(0), collect=False)
        self.start_compute('plain')
        self.hold(self.provider('full', 0), 'VGPU', 16)
        service = self.computes['disabled'].service_ref
        self.admin_api.put_service(service.uuid, {'status': 'disabled'})

    def test_every_reason(self):
        self.start_all()
        self.boot_named('vm', 'src')
        done = self.openstack('mdev target list vm')
        self.assert_golden('target-list.txt', done.stdout)
        self.assert_golden('target-list.stderr.txt', done.stderr)
        self.assert_golden(
            'target-list-all.txt',
            self.openstack('mdev target list vm --all').stdout,
        )
        self.assert_golden(
            'target-list.json',
            self.openstack('mdev target list vm --all -f json').stdout,
        )

    def test_the_scheduler_agrees(self):
        """It goes where the list says, and when nothing is left nowhere."""
        self.start_all()
        server = self.boot_named('vm', 'src')
        could = {
            host
            for host, verdict, _ in self.told('mdev target list vm')
            if verdict == 'compatible'
        }
        self.assertEqual({'good', 'half'}, could)
        self.assertIn(self.migrate(server), could)

    def test_nobody_could_take_it(self):
        """The log, and the list that it names, give the same reason."""
        self.start_host('src', Board(0))
        self.start_host('old', Board(0, driver='535.54.03'))
        self.start_host('silent', Board(0), collect=False)
        server = self.boot_named('vm', 'src')
        self.assert_no_valid_host(server)
        log = self.stdlog.logger.output
        self.assertIn(f'openstack mdev target list {server["id"]}', log)
        told = self.told(f'mdev target list {server["id"]}', status=1)
        self.assertEqual(
            [
                ('silent', 'unknown', 'no collector has published here'),
                (
                    'old',
                    'incompatible',
                    'driver 550.54.14 is not at most 535.54.03',
                ),
            ],
            told,
        )
        for _, _, because in told:
            self.assertIn(because, log)

    def test_two_mdevs_need_room_for_two(self):
        flavor = self._create_flavor(extra_spec={'resources:VGPU': '2'})
        self.start_host('src', Board(0))
        self.start_host('target', Board(0))
        self.boot_named('vm', 'src', flavor=flavor)
        self.boot_named('vm1', 'src')
        self.hold(self.provider('target', 0), 'VGPU', 15)
        self.assertEqual(
            [('target', 'unavailable', 'accepts, but has no free capacity')],
            self.told('mdev target list vm', status=1),
        )
        self.assertEqual(
            [('target', 'compatible', '')], self.told('mdev target list vm1')
        )

    def test_no_room_for_the_rest(self):
        self.start_host('src', Board(0))
        self.start_host('target', Board(0))
        self.boot_named('vm', 'src')
        root = self._get_provider_uuid_by_name('target')
        total = self._get_provider_inventory(root)['MEMORY_MB']
        self.hold(root, 'MEMORY_MB', total['total'] - total['reserved'])
        ((host, verdict, because),) = self.told(
            'mdev target list vm', status=1
        )
        self.assertEqual(('target', 'unavailable'), (host, verdict))
        self.assertIn('accepts, but has no room for ', because)
        self.assertIn('MEMORY_MB', because)

    def test_nova_compute_down(self):
        self.start_host('src', Board(0))
        self.start_host('target', Board(0))
        self.boot_named('vm', 'src')
        service = self.computes['target'].service_ref
        self.admin_api.put_service_force_down(service.uuid, True)
        self.assertEqual(
            [
                (
                    'target',
                    'unavailable',
                    'accepts, but its nova-compute is down',
                )
            ],
            self.told('mdev target list vm', status=1),
        )

    def test_source_without_a_collector(self):
        self.start_host('src', Board(0), collect=False)
        self.start_host('target', Board(0))
        self.boot_named('vm', 'src')
        self.assertEqual(
            'the source, src pci_0000_81_00_0, carries no complete identity: '
            'start nova-mdev-collector on its host, or upgrade it, and see '
            'its log',
            self.refuse('mdev target list vm'),
        )

    def test_nobody_has_published(self):
        """No trait of ours exists; the other commands show what there is."""
        self.start_host('src', Board(0), collect=False)
        self.boot_named('vm', 'src')
        self.assertIn(
            'carries no complete identity', self.refuse('mdev target list vm')
        )
        self.assertEqual(
            [('src', 'no collector has published here')],
            self.told('mdev device list', ('Host', 'Published')),
        )
        ((name, because),) = self.told(
            'mdev stranded list', ('Name', 'Because')
        )
        self.assertEqual('vm', name)
        self.assertIn('carries no complete identity', because)
        self.assertEqual(
            [('A', 'no collector has published here', '?')],
            self.told('mdev compat matrix', ('From', 'Device', 'to A')),
        )

    def test_wrong_server(self):
        self.start_host('src', Board(0))
        self.assertEqual(
            'No Server found for nobody',
            self.refuse('mdev target list nobody', status=2),
        )

    def test_server_without_mdevs(self):
        self.start_host('src', Board(0))
        self.boot_named('vm', 'src', flavor=self._create_flavor())
        self.assertEqual(
            'server vm has no mdevs: it takes nothing from a device that can '
            'create them, and may go to any host',
            self.refuse('mdev target list vm', status=2),
        )

    def test_two_servers_of_a_name(self):
        self.start_host('src', Board(0))
        for _ in range(2):
            self.boot_named('vm', 'src')
        self.assertIn(
            'give its ID', self.refuse('mdev target list vm', status=2)
        )

    def test_missing_rights(self):
        """A member sees servers of its own, and neither hosts nor all."""
        self.start_host('src', Board(0))
        server = self.boot_named('vm', 'src')
        for name in ('vm', server['id']):
            self.assertIn(
                "your user needs the role that the service's "
                'policy asks for (admin)',
                self.refuse(f'mdev target list {name}', cloud='member'),
            )


class PurgeTest(CloudTestCase):
    def test_the_scheduler_does_not_mind(self):
        """It still knows a pattern that was withdrawn, and then deleted."""
        for host_filter in self.our_filters():
            host_filter.advertised = advertised.Advertised(
                host_filter.placement, 600
            )
        self.start_host('src', Board(0))
        self.start_host('target', Board(0))
        server = self.boot_named('vm', 'src')
        self.assertEqual('target', self.migrate(server))
        self.write_rules(base.UPGRADE_RULES.replace('"535"', '"540"'))
        for host in ('src', 'target'):
            self.collect(host)
        self.assertEqual(
            [
                'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_11__DRIVER_GE_535_LE_'
                '550_54_14'
            ],
            [row['Trait'] for row in self.rows('mdev trait purge')],
        )
        # A host is named, so that the answer itself is not kept, too.
        self.assertEqual('src', self.migrate(server, host='src'))
        self.assertNotIn('is unknown', self.stdlog.logger.output)


class ListTest(CloudTestCase):
    def start_some(self):
        self.start_host('gpu-1', Board(0, driver='535.54.03'))
        self.start_host('gpu-2', Board(0), Board(1, product='2236'))
        self.start_host('gpu-3', Board(0))
        self.start_host('gpu-4', Board(0), collect=False)
        self.start_compute('plain')
        self.boot_named('old', 'gpu-1')
        self.boot_named('new', 'gpu-3')

    def test_devices(self):
        self.start_some()
        self.assert_golden(
            'device-list.txt', self.openstack('mdev device list').stdout
        )
        self.assert_golden(
            'device-list.json',
            self.openstack('mdev device list -f json').stdout,
        )

    def test_some_devices(self):
        self.start_some()
        for line, expected in [
            ('--host gpu-1 --host gpu-3', ['gpu-1', 'gpu-3']),
            ('--type nvidia-11', ['gpu-1', 'gpu-2', 'gpu-2', 'gpu-3']),
            ('--type nvidia-12', []),
            ('--vendor 10DE', ['gpu-1', 'gpu-2', 'gpu-2', 'gpu-3']),
            ('--vendor 0x10de', None),
            ('--vendor 8086', []),
        ]:
            with self.subTest(line=line):
                if expected is None:
                    self.refuse(f'mdev device list {line}', status=2)
                    continue
                self.assertEqual(
                    [(host,) for host in expected],
                    self.told(f'mdev device list {line}', ('Host',)),
                )

    def test_an_unknown_host(self):
        self.start_some()
        for command in ('device list', 'stranded list', 'compat matrix'):
            self.assertEqual(
                'Placement has no compute host gpu-9: "openstack hypervisor '
                'list" has their names',
                self.refuse(f'mdev {command} --host gpu-9', status=2),
            )

    def test_stranded(self):
        self.start_some()
        # Placement offers a host's devices in any order.
        other = self.hold(self.provider('gpu-2', 1), 'VGPU', 16)
        for host, slot in (('gpu-2', 0), ('gpu-1', 0)):
            self.boot_named(f'on-{host}', host)
            self.hold(self.provider(host, slot), 'VGPU', 15)
        self.placement.delete(f'/allocations/{other}')
        done = self.openstack('mdev stranded list --sort-column Name')
        self.assert_golden('stranded-list.txt', done.stdout)
        self.assert_golden('stranded-list.stderr.txt', done.stderr)
        self.assert_golden(
            'stranded-list.json',
            self.openstack(
                'mdev stranded list --sort-column Name -f json'
            ).stdout,
        )
        self.openstack('mdev stranded list --exit-code', status=1)
        self.openstack('mdev stranded list --exit-code --host gpu-1')

    def test_matrix(self):
        self.start_some()
        self.assert_golden(
            'compat-matrix.txt', self.openstack('mdev compat matrix').stdout
        )
        self.assert_golden(
            'compat-matrix.json',
            self.openstack('mdev compat matrix -f json').stdout,
        )
        self.assert_golden(
            'compat-pairs.txt',
            self.openstack('mdev compat matrix --pairs').stdout,
        )

    def test_matrix_page(self):
        self.start_some()
        path = self.client_home / 'matrix.html'
        done = self.openstack(f'mdev compat matrix --output {path}')
        self.assert_golden('compat-matrix.txt', done.stdout)
        self.assertEqual(f'Wrote {path}\n', done.stderr)
        self.assertIn(
            'driver 550.54.14 is not at most 535.54.03',
            path.read_text('utf-8'),
        )

    def test_a_page_that_cannot_be_written(self):
        """The command fails before it asks the cloud for anything."""
        self.keystone.services.clear()
        for name, expected in [
            ('matrix.svg', 'HTML is the only format'),
            ('none/matrix.html', 'No such file or directory'),
        ]:
            self.assertIn(
                expected,
                self.refuse(
                    f'mdev compat matrix --output {self.client_home}/{name}',
                    status=2,
                ),
            )


class MovingTest(CloudTestCase):
    """What is seen in the middle of a live migration."""

    def setUp(self):
        super().setUp()
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.addCleanup(self.may_end.set)

    def _migrate_stub(self, domain, destination, params, flags):
        self.begun.set()
        self.may_end.wait(DEADLINE)
        super()._migrate_stub(domain, destination, params, flags)

    def test_an_instance_counts_once(self):
        self.start_host('src', Board(0))
        self.start_host('target', Board(0))
        self.start_host('other', Board(0, product='2236'))
        server = self.boot_named('vm', 'src')
        self.api.post_server_action(
            server['id'],
            {'os-migrateLive': {'host': None, 'block_migration': 'auto'}},
        )
        self.assertTrue(self.begun.wait(DEADLINE))
        # As Placement has it: the migration is there, too.
        (holder,) = self.placement.get(
            f'/resource_providers/{self.provider("src", 0)}/allocations',
        ).body['allocations']
        self.assertNotEqual(server['id'], holder)
        self.assertEqual([], self.stranded(0))
        # Then the only other host that takes it is down.
        service = self.computes['src'].service_ref.uuid
        self.admin_api.put_service_force_down(service, True)
        self.assertEqual([('vm', 'target')], self.stranded(1))
        self.admin_api.put_service_force_down(service, False)
        self.may_end.set()
        self._wait_for_migration_status(server, ['completed'])

    def stranded(self, number):
        done = self.openstack('mdev stranded list -f json')
        self.assertEqual(
            f'{number} of 1 instances with mdevs could go to no '
            'other host now\n',
            done.stderr,
        )
        return [(row['Name'], row['Host']) for row in json.loads(done.stdout)]
