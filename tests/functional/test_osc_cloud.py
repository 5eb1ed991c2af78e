# SPDX-License-Identifier: Apache-2.0
"""What an operator sees of a cloud, and what the scheduler does in it."""

import json
import threading

from oslo_utils import uuidutils

from nova_mdev_compat.core import traits
from nova_mdev_compat.scheduler import advertised
from tests.functional import base
from tests.functional import osc_base
from tests import hardware

Board = hardware.Board
#: In seconds, for a migration to get to the hypervisor.
DEADLINE = 60
FIELDS = ('Host', 'Verdict', 'Because')
NEWER = 'publishes in schema CUSTOM_MDEV_V2, which this version does not read'
NO_RIGHTS = (
    "your user needs the role that the service's policy asks for (admin)"
)


class CloudTestCase(osc_base.CloudMixin, base.MdevCompatTestCase):
    """Starting Nova takes most of the time, so a test has many commands."""

    def setUp(self):
        super().setUp()
        self.write_rules(base.UPGRADE_RULES)

    def boot_named(self, name, host, flavor=None):
        server = self._create_server(
            name=name,
            image_uuid=base.IMAGE,
            networks='auto',
            host=host,
            flavor_id=flavor or self.flavor,
        )
        self.forget()
        return server

    def hold(self, provider, resource_class, amount):
        """Allocate some of a provider; return the consumer."""
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

    def release(self, consumer):
        self.placement.delete(f'/allocations/{consumer}')

    def fields(self, line, names=FIELDS, **kwargs):
        """Return some fields of what a command lists."""
        return [
            tuple(row[osc_base.key(name)] for name in names)
            for row in self.rows(line, **kwargs)
        ]

    def golden(self, line, name, stderr=False):
        """Compare what a command lists, as a table and as JSON."""
        done = self.openstack(line)
        self.assert_golden(f'{name}.txt', done.stdout)
        if stderr:
            self.assert_golden(f'{name}.stderr.txt', done.stderr)
        done = self.openstack(f'{line} -f json')
        self.assert_golden(f'{name}.json', done.stdout)


