# SPDX-License-Identifier: Apache-2.0
"""One pass of each command.

The beginning of a class's name is the extra that its commands need. "make
check" runs those tests only that are called test_starts. What commands do,
and what they say when it cannot be done, is in tests/functional.
"""

import json
import signal
import subprocess

from tests.functional import collector_base
from tests.functional import commands
from tests.functional import osc_base
from tests.functional import service_base
from tests.functional import test_annotator
from tests.functional import test_guard_command
from tests.functional import test_nvidia
from tests.functional import test_rules_command
from tests.unit import samples
from tests import waiting

ACCEPT = 'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_11'
#: What openstackclient has of ours: as in setup.cfg, in words;
#: not the deprecated names, which the help leaves out.
OPENSTACK = (
    'mdev compatibility list',
    'mdev device list',
    'mdev drain check',
    'mdev stranded instance list',
    'mdev target list',
    'mdev trait decode',
    'mdev trait purge',
    'mdev upgrade plan',
)


class CollectorTest(collector_base.CollectorTestCase):
    def test_starts(self):
        shown, _ = self.run_collector('dry-run')
        self.assertIn('pci_0000_81_00_0', shown)
        shown, _ = self.run_collector('dry-run', '--format', 'json')
        self.assertEqual(2, len(json.loads(shown)['parents']))
        self.run_collector('once')
        for names in self.published():
            self.assertTrue(
                {name for name in names if name.startswith(ACCEPT)}, names
            )
        self.run_collector('withdraw')
        self.assertEqual([set()] * 3, self.published())

    def test_provider_config(self):
        """The publisher that writes a file for nova-compute."""
        path = self.home / 'provider.yaml'
        self.options |= {
            'publisher': 'provider_config',
            'provider_config_file': str(path),
        }
        self.run_collector('once')
        self.assertIn(ACCEPT, path.read_text())


class CollectorServiceTest(service_base.ServiceTestCase):
    def test_life(self):
        # However busy the machine is, no pass is overdue.
        self.options['interval'] = '3600'
        self.start_and_wait()
        shown, _ = self.run_collector('status')
        self.assertIn('host1', shown)
        before = self.trees()
        self.service.send_signal(signal.SIGHUP)
        self.wait_for(lambda: self.trees() > before, 'no further pass')
        self.service.terminate()
        self.assertEqual(0, self.service.wait(waiting.DEADLINE))


class CollectorAnnotatorTest(test_annotator.CommandTestCase):
    def test_starts(self):
        shown, _ = self.run_command('dry-run')
        self.assertIn(self.uuid, shown)
        shown, _ = self.run_command('dry-run', '--format', 'json')
        self.assertEqual('write', json.loads(shown)['domains'][0]['action'])
        _, said = self.run_command('once')
        self.assertIn('Domains written: 1', said)


class CollectorGuardTest(test_guard_command.GuardTestCase):
    """It needs no extra; libvirt's host has this one."""

    def test_starts(self):
        self.assertEqual(0, self.run_guard().returncode)
        self.leave({})
        self.assertEqual(1, self.run_guard().returncode)


class MetricsTest(service_base.ServiceTestCase):
    def test_metrics(self):
        path = self.home / 'collector.prom'
        self.options['metrics_file'] = str(path)
        self.start_and_wait()
        self.wait_for(path.exists, 'no metrics')
        self.assertIn('nova_mdev_collector_healthy 1.0', path.read_text())


class NvidiaTest(test_nvidia.NvidiaTestCase):
    def test_facts(self):
        self.assertEqual((test_nvidia.FACTS, {}), self.of_nvml())


