# SPDX-License-Identifier: Apache-2.0
"""The whole cloud, and what an operator does with it."""

import collections
import json
import time

import fixtures

from tests.cloud import client
from tests.cloud import control
from tests.cloud import hosts
from tests.cloud import process
from tests.cloud import services
from tests import hardware

#: Flavors: how many mdevs.
FLAVORS = {'plain': 0, 'vgpu': 1, 'vgpu-bigger': 1, 'vgpu2': 2}
IMAGE = 'empty'


def make_hosts(plane):
    """Return the compute hosts, each of another kind.

    gpu-4 has another product, and nobody has ever heard of gpu-5's devices.
    """
    board = hardware.Board
    old = {'driver': '535.54.03'}
    return [
        hosts.Host(plane, 'gpu-1', [board(0, **old), board(1, **old)]),
        hosts.Host(plane, 'gpu-2', [board(0, '2236'), board(1)]),
        hosts.Host(plane, 'gpu-3', [board(0), board(1)]),
        hosts.Host(plane, 'gpu-4', [board(0, '2236')]),
        hosts.Host(plane, 'gpu-5', [board(0)], collects=False),
    ]


class Cloud(fixtures.Fixture):
    """Starts everything; has what scenarios need.

    :ivar admin, owner, other: clients, as an administrator, as who owns
        instances, and as one who owns nothing
    :ivar hosts: by name
    """

    def __init__(self, home, tell, workers=4):
        super().__init__()
        self.tell = tell
        self._home = home
        self._workers = workers

    def _setUp(self):
        self.plane = self.useFixture(
            control.ControlPlane(self._home, self.tell)
        )
        pool = client.pool(self._workers)
        self.addCleanup(pool.join)
        self.addCleanup(pool.terminate)
        self.admin, self.owner, self.other = (
            self._client(pool, *who)
            for who in (
                ('admin', 'admin'),
                ('owner', 'demo'),
                ('other', 'other'),
            )
        )
        self.tell('entering users and services into Keystone')
        self._enter()
        self.tell(
            'starting nova-conductor, two nova-scheduler and, on each '
            'host, nova-compute'
        )
        self.plane.start_nova()
        self.hosts = {host.name: host for host in make_hosts(self.plane)}
        for host in self.hosts.values():
            host.start_compute()
        self._make_flavors()
        self._wait_for_computes()
        self.tell(
            "making the devices' resource providers, starting collectors"
        )
        self._make_providers()
        for host in self.hosts.values():
            host.start_collector()
        self.wait_until_published()

    def _client(self, pool, user, project):
        return client.Client(
            pool,
            self._home,
            OS_AUTH_URL=self.plane.urls['keystone'],
            OS_USERNAME=user,
            OS_PROJECT_NAME=project,
            OS_PASSWORD=services.PASSWORD,
            OS_USER_DOMAIN_ID='default',
            OS_PROJECT_DOMAIN_ID='default',
            OS_IDENTITY_API_VERSION='3',
            OS_REGION_NAME=services.REGION,
            OS_COMPUTE_API_VERSION='2.95',
            OS_PLACEMENT_API_VERSION='1.39',
        )

    def _enter(self):
        """Tell Keystone of users and endpoints."""
        run = self.admin.run_all
        # Services load their policies with the first request, and refuse
        # others that come meanwhile (a race in oslo.policy with threads).
        self.admin.run('project list')
        run(
            [f'project create {name}' for name in ('service', 'demo', 'other')]
            + [
                f'service create --name {one.name} {one.type}'
                for one in services.ALL
                if one.type
            ]
        )
        people = {one.name: 'service' for one in services.ALL if one.type}
        people |= {'owner': 'demo', 'other': 'other'}
        run(
            [
                f'user create --password {services.PASSWORD} {name}'
                for name in people
            ]
            + [
                f'endpoint create --region {services.REGION} {one.name} '
                f'public {self.plane.urls[one.name]}'
                for one in services.ALL
                if one.type
            ]
        )
        run(
            [
                f'role add --user {name} --project {project} {role}'
                for name, project in people.items()
                for role in (
                    ('admin', 'service')
                    if project == 'service'
                    else ('member',)
                )
            ]
        )
        for noun in ('image', 'network', 'resource provider', 'server'):
            self.admin.run(f'{noun} list')

    def _make_flavors(self):
        image = self._home / 'image'
        image.write_bytes(bytes(512))
        self.admin.run_all(
            [
                f'image create --public --disk-format raw --file {image} {IMAGE}',
                *(
                    f'flavor create --ram {64 if name != "vgpu-bigger" else 128} '
                    f'--disk 1 --vcpus 1 {name}'
                    + (f' --property resources:VGPU={mdevs}' if mdevs else '')
                    for name, mdevs in FLAVORS.items()
                ),
                'quota set --instances -1 --cores -1 --ram -1 demo',
            ]
        )

    def _wait_for_computes(self):
        process.wait_for(
            self.is_up,
            'see all of Nova in "openstack compute service list"',
            pause=1,
        )
        self.plane.discover_hosts()

    def is_up(self):
        """Return whether all of Nova has reported lately."""
        self.plane.check()
        rows = self.admin.rows('compute service list')
        up = {row['Host'] for row in rows if row['State'] == 'up'}
        return up >= {*self.hosts, *control.SCHEDULERS}

    # Placement

    def _make_providers(self):
        roots = {
            row['name']: row['uuid']
            for row in self.admin.rows('resource provider list')
        }
        boards = [
            (host, board)
            for host in self.hosts.values()
            for board in host.boards
        ]
        self.admin.run_all(
            [
                f'resource provider create {host.provider(board)} '
                f'--parent-provider {roots[host.name]}'
                for host, board in boards
            ]
        )
        self.providers = {
            row['name']: row['uuid']
            for row in self.admin.rows('resource provider list')
        }
        self.admin.run_all(
            [
                'resource provider inventory set --resource '
                f'VGPU={hosts.CAPACITY} {self.providers[host.provider(board)]}'
                for host, board in boards
            ]
        )

    def wait_until_published(self):
        """Wait until Placement has what the collectors' hosts are now."""
        process.wait_for(
            lambda: self.published() >= self._expected(),
            'see all devices in "openstack mdev device list"',
            pause=1,
        )
        self.settle()

    def _expected(self):
        return {
            (host.name, board.device, board.driver.replace('.', '_'))
            for host in self.hosts.values()
            if host.collects
            for board in host.boards
        }

    def published(self):
        """Return hosts, devices and drivers that collectors published."""
        return {
            (
                row['host'],
                row['device'],
                row['facts'].get('driver', '').replace('.', '_'),
            )
            for row in self.admin.rows('mdev device list')
            if row['published'] == 'yes'
        }

    def accepts(self, host, board):
        """Return whether a device publishes that it accepts something."""
        uuid = self.providers[self.hosts[host].provider(board)]
        return 'CUSTOM_MDEV_ACCEPT_' in self.admin.run(
            f'resource provider trait list {uuid}'
        )

    def settle(self):
        """Wait until no scheduler has an answer from before.

        Nothing but time tells that what the filter keeps has expired.
        """
        time.sleep(self.plane.CACHE_TTL)

    def places(self, consumers):
        """Return the devices on which consumers have mdevs.

        :param consumers: UUIDs
        :returns: lists of (host, device), one for each mdev, by UUID
        """
        if len(consumers) < len(self._devices()):
            return self._places_of(consumers)
        devices = self._devices()
        shown = self.admin.run_all(
            [
                f'resource provider show --allocations -f json {uuid}'
                for uuid in devices
            ]
        )
        found = collections.defaultdict(list)
        for device, text in zip(devices.values(), shown, strict=True):
            for uuid, held in json.loads(text)['allocations'].items():
                found[uuid] += [device] * held['resources']['VGPU']
        return found

    def _places_of(self, consumers):
        devices = self._devices()
        shown = self.admin.run_all(
            [
                f'resource provider allocation show -f json {uuid}'
                for uuid in consumers
            ]
        )
        return {
            consumer: [
                devices[row['resource_provider']]
                for row in json.loads(text)
                for _ in range(row['resources'].get('VGPU', 0))
            ]
            for consumer, text in zip(consumers, shown, strict=True)
        }

    def _devices(self):
        """Return (host, device) by UUID of the provider."""
        return {
            uuid: tuple(name.split('_', 1))
            for name, uuid in self.providers.items()
            if name not in self.hosts
        }
