# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-annotator as processes, on libvirt's test driver.

Each connection to a node file has domains of its own, so a run does not see
what an earlier one wrote. tests/unit/daemons/annotator tests what is written.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import ddt
import fixtures
import libvirt
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file
from tests.functional import commands
from tests import mdev_tree
from tests.unit.daemons.annotator import base
from tests import waiting

COMMAND = commands.path('nova-mdev-annotator')


class CommandTestCase(testtools.TestCase):
    """One host, with one running domain that has an mdev."""

    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.uuid, self.parent, mdev_type = mdev_tree.add(
            self.home / 'sys', mdev_tree.capture('11111111')
        )
        self.identity = identity.Identity.of('10DE_2235', mdev_type)
        self.options = {
            'libvirt_uri': f'test://{self.home}/node.xml',
            'sysfs_root': f'{self.home}/sys',
            'devices_file': f'{self.home}/devices.json',
        }
        self.own = {}
        devices_file.write(
            self.home / 'devices.json',
            devices_file.DevicesFile(
                'host1',
                time.time(),
                {self.parent: base.device(self.identity)},
            ),
        )
        self.write_domains(self.domain('vm'))

    def domain(self, name, metadata=''):
        """Return a domain's XML; libvirt gives it a UUID."""
        return base.DOMAIN.format(
            name=name,
            metadata=metadata,
            uuid='',
            mdevs=base.MDEV.format(self.uuid),
        ).replace('<uuid></uuid>', '')

    def annotation(self, host=''):
        mdevs = [domain_xml.AnnotatedDevice(self.uuid, self.identity)]
        return domain_xml.write_annotation(mdevs, host)

    def write_domains(self, *xml):
        (self.home / 'node.xml').write_text(f'<node>{"".join(xml)}</node>')

    def arguments(self):
        path = self.home / 'annotator.conf'
        groups = {'collector': self.options, 'annotator': self.own}
        path.write_text(
            '\n'.join(
                line
                for group, options in groups.items()
                for line in (
                    f'[{group}]',
                    *(f'{key} = {value}' for key, value in options.items()),
                )
            )
        )
        return [COMMAND, '--config-file', path]

    def run_command(self, *args, status=0):
        """Run the command; return what it printed and logged."""
        done = subprocess.run(
            [*self.arguments(), *args],
            capture_output=True,
            text=True,
            timeout=waiting.DEADLINE,
            check=False,
        )
        self.assertEqual(status, done.returncode, done.stderr)
        self.assertNotIn('Traceback', done.stderr)
        return done.stdout, done.stderr


