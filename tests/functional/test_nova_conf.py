# SPDX-License-Identifier: Apache-2.0
"""Contents and places of nova.conf on real hosts."""

import json
import os
import subprocess
import sys

import ddt

from tests.functional import collector_base
from tests.functional import service_base
from tests.functional import test_collector

ACCEPT = test_collector.ACCEPT
ANNOTATOR = collector_base.COMMAND.with_name('nova-mdev-annotator')
#: Hides systemd-python from the command that follows.
WITHOUT_SYSTEMD = """
import runpy, sys
sys.modules['systemd'] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def run(*args, env=None):
    return subprocess.run(
        args,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=env,
    )


@ddt.ddt
class LoggingTest(collector_base.CollectorTestCase):
    def run_without_systemd(self, command, *args):
        return run(
            *(sys.executable, '-c', WITHOUT_SYSTEMD, command),
            *(*self.write_config(), *args),
        )

    @ddt.data('dry-run', 'once', 'withdraw')
    def test_use_journal(self, command):
        """openstack-ansible sets it on every host."""
        self.nova = '[DEFAULT]\nuse_journal = True\n' + self.nova
        done = self.run_without_systemd(collector_base.COMMAND, command)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn('use_journal is ignored here', done.stderr)
        self.assertNotIn('Traceback', done.stderr)

    @ddt.data(
        ('use_journal = true', 0, 'use_journal is ignored here'),
        ('log_config_append = /nonexistent', 2, 'log_config_append'),
        ('# \xfc', 2, 'more.conf is not in UTF-8'),
    )
    @ddt.unpack
    def test_annotator(self, line, status, word):
        more = self.home / 'more.conf'
        more.write_bytes(f'[DEFAULT]\n{line}\n'.encode('latin-1'))
        done = self.run_without_systemd(
            ANNOTATOR, '--config-file', more, 'dry-run'
        )
        self.assertEqual(status, done.returncode, done.stderr)
        self.assertIn(word, done.stderr)
        self.assertEqual(1, done.stderr.count('\n'), done.stderr)


class WhyNothingTest(service_base.ServiceTestCase):
    """Operators see why nova.conf serves nothing here."""

    def setUp(self):
        super().setUp()
        self.nova = (
            '[devices]\nenabled_mdev_types = nvidia-999\n'
            '[mdev_nvidia-999]\ndevice_addresses = 0000:3b:00.0\n'
        )
        self.devices(
            collector_base.device(0, types=('nvidia-559', 'nvidia-558'))
        )

    why = 'enabled: nvidia-999; offered: nvidia-558, nvidia-559'
    remark = (
        'nova.conf: [mdev_nvidia-999]device_addresses: no device here '
        'that can create mdevs has the address 0000:3b:00.0'
    )

    def test_dry_run(self):
        shown, _ = self.run_collector('dry-run')
        self.assertIn('enabled: nvidia-999', shown)
        self.assertIn('offered: nvidia-558, nvidia-559', shown)
        self.assertIn(f'Note: {self.remark}.', shown)
        shown, _ = self.run_collector('dry-run', '--format', 'json')
        found = json.loads(shown)
        self.assertIn(self.why, found['parents'][0]['note'])
        self.assertEqual([self.remark], found['remarks'])

    def test_log_and_status(self):
        self.start_and_wait()
        self.passes()
        self.log.seek(0)
        log = self.log.read()
        # Once, and not in every pass.
        self.assertEqual(1, log.count(self.remark), log)
        self.assertEqual(1, log.count(self.why), log)
        shown, _ = self.run_collector('status', '--format', 'json')
        self.assertEqual(self.remark, json.loads(shown)['remarks'][0])
        self.assertIn(self.why, json.loads(shown)['remarks'][1])
        shown, _ = self.run_collector('status')
        self.assertIn(self.why, shown)
        self.assertIn(self.remark, shown)

    def test_once(self):
        _, log = self.run_collector('once')
        self.assertIn(self.remark, log)
        self.assertIn(self.why, log)


class DefaultFilesTest(collector_base.CollectorTestCase):
    """Without --config-file: the files of nova-compute, then our own.

    oslo.config looks below HOME before /etc.
    """

    def setUp(self):
        super().setUp()
        self.home_env = {**os.environ, 'HOME': str(self.home)}
        for name in ('.nova', '.nova-mdev-compat', 'state'):
            (self.home / name).mkdir()
        _, nova, _, own = self.write_config()
        text = nova.read_text()
        nova.unlink()
        # As Debian and Ubuntu have it: the types in the second file.
        start, devices, rest = text.partition('[devices]')
        (self.home / '.nova/nova.conf').write_text(start)
        self.compute = self.home / '.nova/nova-compute.conf'
        self.compute.write_text(devices + rest)
        own.rename(self.home / '.nova-mdev-compat/nova-mdev-collector.conf')

    def run_without_files(self, *args, status=0):
        done = run(collector_base.COMMAND, *args, env=self.home_env)
        self.assertEqual(status, done.returncode, done.stderr)

    def assert_published(self):
        self.run_without_files('once')
        for names in self.published():
            self.assertIn(ACCEPT, names)

    def test_both_files_of_nova_compute(self):
        self.assert_published()

    def test_one_file(self):
        """As on other distributions."""
        nova = self.home / '.nova/nova.conf'
        nova.write_text(nova.read_text() + self.compute.read_text())
        self.compute.unlink()
        self.assert_published()

    def test_directory(self):
        """As EDPM has it: nova.conf.d alone."""
        directory = self.home / '.nova/nova.conf.d'
        directory.mkdir()
        for name in ('nova.conf', 'nova-compute.conf'):
            (self.home / '.nova' / name).rename(directory / name)
        self.assert_published()

    def test_given_files_alone(self):
        empty = self.home / 'empty.conf'
        empty.write_text('')
        self.run_without_files('--config-file', empty, 'once', status=2)

    def test_compute_id(self):
        """It may be beside the default files."""
        other = self.placement.create_provider('host2')
        (self.home / '.nova/compute_id').write_text(other)
        self.run_without_files('once', status=1)
        self.assertEqual([set()] * 3, self.published())
        (self.home / '.nova/compute_id').write_text(self.root)
        self.assert_published()
