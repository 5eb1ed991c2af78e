# SPDX-License-Identifier: Apache-2.0
"""A cloud in one process: Nova, Placement, and a collector on every host.

Nothing that decides is mocked. Nova's API, conductor, scheduler and computes
are real, on Nova's own fake of libvirt; Placement is real, on SQLite; the
collector reads libvirt's test driver through the real library.
"""

import functools
import os
import pathlib
import shutil
import sys
import textwrap

import fixtures
from nova.compute import manager as compute_manager
from nova.conf import devices as nova_devices
from nova.tests.functional.api import client
from nova.tests.functional import fixtures as nova_fixtures
from nova.tests.functional.libvirt import base as libvirt_base
from nova.tests.functional.libvirt import test_vgpu

from nova_mdev_compat.cmd import collector
from nova_mdev_compat.core import traits
from nova_mdev_compat.scheduler import compat_filter
from tests.functional import fakehost
from tests import hardware
from tests import waiting


def _memory(path, enough=1 << 30):
    """Return a directory in memory, None if it is missing, or too small.

    A container has 64 MiB there unless it was given more.
    """
    try:
        free = shutil.disk_usage(path).free
    except OSError:
        return None
    return path if free >= enough and os.access(path, os.W_OK) else None


IMAGE = '155d900f-4e14-4e4c-a73d-069cbf4541e6'
#: The mild default alone: behind the boards in these tests is no NVIDIA
#: driver that could be asked for ECC.
RULES = pathlib.Path(__file__).parents[1] / 'data/rules/mild'
#: Where Nova's databases are: in memory if possible, because their files are
#: opened anew for each transaction.
MEMORY = _memory('/dev/shm')

#: Old drivers may move to new ones, within the same product and type.
UPGRADE_RULES = """
schema_version: "1.0"
vendor: "10de"
rules:
  - name: driver up to ours
    accepts:
      facts: {driver: {at_least: "535", at_most: same}}
"""


class CollectorMixin:
    """Nova's test base from its wheel, our filter, and collectors."""

    WITH_FILTER = True
    #: ``[filter_scheduler]available_filters``
    AVAILABLE = ('nova_mdev_compat.filters.all_filters',)
    #: The directory of shipped rules.
    SHIPPED = RULES

    def setUp(self):
        # Nova's tests look for etc/nova/api-paste.ini beside the package,
        # where a checkout has it; the wheel installs it below the prefix.
        test_vgpu.CONF.set_default('state_path', sys.prefix)
        self.directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.rules = self.directory / 'rules.d'
        self.rules.mkdir()
        self.useFixture(
            fixtures.MonkeyPatch(
                'tempfile.tempdir',
                self.useFixture(fixtures.TempDir(MEMORY)).path,
            )
        )
        super().setUp()

    def useFixture(self, fixture):
        """Keep Placement's, of which Nova before 33 keeps only a client."""
        if isinstance(fixture, nova_fixtures.PlacementFixture):
            self.placement_fixture = fixture
        return super().useFixture(fixture)

    def _setup_scheduler_service(self):
        if self.WITH_FILTER:
            self.flags(
                group='filter_scheduler',
                available_filters=list(self.AVAILABLE),
            )
            self.ADDITIONAL_FILTERS = ['MdevCompatFilter']
        self.flags(cache_ttl=0, group='mdev_compat')
        return super()._setup_scheduler_service()

    # Nova's own tests wait for five seconds, which on a busy machine is
    # short.

    def _wait_for_server_parameter(
        self, server, expected_params, max_retries=None, **kwargs
    ):
        # It looks twice a second.
        return super()._wait_for_server_parameter(
            server, expected_params, 2 * waiting.DEADLINE, **kwargs
        )

    def _wait_for_migration_status(self, server, expected_statuses):
        def found():
            migrations = self.admin_api.api_get('/os-migrations').body[
                'migrations'
            ]
            return next(
                (
                    migration
                    for migration in migrations
                    if migration['instance_uuid'] == server['id']
                    and migration['status'].lower() in statuses
                ),
                None,
            )

        statuses = [status.lower() for status in expected_statuses]
        # No oftener than Nova's tests: each request takes the write lock of
        # CellDatabases, Nova's fixture. While one waits for that, a thread
        # that has the read lock, and waits for one that wants it, is stuck.
        return waiting.wait_for(
            found,
            f'no migration of {server["id"]} is {expected_statuses}',
            pause=0.5,
        )

    def our_filters(self):
        """Return the filter, as the scheduler holds it."""
        host_manager = self.scheduler.manager.host_manager
        return [
            item
            for item in host_manager.enabled_filters
            if isinstance(item, compat_filter.MdevCompatFilter)
        ]

    def run_collector(self, name, nova, boards=()):
        """Run the collector once, as on that host.

        :param nova: text of its nova.conf
        """
        home = self.directory / name
        (home / 'sys').mkdir(parents=True, exist_ok=True)
        fakehost.write_node_file(
            home / 'node.xml',
            self.computes[name].driver._host.get_connection(),
        )
        hardware.write_sysfs(home / 'sys', boards)
        path = home / 'collector.conf'
        path.write_text(
            textwrap.dedent(f"""\
            [collector]
            libvirt_uri = test://{home}/node.xml
            sysfs_root = {home}/sys
            hypervisor_hostname = {name}
            rules_dirs = {self.SHIPPED},{self.rules},{home}/rules.d
            [placement]
            auth_type = admin_token
            endpoint = {self.placement_fixture.endpoint}
            token = admin
            """)
            + nova
        )
        conf = collector.COMMAND.new_config()
        conf(['--config-file', str(path), 'once'])
        self.assertEqual(0, collector.COMMAND.run(conf))