@ddt.ddt
class CommandTest(CommandTestCase):
    def test_dry_run(self):
        with contextlib.closing(libvirt.openReadOnly(base.URI)) as connection:
            element = self.annotation(connection.getHostname())
        self.write_domains(self.domain('vm'), self.domain('right', element))
        document = json.loads(
            self.run_command('dry-run', '--format', 'json')[0]
        )
        found = {item['name']: item for item in document['domains']}
        self.assertEqual(
            {'vm': ('write', ['live', 'config']), 'right': ('none', [])},
            {
                name: (item['action'], item['where'])
                for name, item in found.items()
            },
        )
        self.assertEqual(element, found['vm']['element'])
        shown, _ = self.run_command('dry-run')
        self.assertIn('write: live and config', shown)
        self.assertIn('nothing, it is right', shown)

    def test_once(self):
        _, log = self.run_command('once')
        self.assertIn(f'domain vm: mdev {self.uuid}: {self.identity}', log)
        self.assertIn('Domains written: 1', log)

    def test_deprecated_flags(self):
        """They still work, and the log names the commands."""
        shown, log = self.run_command('--dry-run', '--format', 'json')
        self.assertIn('use "nova-mdev-annotator dry-run"', log)
        documents = [
            json.loads(text)
            for text in (shown, self.run_command('dry-run', '-f', 'json')[0])
        ]
        for document in documents:
            # libvirt's test driver generates it in each process.
            document['domains'][0].pop('uuid')
        self.assertEqual(*documents)
        _, log = self.run_command('--once')
        self.assertIn('use "nova-mdev-annotator once"', log)
        self.assertIn('Domains written: 1', log)

    def test_once_without_device_file(self):
        """It annotates the mdev as unknown, and logs why."""
        (self.home / 'devices.json').unlink()
        _, log = self.run_command('once')
        self.assertIn(f'domain vm: mdev {self.uuid}: unknown', log)
        self.assertIn('devices.json is not there', log)

    def test_remove(self):
        self.write_domains(
            self.domain('vm'),
            self.domain(
                'annotated',
                self.annotation(),
            ),
        )
        _, log = self.run_command('remove')
        self.assertIn('domain annotated: annotation removed', log)
        self.assertIn('Annotations removed: 1', log)

    @ddt.data('once', 'dry-run', 'remove')
    def test_no_libvirt(self, command):
        self.options['libvirt_uri'] = (
            f'qemu+unix:///system?socket={self.home}/nowhere'
        )
        shown, log = self.run_command(command, status=1)
        self.assertEqual('', shown)
        self.assertIn('nova-mdev-annotator: libvirt at qemu+unix', log)
        self.assertIn('[collector]libvirt_uri', log)
        self.assertEqual(1, len(log.splitlines()), log)

    @ddt.data('once', 'dry-run', 'remove')
    def test_domain_fails(self, command):
        """The other one is annotated."""
        self.write_domains(
            self.domain(
                'large', '<a:b xmlns:a="a:b">' + 'x' * (5 * 2**20) + '</a:b>'
            ),
            self.domain('vm'),
        )
        shown, log = self.run_command(command, status=1)
        self.assertIn(
            'nova-mdev-annotator: domain large: its XML has more than 4 MiB',
            log,
        )
        if command != 'remove':
            self.assertIn('vm', shown + log)

    @ddt.data(
        (('--once', '--dry-run'), 'give one command: --once, --dry-run'),
        (('--once', 'remove'), 'give one command: --once, remove'),
        (('withdraw',), "invalid choice: 'withdraw' (choose from "),
        (('--shell_completion=bash',), '--shell_completion'),
        (('--shell_completion', 'bash'), "invalid choice: 'bash'"),
        (('--format', 'xml'), 'xml'),
        (('--config-file', '/nowhere.conf'), '/nowhere.conf'),
    )
    @ddt.unpack
    def test_bad_arguments(self, args, words):
        shown, log = self.run_command(*args, status=2)
        self.assertEqual('', shown)
        self.assertIn(words, log)

    @ddt.data(
        ('own', 'interval', '0'),
        ('options', 'devices_max_age', 'x'),
        ('options', 'libvirt_uri', 'qemu'),
    )
    @ddt.unpack
    def test_bad_option(self, group, name, value):
        """The service does not start, either."""
        getattr(self, group)[name] = value
        for args in ((), ('once',)):
            shown, log = self.run_command(*args, status=2)
            self.assertEqual('', shown)
            self.assertIn(name, log)
            self.assertEqual(1, len(log.splitlines()), log)


class ServiceTest(CommandTestCase):
    def setUp(self):
        super().setUp()
        self.own['interval'] = '3600'
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.notified.close)
        self.notified.bind(f'{self.home}/notify')
        self.notified.settimeout(waiting.DEADLINE)
        self.log = self.enterContext((self.home / 'log').open('a+'))
        self.service = subprocess.Popen(
            self.arguments(),
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
            env={
                **os.environ,
                'NOTIFY_SOCKET': f'{self.home}/notify',
                'WATCHDOG_USEC': '600000000',
            },
        )
        self.addCleanup(self.kill)

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.service.pid, signal.SIGKILL)
        self.service.wait(waiting.DEADLINE)

    def wait_for(self, words):
        """Read notifications until one has these words; return them all."""
        received = []
        while words not in ''.join(received[-1:]):
            try:
                received.append(self.notified.recv(10000).decode())
            except TimeoutError:
                self.log.seek(0)
                log = self.log.read()[-3000:]
                self.fail(f'{words} not in {received}\n{log}')
        return received

    def test_life(self):
        """READY follows the first pass, SIGHUP starts one, SIGTERM ends it."""
        received = self.wait_for('READY=1')
        self.assertIn('WATCHDOG_USEC=10800000000', received)
        self.wait_for('STATUS=1 domain with annotated devices')
        self.write_domains(self.domain('vm'), self.domain('another'))
        self.service.send_signal(signal.SIGHUP)
        self.wait_for('STATUS=2 domains')
        (self.home / 'devices.json').unlink()
        self.service.send_signal(signal.SIGHUP)
        self.wait_for('devices.json is not there')
        (self.home / 'node.xml').write_text('<node')
        self.service.send_signal(signal.SIGHUP)
        self.wait_for('STATUS=libvirt at test://')
        self.service.terminate()
        self.wait_for('STOPPING=1')
        self.assertEqual(0, self.service.wait(waiting.DEADLINE))
        self.log.seek(0)
        log = self.log.read()
        self.assertNotIn('Traceback', log)
        self.assertIn(f'domain another: mdev {self.uuid}', log)
