# SPDX-License-Identifier: Apache-2.0
"""How openstackclient takes our commands, and how they find the cloud."""

import configparser
import logging
import re
import subprocess
import sys

import ddt
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
#: What only other extras bring.
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
    """Return our commands and the classes that they are, from setup.cfg."""
    config = configparser.ConfigParser()
    config.read(samples.ROOT / 'setup.cfg', 'utf-8')
    lines = config['entry_points']['openstack.mdev.v1'].strip().splitlines()
    return {
        name.strip().replace('_', ' '): target.strip()
        for name, _, target in (line.partition('=') for line in lines)
    }


COMMANDS = sorted(entry_points())


@ddt.ddt
class LoadTest(osc_base.OperatorTestCase):
    """The openstack command itself, with our package beside it."""

    def test_all_load(self):
        """Nothing of ours is logged as failing to load, or as odd."""
        done = self.process('--help', cloud=None)
        self.assertEqual('', done.stderr)
        for command in COMMANDS:
            self.assertIn(f'\n  {command}  ', done.stdout)
        self.assertIn('--os-mdev-api-version', done.stdout)

    def test_complete(self):
        """The shell's completion knows them."""
        done = self.process('complete', cloud=None)
        found = re.findall('^  cmds_(mdev_[a-z]+_[a-z]+)=', done.stdout, re.M)
        self.assertEqual(
            COMMANDS, sorted(name.replace('_', ' ') for name in found)
        )

    @ddt.data(*COMMANDS)
    def test_help_teaches(self, command):
        done = self.openstack(f'help {command}', cloud=None)
        self.assertEqual('', done.stderr)
        words = ' '.join(done.stdout.split())
        self.assertIn('exit status', words)
        self.assertIn(f'Example: openstack {command}', words)
        self.assertIn('provided by the nova-mdev-compat plugin', words)

    @ddt.data(*COMMANDS)
    def test_wrong_option(self, command):
        done = self.openstack(f'{command} --no-such-option', status=2)
        self.assertEqual('', done.stdout)
        self.assertNotIn('Traceback', done.stderr)

    def test_other_version(self):
        done = self.openstack(
            '--os-mdev-api-version 2 mdev trait purge', status=2
        )
        self.assertIn(
            'mdev API version 2 is not in supported versions: 1', done.stderr
        )

    def test_this_version(self):
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
        self.run_python(OF_OTHERS, ['nova_mdev_compat.osc.plugin', *modules])

    def test_works_without_the_extra(self):
        """Beside openstackclient the extra adds a progress bar, no more."""
        self.placement.create_provider('host')
        done = subprocess.run(
            [
                sys.executable,
                '-c',
                plain.without('python-openstackclient')
                + 'from openstackclient import shell\n'
                "sys.exit(shell.main(['--os-cloud', 'admin', 'mdev', 'device', "
                "'list', '-f', 'json']))",
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=samples.ROOT,
        )
        self.assertEqual(
            (0, '[]\n', ''), (done.returncode, done.stdout, done.stderr)
        )

    def test_is_not_needed_by_the_others(self):
        self.run_python(
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
        self.run_python(
            ('openstackclient', 'cliff', 'tqdm'), ['nova_mdev_compat.filters']
        )

    def run_python(self, missing, modules):
        done = subprocess.run(
            [
                sys.executable,
                '-c',
                WITHOUT.format(missing=missing, modules=modules),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=samples.ROOT,
        )
        self.assertEqual(0, done.returncode, done.stderr)


@ddt.ddt
class EndpointTest(osc_base.OperatorTestCase):
    """Where Placement is: the catalog and clouds.yaml say it."""

    NOWHERE = 'http://127.0.0.1:9'

    def asked(self):
        """Tell whether Placement was asked, since the last time."""
        found = bool(self.placement.requests)
        self.placement.requests.clear()
        return found

    def test_region(self):
        self.keystone.services['placement'] = {
            REGION: self.NOWHERE,
            'Other': self.placement.endpoint,
        }
        self.add_cloud('other', 'admin', region_name='Other')
        self.refuse(READ)
        self.openstack(READ, cloud='other')
        self.assertTrue(self.asked())

    def test_interface(self):
        self.keystone.services['placement'] = {
            (REGION, 'public'): self.NOWHERE,
            (REGION, 'internal'): self.placement.endpoint,
        }
        self.add_cloud('inside', 'admin', interface='internal')
        self.refuse(READ)
        self.openstack(READ, cloud='inside')
        self.openstack(f'--os-interface internal {READ}')
        self.assertTrue(self.asked())

    def test_of_placement_alone(self):
        """Placement may be elsewhere than all the rest."""
        self.keystone.services['placement'] = {
            (REGION, 'public'): self.NOWHERE,
            ('Other', 'admin'): self.placement.endpoint,
        }
        self.add_cloud(
            'split',
            'admin',
            placement_region_name='Other',
            placement_interface='admin',
        )
        self.openstack(READ, cloud='split')
        self.assertTrue(self.asked())

    def test_override(self):
        self.keystone.services.clear()
        self.add_cloud(
            'tunnel',
            'admin',
            placement_endpoint_override=self.placement.endpoint,
        )
        self.openstack(READ, cloud='tunnel')
        self.assertTrue(self.asked())

    def test_token_and_endpoint(self):
        """Without Keystone, as while it is being repaired."""
        self.openstack(
            '--os-auth-type admin_token --os-token admin '
            f'--os-endpoint {self.placement.endpoint} {READ}',
            cloud=None,
        )
        self.assertTrue(self.asked())

    @ddt.data('1', '1.10', '1.99')
    def test_whatever_other_plugins_are_told(self, version):
        """Our questions are written for one microversion."""
        self.useFixture(
            fixtures.EnvironmentVariable('OS_PLACEMENT_API_VERSION', version)
        )
        self.add_cloud(
            'pinned',
            'admin',
            placement_api_version=version,
            placement_default_microversion='1.2',
        )
        self.openstack(READ, cloud='pinned')

    def test_no_more_requests_than_questions(self):
        self.openstack(READ)
        self.assertEqual(
            [('GET', '/traits'), ('GET', '/traits')], self.placement.requests
        )


@ddt.ddt
class BeforeUsTest(osc_base.OperatorTestCase):
    """What openstackclient refuses itself, before a command of ours runs."""

    def failed(self, **kwargs):
        """Return what is said when the exit status is 1."""
        done = self.openstack(READ, status=1, **kwargs)
        self.assertEqual('', done.stdout)
        self.assertNotIn('Traceback', done.stderr)
        return done.stderr

    def test_wrong_password(self):
        self.add_cloud('mistyped', 'admin', 'swordfish')
        self.assertEqual(
            'The request you have made requires authentication. (HTTP 401)\n',
            self.failed(cloud='mistyped'),
        )

    def test_unknown_cloud(self):
        self.assertEqual(
            'Cloud nowhere was not found.\n', self.failed(cloud='nowhere')
        )

    def test_no_credentials(self):
        self.assertEqual(
            'Missing value auth-url required for auth plugin password\n',
            self.failed(cloud=None),
        )

    def test_keystone_down(self):
        self.auth_url = 'http://127.0.0.1:9'
        self.add_cloud('down', 'admin')
        said = self.failed(cloud='down')
        self.assertIn(
            'Failed to discover available identity versions when '
            'contacting http://127.0.0.1:9',
            said,
        )

    def test_clouds_yaml_that_is_no_yaml(self):
        path = self.client_home / 'clouds.yaml'
        path.write_text('clouds: [')
        said = self.failed()
        self.assertIn(f'Skipping config file {path}: ', said)
        self.assertIn('Cloud admin was not found.', said)


class DebugTest(osc_base.OperatorTestCase):
    def test_debug_says_where_it_comes_from(self):
        done = self.openstack(f'--debug {READ}', status=1, cloud='reader')
        self.assertIn('Traceback (most recent call last)', done.stderr)
        self.assertIn('PlacementError', done.stderr)

    def test_debug_keeps_the_exit_status(self):
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

    def setUp(self):
        super().setUp()
        for name in ('src', 'target'):
            self.start_host(name, hardware.Board(0))
        self.server = self.boot('src')
        self.list_targets = f'mdev target list {self.server["id"]}'

    def test_whatever_version_is_asked_for(self):
        """Before 2.53 hypervisors had numbers for UUIDs."""
        service = self.admin_api.get_services(
            host='target', binary='nova-compute'
        )[0]
        self.admin_api.put_service(service['id'], {'status': 'disabled'})
        for version in ('2', '2.1', '2.88'):
            done = self.openstack(
                f'--os-compute-api-version {version} {self.list_targets}',
                status=1,
            )
            self.assertIn('nova-compute is disabled', done.stdout)

    def test_override(self):
        url = self.keystone.services.pop('compute')[REGION]
        self.add_cloud('tunnel', 'admin', compute_endpoint_override=url)
        self.openstack(self.list_targets, cloud='tunnel')

    def test_unknown_token(self):
        line = self.refuse(self.list_targets, cloud=osc_services.STRANGER)
        self.assertIn(
            '401 Unauthorized; the service does not take the token '
            'that Keystone gave you',
            line,
        )

    def test_no_such_server(self):
        self.assertEqual(
            'No Server found for nowhere',
            self.refuse('mdev target list nowhere', status=2),
        )

    def test_down(self):
        self.keystone.services['compute'] = {REGION: 'http://127.0.0.1:9'}
        self.assertEqual(
            'Nova does not answer: The compute service for admin:RegionOne '
            'exists but does not have any supported versions; see "openstack '
            'catalog show compute", clouds.yaml and the service itself',
            self.refuse(self.list_targets),
        )

    def test_not_in_the_catalog(self):
        del self.keystone.services['compute']
        line = self.refuse(self.list_targets)
        self.assertIn(
            'The service is not present in the service catalog: '
            'public endpoint for compute service in RegionOne '
            'region not found',
            line,
        )