class MigrationMixin(CollectorMixin):
    """Counts what the filter asks for, and moves instances."""

    #: Networks of instances.
    NETWORKS = 'auto'

    def setUp(self):
        super().setUp()
        self.requests = self._count_requests()
        self.lookups = self._count_lookups()
        self.checked = self._record_destination_checks()

    # What is counted

    def _count_requests(self):
        """Return a list that takes the URLs that the filter asks for."""
        urls = []

        def counting(send, method, url, body):
            urls.append(url)
            return send(method, url, body)

        for host_filter in self.our_filters():
            host_filter.placement.send = functools.partial(
                counting, host_filter.placement.send
            )
        return urls

    def fail_requests(self, part):
        """Let Placement fail where the filter asks for a URL with this part.

        Mocked is the fault alone, which the real Placement cannot be made to
        have for the filter and not for the rest of the scheduler.
        """

        def fails(send, method, url, body):
            return ServerError() if part in url else send(method, url, body)

        for host_filter in self.our_filters():
            host_filter.placement.send = functools.partial(
                fails, host_filter.placement.send
            )

    def _count_lookups(self):
        """Return a list of instances looked up in the database."""
        found = []

        def counting(live_migrations, spec_obj):
            found.append(spec_obj.instance_uuid)
            return live_migrations(spec_obj)

        for host_filter in self.our_filters():
            host_filter.live_migrations = functools.partial(
                counting, host_filter.live_migrations
            )
        return found

    def _record_destination_checks(self):
        """Return a list that takes hosts on which Nova runs its own check."""
        hosts = []
        original = compute_manager.ComputeManager
        original = original.check_can_live_migrate_destination

        def recording(manager, *args, **kwargs):
            hosts.append(manager.host)
            return original(manager, *args, **kwargs)

        self.useFixture(
            fixtures.MonkeyPatch(
                'nova.compute.manager.ComputeManager.'
                'check_can_live_migrate_destination',
                recording,
            )
        )
        return hosts

    def write_rules(self, text, host=None, name='nvidia.yaml'):
        """Put a rule file on all hosts, or on one."""
        directory = self.directory / host / 'rules.d' if host else self.rules
        directory.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)

    # Instances

    def boot(self, host, flavor=None):
        """Boot an instance on a host and forget what that cost."""
        server = self._create_server(
            image_uuid=IMAGE,
            flavor_id=flavor or self.flavor,
            networks=self.NETWORKS,
            host=host,
        )
        self.forget()
        return server

    def forget(self):
        for record in (self.requests, self.lookups, self.checked):
            record.clear()

    def migrate(self, server, host=None):
        """Live-migrate an instance; return the name of its new host."""
        self.forget()
        self._move(server, 'completed', host)
        return self.host_of(server)

    def _move(self, server, expected, host):
        """As Nova's helper does, which takes no host in older releases."""
        self.api.post_server_action(
            server['id'],
            {'os-migrateLive': {'host': host, 'block_migration': 'auto'}},
        )
        self._wait_for_migration_status(server, [expected])
        self._wait_for_state_change(server, 'ACTIVE')

    def assert_no_valid_host(self, server, host=None):
        """Live-migrate an instance, which must find no host.

        It stays active on its source, with its allocations unchanged.
        """
        self.forget()
        source = self.host_of(server)
        before = self._get_allocations_by_server_uuid(server['id'])
        error = self.assertRaises(
            client.OpenStackApiException, self._move, server, 'error', host
        )
        self.assertIn('NoValidHost', str(error))
        self._wait_for_state_change(server, 'ACTIVE')
        self.assertEqual(source, self.host_of(server))
        after = self._get_allocations_by_server_uuid(server['id'])
        self.assertEqual(
            {uuid: item['resources'] for uuid, item in before.items()},
            {uuid: item['resources'] for uuid, item in after.items()},
        )

    def host_of(self, server):
        return self.admin_api.get_server(server['id'])['OS-EXT-SRV-ATTR:host']

    def our_traits(self, uuid):
        return {
            name
            for name in self._get_provider_traits(uuid)
            if traits.is_ours(name)
        }


