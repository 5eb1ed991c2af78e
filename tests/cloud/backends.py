# SPDX-License-Identifier: Apache-2.0
"""MariaDB and RabbitMQ, of this run alone: what the services stand on."""

import os
import socket

import fixtures
from pifpaf.drivers import mysql
from pifpaf.drivers import rabbitmq
import pymysql

#: More than all services together keep open.
CONNECTIONS = 1000


def free_ports(number):
    """Return so many ports of 127.0.0.1 that nobody listens at now."""
    some = [socket.create_server(('127.0.0.1', 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in some]
    for one in some:
        one.close()
    return ports


class Database(fixtures.Fixture):
    """MariaDB, without users: only this machine's can reach its socket."""

    def __init__(self, home):
        super().__init__()
        self._home = str(home)

    def _setUp(self):
        self._server = self.useFixture(
            mysql.MySQLDriver(tmp_rootdir=self._home)
        )
        self.execute(f'SET GLOBAL max_connections = {CONNECTIONS}')

    def execute(self, *statements):
        with pymysql.connect(
            unix_socket=self._server.socket, user='root'
        ) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)

    def create(self, *names):
        """Make databases, empty."""
        self.execute(
            *(
                f'CREATE DATABASE {name} CHARACTER SET utf8mb3'
                for name in names
            )
        )

    def url(self, name):
        """Return the URL of a database, as SQLAlchemy has it."""
        return (
            f'mysql+pymysql://root@localhost/{name}?charset=utf8mb3'
            f'&unix_socket={self._server.socket}'
        )


class Broker(fixtures.Fixture):
    """RabbitMQ, with a port mapper of its own.

    :ivar url: as oslo.messaging has it
    """

    def __init__(self, home):
        super().__init__()
        self._home = str(home)

    def _setUp(self):
        port, mapper, distribution = free_ports(3)
        # Debian's own RabbitMQ may run, and has the usual ports.
        for name, value in {
            'ERL_EPMD_PORT': mapper,
            'RABBITMQ_DIST_PORT': distribution,
        }.items():
            self.useFixture(fixtures.EnvironmentVariable(name, str(value)))
        server = self.useFixture(
            rabbitmq.RabbitMQDriver(
                port=port,
                nodename=f'cloud{os.getpid()}',
                tmp_rootdir=self._home,
            )
        )
        self.url = (
            f'rabbit://{server.username}:{server.password}@127.0.0.1:{port}/'
        )