class TargetTest(CloudTestCase):
    def test_every_reason(self):
        self.start_host('src', Board(0, driver='535.54.03'))
        self.start_host('full', Board(0))
        self.start_host('good', Board(0), Board(1))
        self.start_host('half', Board(0), Board(1, product='2236'))
        self.start_host('nothing', Board(0, driver='525.60.13'))
        self.start_host('older', Board(0, driver='535.43.01'))
        self.start_host('disabled', Board(0))
        self.start_host('other', Board(0, product='2236'))
        self.start_host('unpublished', Board(0), collect=False)
        self.start_compute('plain')
        held = self.hold(self.provider('full', 0), 'VGPU', 16)
        service = self.computes['disabled'].service_ref
        self.admin_api.put_service(service.uuid, {'status': 'disabled'})
        server = self.boot_named('vm', 'src')

        done = self.openstack('mdev target list vm')
        self.assert_golden('target-list.txt', done.stdout)
        self.assert_golden('target-list.stderr.txt', done.stderr)
        line = 'mdev target list vm --all'
        self.assert_golden('target-list-all.txt', self.openstack(line).stdout)
        self.assert_golden(
            'target-list.json', self.openstack(f'{line} -f json').stdout
        )
        for check in (self.missing_rights, self.other_servers, self.shortages):
            with self.subTest(check.__name__):
                check(server, held)
        # The scheduler agrees.
        could = {
            host
            for host, verdict, _ in self.fields('mdev target list vm')
            if verdict == 'compatible'
        }
        self.assertEqual({'good', 'half'}, could)
        self.assertIn(self.migrate(server), could)

    def missing_rights(self, server, _):
        """A member sees servers of its own, and neither hosts nor all."""
        for name in ('vm', server['id']):
            self.assertIn(
                NO_RIGHTS,
                self.refuse(f'mdev target list {name}', cloud='member'),
            )

    def other_servers(self, *_):
        self.boot_named('without', 'src', self._create_flavor())
        self.assertEqual(
            'server without has no mdevs: it takes nothing from a device that '
            'can create them, and may go to any host',
            self.refuse('mdev target list without', status=2),
        )
        for _ in range(2):
            self.boot_named('twin', 'plain', self._create_flavor())
        self.assertIn(
            'give its ID', self.refuse('mdev target list twin', status=2)
        )

    def shortages(self, server, held):
        """What one host is short of, which accepts the server."""

        def full(line='mdev target list vm'):
            (found,) = (
                row[1:] for row in self.fields(line) if row[0] == 'full'
            )
            return found

        no_capacity = ('unavailable', 'accepts, but has no free capacity')
        self.assertEqual(no_capacity, full())
        self.release(held)
        self.assertEqual(('compatible', ''), full())
        # Two mdevs need capacity for two.
        held = self.hold(self.provider('full', 0), 'VGPU', 15)
        two = self._create_flavor(extra_spec={'resources:VGPU': '2'})
        self.boot_named('two', 'src', two)
        self.assertEqual(('compatible', ''), full())
        self.assertEqual(no_capacity, full('mdev target list two'))
        # No room for the rest.
        root = self._get_provider_uuid_by_name('full')
        total = self._get_provider_inventory(root)['MEMORY_MB']
        memory = self.hold(
            root, 'MEMORY_MB', total['total'] - total['reserved']
        )
        verdict, because = full()
        self.assertEqual('unavailable', verdict)
        self.assertRegex(because, '^accepts, but has no room for .*MEMORY_MB')
        self.release(memory)
        # nova-compute is down.
        service = self.computes['full'].service_ref
        self.admin_api.put_service_force_down(service.uuid, True)
        self.assertEqual(
            ('unavailable', 'accepts, but its nova-compute is down'), full()
        )
        # As before, for the scheduler.
        self.release(held)
        self.hold(self.provider('full', 0), 'VGPU', 16)

    def test_no_target(self):
        """The log, and the list that it names, give the same reasons."""
        self.start_host('src', Board(0))
        self.start_host('old', Board(0, driver='535.54.03'))
        self.start_host('unpublished', Board(0), collect=False)
        server = self.boot_named('vm', 'src')
        self.assert_no_valid_host(server)
        log = self.stdlog.logger.output
        self.assertIn(f'openstack mdev target list {server["id"]}', log)
        found = self.fields(f'mdev target list {server["id"]}', status=1)
        self.assertEqual(
            [
                ('unpublished', 'unknown', 'no collector has published here'),
                (
                    'old',
                    'incompatible',
                    'driver 550.54.14 is not at most 535.54.03',
                ),
            ],
            found,
        )
        for _, _, because in found:
            self.assertIn(because, log)

    def test_source_without_a_collector(self):
        """At first no trait of ours exists, and then on another host only."""
        self.start_host('src', Board(0), collect=False)
        self.boot_named('vm', 'src')
        unknown = (
            'the source, src pci_0000_81_00_0, carries no complete identity: '
            'start nova-mdev-collector on its host, or upgrade it, and see '
            'its log'
        )
        self.assertEqual(unknown, self.refuse('mdev target list vm'))
        self.assertEqual(
            [('src', 'no collector has published here')],
            self.fields('mdev device list', ('Host', 'Published')),
        )
        ((name, because),) = self.fields(
            'mdev stranded instance list', ('Name', 'Because')
        )
        self.assertEqual('vm', name)
        self.assertIn('carries no complete identity', because)
        self.assertEqual(
            [('A', 'no collector has published here', '?')],
            self.fields('mdev compatibility list', ('From', 'Device', 'to A')),
        )
        self.start_host('target', Board(0))
        self.assertEqual(unknown, self.refuse('mdev target list vm'))


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
            [row['trait'] for row in self.rows('mdev trait purge')],
        )
        # A host is named, so that the answer itself is not cached, too.
        self.assertEqual('src', self.migrate(server, host='src'))
        self.assertNotIn('is unknown', self.stdlog.logger.output)


