# SPDX-License-Identifier: Apache-2.0
"""The control plane: MariaDB, RabbitMQ and the services, as processes."""

from concurrent import futures
import grp
import os
import pathlib
import pwd
import sys

import fixtures
import requests

from tests.cloud import backends
from tests.cloud import process
from tests.cloud import services

BIN = pathlib.Path(sys.executable).parent
SERVE = pathlib.Path(__file__).with_name('serve.py')
#: Names of the two.
SCHEDULERS = ('scheduler-1', 'scheduler-2')

SCHEDULER = """
[DEFAULT]
host = {name}
[scheduler]
workers = 1
[filter_scheduler]
available_filters = nova_mdev_compat.filters.all_filters
enabled_filters = ComputeFilter,ComputeCapabilitiesFilter,\
ImagePropertiesFilter,MdevCompatFilter
[mdev_compat]
cache_ttl = {cache_ttl}
"""


class ControlPlane(fixtures.Fixture):
    """Everything but the compute hosts.

    :ivar urls: of the APIs, by service
    :ivar processes: by name
    """

    #: For how many seconds the filter keeps answers. The default is 10; a
    #: drain asks several times within two, too.
    CACHE_TTL = 2

    def __init__(self, home, tell):
        super().__init__()
        self.home = pathlib.Path(home)
        self.etc = self.home / 'etc'
        self._tell = tell

    def _setUp(self):
        for name in ('log', 'etc', *(one.name for one in services.ALL)):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        self._tell('starting MariaDB and RabbitMQ')
        self.database = self.useFixture(backends.Database(self.home))
        broker = self.useFixture(backends.Broker(self.home))
        self._values = self._make_values(broker.url)
        self.processes = {}
        self.addCleanup(self._stop)
        self.database.create(
            *(name for service in services.ALL for name in service.databases)
        )
        self._tell(
            'making the databases of '
            + ', '.join(one.name for one in services.ALL)
        )
        with futures.ThreadPoolExecutor() as pool:
            list(pool.map(self._prepare, services.ALL))
        self._tell('starting the APIs')
        for service in services.ALL:
            self._serve(service)
        for service in services.ALL:
            self.wait_for_api(service.name)

    def _make_values(self, broker):
        ports = backends.free_ports(len(services.ALL))
        self.urls = {
            service.name: f'http://127.0.0.1:{port}{service.path}'
            for service, port in zip(services.ALL, ports, strict=True)
        }
        return {
            'home': self.home,
            'etc': self.etc,
            'prefix': sys.prefix,
            'broker': broker,
            'keystone': self.urls['keystone'],
            'password': services.PASSWORD,
            'region': services.REGION,
            'debug': 'false',
            'cache_ttl': self.CACHE_TTL,
            'user': pwd.getpwuid(os.getuid()).pw_name,
            'group': grp.getgrgid(os.getgid()).gr_name,
            **{
                f'database_{name}': self.database.url(name)
                for service in services.ALL
                for name in service.databases
            },
        }

    def _prepare(self, service):
        """Write a service's configuration, and fill its databases."""
        for name, text in service.configuration.items():
            (self.etc / name).write_text(self.fill(text, service))
        for line in service.preparation:
            program, *args = self.fill(line, service).split()
            process.command(
                f'{service.name}-setup', [BIN / program, *args], self.home
            )

    def fill(self, text, service):
        """Return text with what it names filled in."""
        return text.format(
            name=service.name,
            database=self._values[f'database_{service.databases[0]}'],
            **self._values,
        )

    def _serve(self, service):
        port = self.urls[service.name].split(':')[2].split('/')[0]
        self.start(
            f'{service.name}-api',
            [sys.executable, SERVE, service.module, port],
            **{
                name: self.fill(text, service)
                for name, text in service.environ.items()
            },
        )

    def start(self, name, argv, **environ):
        """Start a process that is stopped with this.

        :param environ: variables
        """
        self.processes[name] = process.Process(
            name, argv, self.home, **environ
        )
        self.processes[name].start()
        return self.processes[name]

    def wait_for_api(self, name):
        """Wait until an API answers, whatever it says."""
        one, url = self.processes[f'{name}-api'], self.urls[name]

        def answers():
            one.check()
            try:
                # Neutron and Nova tell their versions without a token.
                return requests.get(url.removesuffix('/v2.1'), timeout=10)
            except requests.ConnectionError:
                return False

        # A 503 or 401 is an answer, too; the truth of it is "bool".
        process.wait_for(
            lambda: answers() is not False, f'{one.name} answer at {url}'
        )

    def start_nova(self):
        """Start what needs the other services' endpoints."""
        nova = self.etc / 'nova.conf'
        self.start(
            'conductor', [BIN / 'nova-conductor', '--config-file', nova]
        )
        for name in SCHEDULERS:
            path = self.etc / f'{name}.conf'
            path.write_text(
                nova.read_text()
                + SCHEDULER.format(**{**self._values, 'name': name})
            )
            self.start(name, [BIN / 'nova-scheduler', '--config-file', path])

    def discover_hosts(self):
        """Tell Nova's API of the compute hosts that there are."""
        process.command(
            'nova-setup',
            [
                BIN / 'nova-manage',
                '--config-file',
                self.etc / 'nova.conf',
                'cell_v2',
                'discover_hosts',
            ],
            self.home,
        )

    def check(self):
        """Raise Failure if a process has ended by itself."""
        for one in self.processes.values():
            one.check()

    def _stop(self):
        for one in reversed(list(self.processes.values())):
            one.ask_to_end()
        for one in self.processes.values():
            one.stop()
