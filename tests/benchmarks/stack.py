# SPDX-License-Identifier: Apache-2.0
"""MariaDB, Placement and Nova's databases, and RabbitMQ where it is asked for.

Placement is a process of its own, one, with eight threads, as tests/cloud
serves it. It takes everybody for the administrator (noauth2): Keystone would
add the same to each request, the filter's and the naive filter's.
"""

import logging
import os
import pathlib
import sys
import tempfile

import fixtures
from nova import config as nova_config
from nova import context as nova_context
from nova.db import migration
from nova import objects
from oslo_log import log as oslo_logging
from oslo_utils import uuidutils
import psutil
import sqlalchemy as sa

from tests.benchmarks import placement_client
from tests.benchmarks import timing
from tests.cloud import backends
from tests.cloud import process

BIN = pathlib.Path(sys.executable).parent
SERVE = pathlib.Path(process.__file__).with_name('serve.py')
ENVIRON = {'OS_NOVA_DISABLE_EVENTLET_PATCHING': 'True'}

PLACEMENT = """
[DEFAULT]
state_path = {home}
log_file = {home}/log/placement-api.log
[api]
auth_strategy = noauth2
[placement_database]
connection = {placement}
"""

NOVA = """
[DEFAULT]
state_path = {home}
log_file = {home}/log/nova.log
transport_url = {broker}
# No nova-compute reports here.
service_down_time = 864000
[api_database]
connection = {nova_api}
[database]
connection = {nova}
[oslo_concurrency]
lock_path = {home}/lock
[placement]
auth_type = admin_token
token = admin
endpoint_override = {endpoint}
endpoint = {endpoint}
"""


class Stack(fixtures.Fixture):
    """The processes, and their configuration.

    :param nova: Nova's databases, too
    :param broker: RabbitMQ, too
    :ivar endpoint: of Placement
    :ivar placement: its process, psutil's
    :ivar database: MariaDB's process, psutil's
    """

    def __init__(self, nova=True, broker=False):
        super().__init__()
        self._with_nova = nova
        self._with_broker = broker

    def _setUp(self):
        # It is surprised that processes end when they are asked to.
        logging.getLogger('pifpaf').setLevel(logging.ERROR)
        process.adopt_orphans()
        self.addCleanup(process.end_all)
        # MariaDB's sockets need a short path.
        home = tempfile.TemporaryDirectory(prefix='bench-')
        self.addCleanup(home.cleanup)
        self.home = pathlib.Path(home.name)
        (self.home / 'log').mkdir()
        timing.say('starting MariaDB')
        self._mariadb = self.useFixture(backends.Database(self.home))
        self.database = next(
            one
            for one in psutil.Process().children(recursive=True)
            if one.name() in ('mysqld', 'mariadbd')
        )
        self._values = {'home': self.home, 'broker': self._start_broker()}
        self._start_placement()
        if self._with_nova:
            self._create('nova_api', 'nova')
            self.config = self.write('nova.conf', NOVA)

    def _start_broker(self):
        if not self._with_broker:
            return 'fake:///'
        timing.say('starting RabbitMQ')
        return self.useFixture(backends.Broker(self.home)).url

    def _start_placement(self):
        timing.say('starting Placement')
        self._create('placement')
        config = self.write('placement.conf', PLACEMENT)
        process.command(
            'placement-setup',
            [BIN / 'placement-manage', '--config-file', config, 'db', 'sync'],
            self.home,
        )
        (port,) = backends.free_ports(1)
        self.endpoint = f'http://127.0.0.1:{port}'
        self._values['endpoint'] = self.endpoint
        one = self.start(
            'placement-api',
            [sys.executable, SERVE, 'placement.wsgi.api', port],
            OS_PLACEMENT_CONFIG_DIR=self.home,
        )
        self.placement = psutil.Process(one.pid)
        self.client = placement_client.Client(self.endpoint)
        process.wait_for(
            lambda: one.check() and self.client.answers(),
            'let Placement answer',
        )

    def _create(self, *names):
        self._mariadb.create(*names)
        self._values.update((name, self._mariadb.url(name)) for name in names)

    def write(self, name, text):
        """Write a file of configuration; return where it is."""
        path = self.home / name
        path.write_text(text.format(**self._values))
        return path

    def start(self, name, argv, **environ):
        """Start a process that ends with this."""
        one = process.Process(name, argv, self.home, **ENVIRON, **environ)
        one.start()
        self.addCleanup(one.stop)
        return one

    def engine(self, name):
        """Return SQLAlchemy's engine of a database."""
        engine = sa.create_engine(self._values[name])
        self.addCleanup(engine.dispose)
        return engine

    def settle(self):
        """Let MariaDB know its tables, as one that has run a while does."""
        for name in ('placement', 'nova'):
            if name in self._values:
                engine = self.engine(name)
                with engine.connect() as connection:
                    for table in sa.inspect(engine).get_table_names():
                        connection.exec_driver_sql(f'ANALYZE TABLE `{table}`')

    def configure_nova(self):
        """Make this process one of Nova's, and its databases.

        :returns: its only cell
        """
        os.environ.update(ENVIRON)
        # It logs at INFO, as schedulers do, to nowhere.
        nova_config.parse_args(
            [
                'nova',
                '--config-file',
                str(self.config),
                '--log-file',
                os.devnull,
            ]
        )
        oslo_logging.setup(nova_config.CONF, 'nova')
        sys.excepthook = sys.__excepthook__
        objects.register_all()
        timing.say("making Nova's databases")
        for name in ('api', 'main'):
            migration.db_sync(database=name)
        cell = objects.CellMapping(
            nova_context.get_admin_context(),
            name='cell',
            uuid=uuidutils.generate_uuid(),
            transport_url=self._values['broker'],
            database_connection=self._values['nova'],
        )
        cell.create()
        return cell