class MdevCompatTestCase(
    MigrationMixin, libvirt_base.LibvirtMigrationMixin, test_vgpu.VGPUTestBase
):
    """Starts hosts, lets collectors publish, moves instances."""

    FAKE_LIBVIRT_VERSION = 8006000
    FAKE_QEMU_VERSION = 8001000

    def setUp(self):
        super().setUp()
        self.boards = {}
        self.mdev_types = {}
        self.flavor = self._create_flavor(extra_spec={'resources:VGPU': '1'})

    # Hosts

    def start_host(self, name, *boards, types=None, collect=True):
        """Start nova-compute on a host with boards, and its collector.

        :param types: mdev type by slot; the default is nvidia-11 on all
        """
        self.boards[name] = boards
        self.mdev_types[name] = types or {}
        self._configure_types(name)
        self.start_compute_with_vgpu(name, fakehost.pci_info(boards))
        if collect:
            self.collect(name)
        return self.computes[name]

    def _configure_types(self, name):
        types = self.mdev_types[name]
        self.flags(
            group='devices',
            enabled_mdev_types=(sorted(set(types.values())) or ['nvidia-11']),
        )
        nova_devices.register_dynamic_opts(test_vgpu.CONF)
        for mdev_type in ('nvidia-11', 'nvidia-12'):
            if mdev_type in test_vgpu.CONF.devices.enabled_mdev_types:
                self.flags(
                    group=f'mdev_{mdev_type}',
                    device_addresses=[
                        board.address
                        for board in self.boards[name]
                        if types.get(board.slot) == mdev_type
                    ],
                )

    def collect(self, name):
        """Run the collector once, as on that host."""
        types = self.mdev_types[name]
        used = sorted(set(types.values()))
        nova = (
            '[devices]\nenabled_mdev_types = '
            + ','.join(used or ['nvidia-11'])
            + '\n'
        )
        for mdev_type in used:
            nova += (
                f'[mdev_{mdev_type}]\ndevice_addresses = '
                + ','.join(
                    board.address
                    for board in self.boards[name]
                    if types.get(board.slot) == mdev_type
                )
                + '\n'
            )
        self.run_collector(name, nova, self.boards[name])

    def devices_of(self, server, resource_class='VGPU'):
        """Return how many mdevs an instance has from each device."""
        allocations = self._get_allocations_by_server_uuid(server['id'])
        return {
            self._get_resource_provider_by_uuid(uuid)['name']: item[
                'resources'
            ][resource_class]
            for uuid, item in allocations.items()
            if resource_class in item['resources']
        }

    def provider(self, host, slot):
        """Return the UUID of a board's provider."""
        return self._get_provider_uuid_by_name(
            f'{host}_pci_0000_81_{slot:02x}_0'
        )

    def _migrate_stub(self, domain, destination, params, flags):
        """Finish the fake domain's migration, wherever it goes."""
        migration = self.admin_api.api_get(
            f'/os-migrations?instance_uuid={domain.UUIDString()}'
        ).body['migrations'][0]
        target = self.computes[migration['dest_compute']].driver
        target._host.get_connection().createXML(
            params['destination_xml'], 'unused'
        )
        domain.complete_job()


class ServerError:
    """A response in the place of Placement's."""

    status_code = 500
    text = 'Internal Server Error'

    def json(self):
        raise ValueError
