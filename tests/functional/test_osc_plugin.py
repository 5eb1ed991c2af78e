# SPDX-License-Identifier: Apache-2.0
"""How openstackclient loads our commands, and how they find the cloud."""

import configparser
import logging
import re
import subprocess
import sys

import fixtures

from nova_mdev_compat.osc import plugin
from tests.functional import base
from tests.functional import osc_base
from tests.functional import osc_services
from tests.functional import plain
from tests import hardware
from tests.unit import samples

REGION = osc_services.REGION
READ = 'mdev trait purge --dry-run'
#: What only other extras install.
OF_OTHERS = (
    'libvirt',
    'lxml',
    'tenacity',
    'cotyledon',
    'sdnotify',
    'nova',
    'placement',
    'pynvml',
)
WITHOUT = """
import importlib, sys
for name in {missing!r}:
    sys.modules[name] = None  # importing it fails from here on
for name in {modules!r}:
    importlib.import_module(name)
"""


def entry_points():
    """Return our commands and their classes, from setup.cfg."""
    config = configparser.ConfigParser()
    config.read(samples.ROOT / 'setup.cfg', 'utf-8')
    lines = config['entry_points']['openstack.mdev.v1'].strip().splitlines()
    return {
        name.strip().replace('_', ' '): target.strip()
        for name, _, target in (line.partition('=') for line in lines)
    }


#: Old names of commands, and the new ones.
RENAMED = {
    'mdev compat matrix': 'mdev compatibility list',
    'mdev stranded list': 'mdev stranded instance list',
}
COMMANDS = sorted(entry_points().keys() - RENAMED.keys())


class LoadTest(osc_base.OperatorTestCase):
    """The openstack command itself, with our package beside it."""

    def test_all_load(self):
        """No log of a command that fails to load, or is invalid."""
        done = self.process('--help', cloud=None)
        self.assertEqual('', done.stderr)
        for command in COMMANDS:
            self.assertIn(f'\n  {command}  ', done.stdout)
        for command in RENAMED:
            self.assertNotIn(f'\n  {command}  ', done.stdout)
        self.assertIn('--os-mdev-api-version', done.stdout)

    def test_complete(self):
        """The shell's completion has them."""
        done = self.process('complete', cloud=None)
        found = re.findall('^  cmds_(mdev_[a-z_]+)=', done.stdout, re.M)
        names = {name.replace('_', ' ') for name in found}
        self.assertLessEqual({*COMMANDS, *RENAMED}, names)

    def test_help(self):
        for command in COMMANDS:
            done = self.openstack(f'help {command}', cloud=None)
            self.assertEqual('', done.stderr)
            words = ' '.join(done.stdout.split())
            self.assertIn('exit status', words)
            self.assertRegex(words, f'Examples?: openstack {command}')
            self.assertIn('provided by the nova-mdev-compat plugin', words)

    def test_help_has_paragraphs(self):
        """And the columns of "upgrade plan" are a list."""
        done = self.openstack('help mdev upgrade plan', cloud=None)
        self.assertIn('\nGo To\n    Their targets', done.stdout)
        self.assertIn(
            '\nExamples:\n\n    openstack mdev upgrade plan ', done.stdout
        )
        for paragraph in done.stdout.partition('positional')[0].split('\n\n'):
            self.assertLess(paragraph.count('\n'), 20, paragraph)

    def test_old_names(self):
        for old, new in RENAMED.items():
            with self.subTest(old):
                done = self.openstack(f'help {old}', cloud=None)
                self.assertIn(f'use "openstack {new}"', done.stdout)
        done = self.openstack('mdev compat matrix -f json')
        self.assertEqual('[]\n', done.stdout)
        self.assertEqual(
            '"openstack mdev compat matrix" is deprecated, and will be '
            'removed in the next release: use "openstack mdev compatibility '
            'list"\n',
            done.stderr,
        )

    def test_wrong_option(self):
        for command in COMMANDS:
            done = self.openstack(f'{command} --no-such-option', status=2)
            self.assertEqual('', done.stdout, command)
            self.assertNotIn('Traceback', done.stderr)

    def test_version_of_the_commands(self):
        done = self.openstack(
            '--os-mdev-api-version 2 mdev trait purge', status=2
        )
        self.assertIn(
            'mdev API version 2 is not in supported versions: 1', done.stderr
        )
        self.useFixture(
            fixtures.EnvironmentVariable(
                'OS_MDEV_API_VERSION', plugin.DEFAULT_API_VERSION
            )
        )
        self.openstack(READ)

    def test_needs_nothing_of_the_other_extras(self):
        """It is for operators' own machines."""
        modules = sorted(
            {target.partition(':')[0] for target in entry_points().values()}
        )
        self.import_without(
            OF_OTHERS, ['nova_mdev_compat.osc.plugin', *modules]
        )

    def test_works_without_the_extra(self):
        """The extra adds a progress bar to openstackclient and its plugin.

        Their entry points would fail if these were missing.
        """
        self.placement.create_provider('host')
        done = self.run_python(
            plain.without('python-openstackclient', 'osc-placement')
            + 'from openstackclient import shell\n'
            "sys.exit(shell.main(['--os-cloud', 'admin', 'mdev', 'device', "
            "'list', '-f', 'json']))"
        )
        self.assertEqual(('[]\n', ''), (done.stdout, done.stderr))

    def test_is_not_needed_by_the_others(self):
        self.import_without(
            ('openstackclient', 'osc_lib', 'openstack', 'jinja2'),
            [
                'nova_mdev_compat.cli.app',
                'nova_mdev_compat.cli.explain',
                'nova_mdev_compat.cli.pairs',
                'nova_mdev_compat.cli.validate',
                'nova_mdev_compat.cmd.collector',
                'nova_mdev_compat.daemons.collector',
            ],
        )
        # Nova itself needs the SDK and Jinja2.
        self.import_without(
            ('openstackclient', 'cliff', 'tqdm'), ['nova_mdev_compat.filters']
        )

    def import_without(self, missing, modules):
        self.run_python(WITHOUT.format(missing=missing, modules=modules))

    def run_python(self, code):
        """Run code in a process of its own."""
        done = subprocess.run(
            [sys.executable, '-c', code],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=samples.ROOT,
        )
        self.assertEqual(0, done.returncode, done.stderr)
        return done


