# SPDX-License-Identifier: Apache-2.0
"""The real openstackclient, against real services.

``self.openstack('mdev target list ...')`` runs openstackclient's shell in
this process, with all that it does before and after a command of ours: it
reads a clouds.yaml, gets a token and a catalog, and sends requests to
Placement and Nova. A user of osc_services.ROLES is also the name of a cloud.

The output of a command is compared with a file in tests/data/osc. To write
these files again::

    REWRITE_GOLDEN=1 stestr --test-path ./tests/functional run test_osc

and review the changes with git.
"""

import collections
import contextlib
import io
import json
import logging
import os
import pathlib
import pty
import re
import shlex
import subprocess
import sys
import termios
import warnings

import fixtures
from openstackclient import shell
from osc_lib import clientmanager
from placement import deploy
from placement import microversion
import testtools
import yaml

from tests.functional import commands
from tests.functional import osc_services
from tests.functional import placement_server
from tests import waiting

COMMAND = commands.path('openstack')
GOLDEN = pathlib.Path(__file__).parents[1] / 'data' / 'osc'
REWRITE = 'REWRITE_GOLDEN'

#: The result of a command.
Done = collections.namedtuple('Done', 'stdout stderr status')

_UUID = re.compile(
    '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
)
_PORT = re.compile(r"(?<=127\.0\.0\.1:)\d+|(?<=', port=)\d+")


def steady(text):
    """Return text without values that differ in each run.

    UUIDs are numbered in the order in which they appear, and keep their
    length, so that tables keep their widths.
    """
    seen = {}
    text = _UUID.sub(
        lambda match: seen.setdefault(
            match.group(), f'00000000-0000-0000-0000-{len(seen) + 1:012d}'
        ),
        text,
    )
    return _PORT.sub('PORT', text)


def key(name):
    """Return the key that a column has in JSON."""
    return name.lower().replace(' ', '_')


class ShellMixin:
    """Runs openstack with the home of an operator."""

    def start_client(self, keystone):
        """Create a home, with a cloud for each user.

        :param keystone: URL of Keystone
        """
        self.client_home = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path
        )
        self.auth_url = keystone
        self.clouds = {}
        for user in (*osc_services.ROLES, osc_services.STRANGER):
            self.add_cloud(user, user)
        (self.client_home / 'secure.yaml').write_text('{}\n')
        # Cliff takes the name of this process.
        self.useFixture(
            fixtures.MonkeyPatch(
                'openstackclient.shell.OpenStackShell.NAME', 'openstack'
            )
        )
        self._isolate()

    def add_cloud(
        self, name, user, password=osc_services.PASSWORD, **settings
    ):
        """Write a cloud into clouds.yaml.

        :param settings: its other keys, beside "auth"
        """
        self.clouds[name] = {
            'region_name': osc_services.REGION,
            'identity_api_version': '3',
            'auth': {
                'auth_url': self.auth_url,
                'username': user,
                'password': password,
                'project_name': 'demo',
                'user_domain_id': 'default',
                'project_domain_id': 'default',
            },
            **settings,
        }
        (self.client_home / 'clouds.yaml').write_text(
            yaml.safe_dump({'clouds': self.clouds})
        )

    def _isolate(self):
        """Remove the variables that the client reads."""
        for name in list(os.environ):
            if name.startswith(('OS_', 'CLIFF_', 'XDG_')):
                self.useFixture(fixtures.EnvironmentVariable(name))
        for name, value in {
            'OS_CLIENT_CONFIG_FILE': self.client_home / 'clouds.yaml',
            'OS_CLIENT_SECURE_FILE': self.client_home / 'secure.yaml',
            'HOME': self.client_home,
            'COLUMNS': 80,
            'NO_COLOR': 1,
            'LC_ALL': 'C.UTF-8',
        }.items():
            self.useFixture(fixtures.EnvironmentVariable(name, str(value)))

    def openstack(self, line, *more, status=0, cloud='admin'):
        """Run a command; return its output and exit status.

        :param line: arguments as in a shell
        :param more: further arguments
        :param status: the expected exit status
        :param cloud: a user, or a cloud of add_cloud; None to name none
        """
        args = [*shlex.split(line), *more]
        if cloud:
            args = ['--os-cloud', cloud, *args]
        _forget_clients()
        with _streams() as (stdout, stderr):
            try:
                found = shell.OpenStackShell().run(args)
            except SystemExit as exc:
                found = exc.code
        done = Done(stdout.getvalue(), stderr.getvalue(), found)
        self.assertEqual(status, done.status, done)
        return done

    def rows(self, line, *more, **kwargs):
        """Return what a command lists, as programs get it."""
        return json.loads(
            self.openstack(f'{line} -f json', *more, **kwargs).stdout
        )

    def refuse(self, line, *more, status=1, **kwargs):
        """Return the one line in which a command reports an error."""
        done = self.openstack(line, *more, status=status, **kwargs)
        self.assertEqual('', done.stdout)
        self.assertEqual(1, done.stderr.count('\n'), done.stderr)
        return steady(done.stderr.strip())

    def process(self, *args, status=0, cloud='admin', **kwargs):
        """Run the command as a process; return its output.

        :param kwargs: for subprocess.run
        """
        if cloud:
            args = ['--os-cloud', cloud, *args]
        done = subprocess.run(
            [COMMAND, *args],
            capture_output=True,
            text=True,
            check=False,
            timeout=waiting.DEADLINE,
            cwd=self.client_home,
            stdin=subprocess.DEVNULL,
            **kwargs,
        )
        self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        return Done(done.stdout, done.stderr, done.returncode)

    def on_terminal(self, *args, rows_elsewhere=False, cloud='admin'):
        """Run the command as a process; return the text on its terminal.

        :param rows_elsewhere: stdout is not the terminal, as with a pipe
        """
        master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        with subprocess.Popen(
            [COMMAND, '--os-cloud', cloud, *args],
            cwd=self.client_home,
            stdin=subprocess.DEVNULL,
            stderr=slave,
            stdout=subprocess.DEVNULL if rows_elsewhere else slave,
        ) as one:
            os.close(slave)
            shown = b''.join(iter(lambda: _read(master), b''))
            os.close(master)
        self.assertEqual(0, one.returncode, shown)
        return shown.decode()

    def assert_golden(self, name, text):
        """Compare text with a file of tests/data/osc.

        :param name: of the file, with its ending: .txt, .json
        """
        path = GOLDEN / name
        text = steady(text)
        if os.environ.get(REWRITE):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, 'utf-8')
        self.assertEqual(path.read_text('utf-8'), text)


