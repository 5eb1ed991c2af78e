# SPDX-License-Identifier: Apache-2.0
"""The real openstackclient, against real services.

``self.openstack('mdev target list ...')`` runs openstackclient's shell in
this process, with all that it does before and after a command of ours: it
reads a clouds.yaml, gets a token and a catalog, and asks Placement and Nova
over HTTP. A user of osc_services.ROLES is also the name of a cloud.

What a command prints is compared with a file in tests/data/osc. To write
these files anew::

    REWRITE_GOLDEN=1 stestr --test-path ./tests/functional run test_osc

and look at what git says has changed.
"""

import collections
import contextlib
import io
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

#: What a command left behind.
Done = collections.namedtuple('Done', 'stdout stderr status')

_UUID = re.compile(
    '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
)
_PORT = re.compile(r"(?<=127\.0\.0\.1:)\d+|(?<=', port=)\d+")


def steady(text):
    """Return text without what is another each time.

    UUIDs are counted in the order in which they appear, and keep their
    length, so that tables stay as they are.
    """
    seen = {}
    text = _UUID.sub(
        lambda match: seen.setdefault(
            match.group(), f'00000000-0000-0000-0000-{len(seen) + 1:012d}'
        ),
        text,
    )
    return _PORT.sub('PORT', text)


class ShellMixin:
    """Has an operator's home, and runs openstack there."""

    def start_client(self, keystone):
        """Make a home, with a cloud for each user.

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
        # Cliff takes the name of whatever runs in this process.
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

        :param settings: what else stands there, beside "auth"
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
        """Leave nothing of the environment that the client looks at."""
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
        """Run a command; return what it printed and its exit status.

        :param line: arguments as in a shell
        :param more: further ones, of which each is one argument
        :param status: what the exit status must be
        :param cloud: a user, or what add_cloud added; None to give none
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

    def refuse(self, line, *more, status=1, **kwargs):
        """Return the one line that says why a command does not do it."""
        done = self.openstack(line, *more, status=status, **kwargs)
        self.assertEqual('', done.stdout)
        self.assertEqual(1, done.stderr.count('\n'), done.stderr)
        return steady(done.stderr.strip())

    def process(self, *args, status=0, cloud='admin', **kwargs):
        """Run the command as a process; return what it printed and said.

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
        """Run the command as a process; return what its terminal shows.

        :param rows_elsewhere: as with a pipe behind it
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
    """Placement alone, over HTTP, with hosts and devices that tests make."""

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
    """To stand before MdevCompatTestCase: its Nova and Placement, too."""

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
    """Knows users by their tokens."""

    def setUp(self):
        super().setUp()
        self._app = osc_services.AuthToken(self._app)

    def only_up_to(self, version):
        """Be an older release, which has not the microversions after this."""
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
        # Nobody has the other end any more.
        return b''


def _forget_clients():
    """Let the shell make clients anew: it is made to run once a process."""
    for item in vars(clientmanager.ClientManager).values():
        if isinstance(item, clientmanager.ClientCache):
            item._handle = None


@contextlib.contextmanager
def _streams():
    """Give the shell streams of its own, and undo what it does to logging."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    levels = {
        name: logging.getLogger(name).level
        for name in (None, *logging.Logger.manager.loggerDict)
    }
    stdout, stderr = io.StringIO(), io.StringIO()
    # The shell wants to know of everything; the terminal of these tests not.
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