class EndpointTest(osc_base.OperatorTestCase):
    """The catalog and clouds.yaml tell where Placement is."""

    NOWHERE = 'http://127.0.0.1:9'

    def test_found(self):
        here = self.placement.endpoint
        for name, endpoints, settings in (
            (
                'region',
                {REGION: self.NOWHERE, 'Other': here},
                {'region_name': 'Other'},
            ),
            (
                'interface',
                {(REGION, 'public'): self.NOWHERE, (REGION, 'internal'): here},
                {'interface': 'internal'},
            ),
            # Placement may be elsewhere than all the rest.
            (
                'split',
                {(REGION, 'public'): self.NOWHERE, ('Other', 'admin'): here},
                {
                    'placement_region_name': 'Other',
                    'placement_interface': 'admin',
                },
            ),
            ('override', {}, {'placement_endpoint_override': here}),
        ):
            with self.subTest(name):
                self.keystone.services['placement'] = endpoints
                self.add_cloud(name, 'admin', **settings)
                self.refuse(READ)
                self.assertEqual([], self.placement.requests)
                self.openstack(READ, cloud=name)
                self.assert_asked()
                if name == 'interface':
                    self.openstack(f'--os-interface internal {READ}')
                    self.assert_asked()

    def test_token_and_endpoint(self):
        """Without Keystone, as while it is being repaired."""
        self.openstack(
            '--os-auth-type admin_token --os-token admin '
            f'--os-endpoint {self.placement.endpoint} {READ}',
            cloud=None,
        )
        self.assert_asked()

    def assert_asked(self):
        """Placement got two requests, and not one for its versions."""
        self.assertEqual([('GET', '/traits')] * 2, self.placement.requests)
        self.placement.requests.clear()

    def test_options_of_other_plugins(self):
        """All our requests are of one microversion."""
        for version in ('1', '1.10', '1.99'):
            self.useFixture(
                fixtures.EnvironmentVariable(
                    'OS_PLACEMENT_API_VERSION', version
                )
            )
            self.add_cloud(
                'pinned',
                'admin',
                placement_api_version=version,
                placement_default_microversion='1.2',
            )
            self.openstack(READ, cloud='pinned')