class RulesTest(test_rules_command.CommandTestCase):
    def test_starts(self):
        shipped = test_rules_command.SHIPPED
        _, said = self.run_command('validate', shipped)
        self.assertIn('0 errors', said)
        hosts = ('--hosts', test_rules_command.RECORDINGS)
        for args in (
            ('table', '-f', 'json'),
            ('table', '-f', 'yaml'),
            ('diff', shipped, shipped, '-f', 'csv'),
            ('explain', '--source', 'gpu-1', '--target', 'gpu-2'),
        ):
            shown, said = self.run_command(*args, *hosts)
            self.assertTrue(shown, args)
        shown, said = self.run_command('--help')
        self.assertEqual('', said)
        for name in ('diff', 'explain', 'table', 'validate'):
            self.assertIn(f'\n  {name} ', shown)

    def test_status(self):
        """nova-mdev-compat-status needs Nova, and says so without."""
        done = subprocess.run(
            [commands.path('nova-mdev-compat-status'), '--help'],
            text=True,
            capture_output=True,
            check=False,
            timeout=120,
        )
        self.assertNotIn('Traceback', done.stderr)
        self.assertIn(
            (done.returncode, done.stderr),
            [
                (0, ''),
                (
                    2,
                    "nova-mdev-compat-status: No module named 'nova': "
                    "run it in nova-scheduler's environment\n",
                ),
            ],
        )


class OpenStackTestCase(osc_base.OperatorTestCase):
    """A cloud with one device, of which a collector has published."""

    def setUp(self):
        super().setUp()
        root = self.placement.create_provider('host1')
        self.board = self.placement.create_provider(
            'host1_pci_0000_81_00_0', root
        )
        for uuid in (root, self.board):
            for name in (
                'CUSTOM_MDEV_V1',
                'CUSTOM_MDEV_TYPE_NVIDIA_11',
                'CUSTOM_MDEV_PARENT_10DE_2235',
                f'{ACCEPT}__DRIVER_LE_550',
            ):
                self.placement.add_trait(uuid, name)
        self.placement.add_trait(root, 'CUSTOM_MDEV_HOST')
        self.placement.add_trait(self.board, 'CUSTOM_MDEV_FACT_DRIVER_550')


class OscTest(OpenStackTestCase):
    def test_starts(self):
        done = self.process('--help', cloud=None)
        self.assertEqual('', done.stderr)
        for name in OPENSTACK:
            self.assertIn(f'\n  {name}  ', done.stdout)

    def test_help(self):
        done = self.process('help', 'mdev', 'upgrade', 'plan', cloud=None)
        self.assertIn(
            'Examples: openstack mdev upgrade plan',
            ' '.join(done.stdout.split()),
        )

    def test_devices(self):
        done = self.process('mdev', 'device', 'list', '-f', 'json')
        (row,) = json.loads(done.stdout)
        self.assertEqual(
            ('host1', 'nvidia-11', {'driver': '550'}),
            (row['host'], row['type'], row['facts']),
        )

    def test_matrix(self):
        done = self.process('mdev', 'compatibility', 'list', '-f', 'json')
        (row,) = json.loads(done.stdout)
        self.assertEqual('-', row['to_a'])

    def test_matrix_page(self):
        path = self.client_home / 'matrix.html'
        self.process('mdev', 'compatibility', 'list', '--output', str(path))
        self.assertIn('nvidia-11', path.read_text('utf-8'))

    def test_traits(self):
        done = self.process(
            'mdev', 'trait', 'decode', ACCEPT, '-f', 'json', cloud=None
        )
        self.assertEqual('accept pattern', json.loads(done.stdout)[0]['kind'])
        self.placement.ask('PUT', '/traits/CUSTOM_MDEV_FACT_OS_X')
        done = self.process('mdev', 'trait', 'purge', '-f', 'value')
        self.assertEqual('CUSTOM_MDEV_FACT_OS_X deleted\n', done.stdout)

    def test_plan(self):
        """It reads rules and Placement before it asks Nova."""
        done = self.process(
            'mdev',
            'upgrade',
            'plan',
            '--type',
            'nvidia-11',
            '--fact',
            'driver=560',
            '--rules',
            str(samples.SHIPPED_RULES),
            '--no-shipped',
            '--allow-mismatch',
            status=1,
        )
        self.assertIn('on host1; the answer holds only if', done.stderr)
        self.assertIn('compute', done.stderr)

    def test_nova(self):
        """Those that ask Nova, where there is none, say it in a line."""
        for args in (
            ('drain', 'check', 'host1'),
            ('stranded', 'instance', 'list'),
            ('target', 'list', 'a'),
        ):
            done = self.process('mdev', *args, status=1)
            self.assertNotIn('Traceback', done.stderr)
            self.assertIn('compute', done.stderr)