class OperatorTestCase(ShellMixin, testtools.TestCase):
    """Placement alone, over HTTP, with hosts and devices of the tests."""

    def setUp(self):
        super().setUp()
        self.placement = self.useFixture(Placement())
        self.keystone = osc_services.Keystone()
        server = self.useFixture(osc_services.HTTPServer(self.keystone))
        self.keystone.url = server.url
        self.keystone.services['placement'] = {
            osc_services.REGION: self.placement.endpoint
        }
        self.start_client(self.keystone.url)


class CloudMixin(ShellMixin):
    """With Nova and Placement; precedes MdevCompatTestCase in the bases."""

    def setUp(self):
        super().setUp()
        self.assertEqual(osc_services.PROJECT, self.api_fixture.project_id)
        self.keystone = osc_services.Keystone()
        self.keystone.url = self._serve('keystone', self.keystone)
        placement = deploy.loadapp(self.placement_fixture.conf_fixture.conf)
        nova = self.api_fixture.app()
        self.keystone.services.update(
            {
                name: {osc_services.REGION: url}
                for name, url in {
                    'placement': self._serve(
                        'placement', osc_services.AuthToken(placement)
                    ),
                    'compute': self._serve(
                        'nova', osc_services.AuthToken(nova)
                    )
                    + '/v2.1',
                }.items()
            }
        )
        self.start_client(self.keystone.url)

    def _serve(self, name, app):
        return self.useFixture(
            osc_services.Intercept(app, f'http://{name}.test:80')
        ).url


class Placement(placement_server.PlacementServer):
    """Placement that knows users by their tokens."""

    def setUp(self):
        super().setUp()
        self._app = osc_services.AuthToken(self._app)

    def only_up_to(self, version):
        """Be an older release, without the microversions after this one."""
        versions = microversion.VERSIONS
        self.useFixture(
            fixtures.MonkeyPatch(
                'placement.microversion.VERSIONS',
                versions[: versions.index(version) + 1],
            )
        )
        self._app = osc_services.AuthToken(
            deploy.loadapp(self.conf_fixture.conf)
        )


def _read(master):
    try:
        return os.read(master, 4096)
    except OSError:
        # The other end is closed.
        return b''


def _forget_clients():
    """Let the shell create its clients again, which it caches."""
    for item in vars(clientmanager.ClientManager).values():
        if isinstance(item, clientmanager.ClientCache):
            item._handle = None


@contextlib.contextmanager
def _streams():
    """Give the shell its own streams, and restore logging afterwards."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    levels = {
        name: logging.getLogger(name).level
        for name in (None, *logging.Logger.manager.loggerDict)
    }
    stdout, stderr = io.StringIO(), io.StringIO()
    # The shell logs everything, which is too much for the terminal.
    root.handlers[:] = [
        item for item in handlers if type(item) is not logging.StreamHandler
    ]
    try:
        with (
            warnings.catch_warnings(),
            open(os.devnull) as nothing,
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
        ):
            stdin, sys.stdin = sys.stdin, nothing
            try:
                yield stdout, stderr
            finally:
                sys.stdin = stdin
    finally:
        root.handlers[:] = handlers
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