class BeforeUsTest(osc_base.OperatorTestCase):
    """What openstackclient refuses itself, before a command of ours runs."""

    def failed(self, cloud='admin'):
        """Return the error of a command that fails."""
        done = self.openstack(READ, status=1, cloud=cloud)
        self.assertEqual('', done.stdout)
        self.assertNotIn('Traceback', done.stderr)
        return done.stderr

    def test_errors(self):
        self.add_cloud('mistyped', 'admin', 'swordfish')
        for cloud, expected in (
            (
                'mistyped',
                'The request you have made requires authentication. '
                '(HTTP 401)\n',
            ),
            ('nowhere', 'Cloud nowhere was not found.\n'),
            (
                None,
                'Missing value auth-url required for auth plugin password\n',
            ),
        ):
            self.assertEqual(expected, self.failed(cloud))
        self.auth_url = 'http://127.0.0.1:9'
        self.add_cloud('down', 'admin')
        self.assertIn(
            'Failed to discover available identity versions when '
            'contacting http://127.0.0.1:9',
            self.failed('down'),
        )
        path = self.client_home / 'clouds.yaml'
        path.write_text('clouds: [')
        error = self.failed()
        self.assertIn(f'Skipping config file {path}: ', error)
        self.assertIn('Cloud admin was not found.', error)


class DebugTest(osc_base.OperatorTestCase):
    def test_debug(self):
        done = self.openstack(f'--debug {READ}', status=1, cloud='reader')
        self.assertIn('Traceback (most recent call last)', done.stderr)
        self.assertIn('PlacementError', done.stderr)
        # The exit status stays.
        self.openstack('--debug mdev trait decode CUSTOM_FOO', status=2)

    def test_log_file(self):
        path = self.client_home / 'openstack.log'
        self.openstack(f'--log-file {path} {READ}', status=1, cloud='reader')
        line = path.read_text().splitlines()[-1]
        self.assertIn(' ERROR ', line)
        self.assertIn(' Placement: GET /traits', line)

    def test_the_shell_leaves_logging_as_it_was(self):
        """In these tests."""
        root = logging.getLogger()
        before = list(root.handlers), root.level
        self.openstack(READ)
        self.assertEqual(before, (list(root.handlers), root.level))


class NovaTest(osc_base.CloudMixin, base.MdevCompatTestCase):
    """The way to Nova, for the commands that ask it."""

    def test_the_way_to_nova(self):
        for name in ('src', 'target'):
            self.start_host(name, hardware.Board(0))
        self.line = f'mdev target list {self.boot("src")["id"]}'
        for check in (
            self.override,
            self.names,
            self.errors,
            self.whatever_version_is_asked_for,
        ):
            with self.subTest(check.__name__):
                check()

    def override(self):
        endpoints = self.keystone.services.pop('compute')
        self.add_cloud(
            'tunnel', 'admin', compute_endpoint_override=endpoints[REGION]
        )
        self.openstack(self.line, cloud='tunnel')
        self.assertIn(
            'The service is not present in the service catalog: '
            'public endpoint for compute service in RegionOne '
            'region not found',
            self.refuse(self.line),
        )
        self.keystone.services['compute'] = endpoints

    def names(self):
        self.assertEqual(
            'No Server found for nowhere',
            self.refuse('mdev target list nowhere', status=2),
        )

    def errors(self):
        self.assertIn(
            '401 Unauthorized; the service does not take the token '
            'that Keystone gave you',
            self.refuse(self.line, cloud=osc_services.STRANGER),
        )
        endpoints = self.keystone.services['compute']
        self.keystone.services['compute'] = {REGION: 'http://127.0.0.1:9'}
        self.assertEqual(
            'Nova does not answer: The compute service for admin:RegionOne '
            'exists but does not have any supported versions; see "openstack '
            'catalog show compute", clouds.yaml and the service itself',
            self.refuse(self.line),
        )
        self.keystone.services['compute'] = endpoints

    def whatever_version_is_asked_for(self):
        """Before 2.53, UUIDs of hypervisors were numbers."""
        service = self.admin_api.get_services(
            host='target', binary='nova-compute'
        )[0]
        self.admin_api.put_service(service['id'], {'status': 'disabled'})
        for version in ('2', '2.1', '2.88'):
            done = self.openstack(
                f'--os-compute-api-version {version} {self.line}', status=1
            )
            self.assertIn('nova-compute is disabled', done.stdout)