class ListTest(CloudTestCase):
    def test_lists(self):
        self.start_host('gpu-1', Board(0, driver='535.54.03'))
        self.start_host('gpu-2', Board(0), Board(1, product='2236'))
        self.start_host('gpu-3', Board(0))
        self.start_host('gpu-4', Board(0), collect=False)
        self.start_compute('plain')
        self.boot_named('old', 'gpu-1')
        self.boot_named('new', 'gpu-3')
        self.golden('mdev device list', 'device-list')
        self.golden('mdev compatibility list', 'compat-matrix')
        for check in (
            self.some_devices,
            self.unknown_host,
            self.pairs,
            self.matrix_page,
            self.stranded,
        ):
            with self.subTest(check.__name__):
                check()

    def some_devices(self):
        for line, expected in [
            ('--host gpu-1 --host gpu-3', ['gpu-1', 'gpu-3']),
            ('--type nvidia-11', ['gpu-1', 'gpu-2', 'gpu-2', 'gpu-3']),
            ('--type nvidia-12', []),
            ('--vendor 10DE', ['gpu-1', 'gpu-2', 'gpu-2', 'gpu-3']),
            ('--vendor 8086', []),
        ]:
            self.assertEqual(
                [(host,) for host in expected],
                self.fields(f'mdev device list {line}', ('Host',)),
                line,
            )
        # A column has the name of its key, too.
        self.assertEqual(
            [{'parent_id': '10de:2235', 'used': 1}],
            self.rows('mdev device list --host gpu-1 -c used -c parent_id'),
        )
        self.refuse('mdev device list --vendor 0x10de', status=2)

    def unknown_host(self):
        for command in (
            'device list',
            'stranded instance list',
            'compatibility list',
        ):
            self.assertEqual(
                'Placement has no compute host gpu-9: "openstack hypervisor '
                'list" has their names',
                self.refuse(f'mdev {command} --host gpu-9', status=2),
            )

    def pairs(self):
        self.assert_golden(
            'compat-pairs.txt',
            self.openstack('mdev compatibility list --pairs').stdout,
        )

    def matrix_page(self):
        path = self.client_home / 'matrix.html'
        done = self.openstack(f'mdev compatibility list --output {path}')
        self.assert_golden('compat-matrix.txt', done.stdout)
        self.assertEqual(
            f'Wrote {path}\nB: board; ?: nothing is published; D: driver\n',
            done.stderr,
        )
        page = path.read_text('utf-8')
        self.assertIn('driver 550.54.14 is not at most 535.54.03', page)
        self.assertIn('>C cannot leave<', page)
        self.assertRegex(
            page, r'>admin, keystone\.test, RegionOne · \d{4}-\d\d-\d\d '
        )
        names = self.client_home / 'pci.ids'
        names.write_text('10de  NVIDIA Corporation\n\t2235  GA102GL [A40]\n')
        self.openstack(
            f'mdev compatibility list --output {path} --pci-ids {names}'
        )
        self.assertIn(
            'NVIDIA Corporation GA102GL [A40]', path.read_text('utf-8')
        )
        for line, expected in (
            (f'--output {path} --pci-ids {path}.ids', 'No such file'),
            (f'--pci-ids {names}', '--pci-ids requires --output'),
        ):
            self.assertIn(
                expected,
                self.refuse(f'mdev compatibility list {line}', status=2),
            )

    def stranded(self):
        # Placement offers a host's devices in any order.
        other = self.hold(self.provider('gpu-2', 1), 'VGPU', 16)
        for host in ('gpu-2', 'gpu-1'):
            self.boot_named(f'on-{host}', host)
            self.hold(self.provider(host, 0), 'VGPU', 15)
        self.release(other)
        self.golden(
            'mdev stranded instance list --sort-column Name',
            'stranded-list',
            True,
        )
        self.openstack('mdev stranded instance list --exit-code', status=1)
        self.openstack('mdev stranded instance list --exit-code --host gpu-1')


class PlacementTest(osc_base.OperatorTestCase):
    """What Placement alone shows."""

    def test_another_schema(self):
        """Beside a host that publishes, and where none does."""
        expected = []
        for name, schemas, reason in (
            ('both', ['CUSTOM_MDEV_V2', traits.SCHEMA], NEWER),
            ('newer', ['CUSTOM_MDEV_V2'], NEWER),
            ('none', [], 'no collector has published here'),
        ):
            expected.append((name, reason))
            root = self.placement.create_provider(name)
            parent = self.placement.create_provider(f'{name}_pci_0', root)
            for schema in schemas:
                for uuid in (root, parent):
                    self.placement.add_trait(uuid, schema)
                self.placement.add_trait(root, traits.HOST)
        for number in range(2):
            with self.subTest(that_publish=number):
                self.assertEqual(
                    expected,
                    [
                        (row['host'], row['published'])
                        for row in self.rows('mdev device list')
                    ],
                )
                self.assertEqual(
                    [
                        (NEWER, 2, ['?', '?']),
                        ('no collector has published here', 1, ['?', '?']),
                    ],
                    [
                        (
                            row['device'],
                            row['devices'],
                            [row['to_a'], row['to_b']],
                        )
                        for row in self.rows('mdev compatibility list')
                    ],
                )
            root = self.placement.create_provider(f'ours-{number}')
            for trait in (traits.SCHEMA, traits.HOST):
                self.placement.add_trait(root, trait)

    def test_a_page_that_cannot_be_written(self):
        """The command fails before it asks the cloud for anything."""
        self.keystone.services.clear()
        for name, expected in [
            ('matrix.svg', 'HTML is the only format'),
            ('none/matrix.html', 'No such file or directory'),
        ]:
            path = self.client_home / name
            line = f'mdev compatibility list --output {path}'
            self.assertIn(expected, self.refuse(line, status=2))


class MovingTest(CloudTestCase):
    """What commands list during a live migration."""

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
        # In Placement the migration is a consumer, too.
        (holder,) = self.placement.get(
            f'/resource_providers/{self.provider("src", 0)}/allocations',
        ).body['allocations']
        self.assertNotEqual(server['id'], holder)
        self.assertEqual([], self.stranded(0))
        # Then the only other host that accepts it is down.
        service = self.computes['src'].service_ref.uuid
        self.admin_api.put_service_force_down(service, True)
        self.assertEqual([('vm', 'target')], self.stranded(1))
        self.admin_api.put_service_force_down(service, False)
        self.may_end.set()
        self._wait_for_migration_status(server, ['completed'])

    def stranded(self, number):
        done = self.openstack('mdev stranded instance list -f json')
        self.assertEqual(
            f'{number} of 1 instances with mdevs could go to no '
            'other host now\n',
            done.stderr,
        )
        return [(row['name'], row['host']) for row in json.loads(done.stdout)]
