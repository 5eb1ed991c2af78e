# SPDX-License-Identifier: Apache-2.0
"""The hook that libvirt calls, and the command behind it, as processes.

sysfs is made from captures of a machine with mdevs. test_guard_migration has
libvirt itself.
"""

import html
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import ddt
import fixtures
import testtools

from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file
from tests.functional import commands
from tests import mdev_tree
from tests.unit.late_check import test_domain_xml
from tests.unit.late_check import test_hook
from tests import vfio_tree
from tests import waiting

ROOT = pathlib.Path(__file__).parents[2]
HOOK = ROOT / 'etc/libvirt/hooks/qemu.d/nova-mdev-guard'
COMMAND = commands.path('nova-mdev-guard')
DOMAIN = test_domain_xml.with_metadata(
    domain_xml.write_annotation(test_hook.MDEVS)
)
WITH_FUNCTION = test_domain_xml.VFIO_LIVE
BEGIN = ('vg', 'migrate', 'begin', '-')

STUB = """#!/bin/sh
printf '%s ' "$@" > {home}/arguments
cat > {home}/stdin
echo 'why not' >&2
exit 3
"""
#: Fails if all installed packages are scanned, and prints what is imported.
IMPORTS = """
import importlib.metadata
import sys

def scan(*_, **__):
    raise AssertionError('all installed packages are scanned')

importlib.metadata.entry_points = importlib.metadata.distributions = scan
from nova_mdev_compat.cmd import start
status = start.guard(sys.argv[1:])
print(' '.join(sys.modules))
sys.exit(status)
"""
WITHOUT_ALARM = """
from nova_mdev_compat.cmd import start
import signal
import sys
signal.setitimer = lambda *_: None
start.guard(sys.argv[1:])
"""
HEAVY = {
    *('libvirt', 'lxml', 'jsonschema', 'keystoneauth1', 'requests'),
    *('oslo_log.log', 'pkg_resources', 'nova', 'cotyledon'),
}
#: In seconds.
CPU_LIMIT = 10
MANY_ATTRIBUTES = ' '.join(f'a{number}=""' for number in range(300000))


def block_alarm():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])


@ddt.ddt
class HookScriptTest(testtools.TestCase):
    """The hook starts Python only if it has to."""

    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        stub = self.home / 'nova-mdev-guard'
        stub.write_text(STUB.format(home=self.home))
        stub.chmod(0o755)

    def run_hook(self, *args, text=DOMAIN, path=''):
        return commands.run(
            [HOOK, *args],
            text,
            text=True,
            env={'PATH': f'{path or self.home}:/usr/bin:/bin'},
        )

    def asked(self):
        return (self.home / 'arguments').exists()

    @ddt.data(
        ('prepare', 'begin'),
        ('start', 'begin'),
        ('started', 'begin'),
        ('stopped', 'end'),
        ('release', 'end'),
        ('restore', 'begin'),
        ('reconnect', 'begin'),
        ('attach', 'begin'),
        ('migrate', 'end'),
    )
    @ddt.unpack
    def test_other_operations(self, *operation):
        self.assert_passed(self.run_hook('vg', *operation, '-'))

    @ddt.named_data(
        ('other_hostdev', DOMAIN.replace('mdev', 'usb')),
        (
            'tenants_text',
            DOMAIN.replace('mdev', 'usb').replace(
                '<vcpu',
                html.escape(WITH_FUNCTION).replace('&#x27;', "'") + '<vcpu',
            ),
        ),
        (
            # Its controllers have PCI addresses in the guest.
            'no_hostdev',
            re.sub('<hostdev.*</hostdev>', '', WITH_FUNCTION, flags=re.DOTALL),
        ),
    )
    def test_no_devices(self, text):
        self.assertIn("type='pci'", text)
        self.assert_passed(self.run_hook(*BEGIN, text=text))

    def test_pci_device(self):
        """As libvirt writes it."""
        self.assertNotIn('mdev', WITH_FUNCTION)
        done = self.run_hook(*BEGIN, text=WITH_FUNCTION)
        self.assertEqual(3, done.returncode)
        self.assertEqual(
            WITH_FUNCTION.rstrip('\n'), (self.home / 'stdin').read_text()
        )

    def assert_passed(self, done):
        """The hook has accepted without the guard."""
        self.assertEqual(
            (0, '', ''), (done.returncode, done.stdout, done.stderr)
        )
        self.assertFalse(self.asked())

    def test_mdevs(self):
        """The guard gets all that libvirt passes, and its answer counts."""
        done = self.run_hook('v g', *BEGIN[1:])
        self.assertEqual(
            (3, '', 'why not\n'), (done.returncode, done.stdout, done.stderr)
        )
        self.assertEqual(
            '-- v g migrate begin - ', (self.home / 'arguments').read_text()
        )
        self.assertEqual(
            DOMAIN.rstrip('\n'), (self.home / 'stdin').read_text()
        )

    def test_no_domain(self):
        self.assertEqual(3, self.run_hook(*BEGIN, text='').returncode)
        self.assertTrue(self.asked())

    def test_no_guard(self):
        """Without the guard, the migration is refused."""
        done = self.run_hook(*BEGIN, path='/nowhere')
        self.assertEqual(127, done.returncode)
        self.assertIn('nova-mdev-guard', done.stderr)


class GuardTestCase(testtools.TestCase):
    """A host with two devices, and the guard as a process."""

    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for uuid in ('11111111', '33333333'):
            mdev_tree.add(self.home / 'sys', mdev_tree.capture(uuid))
        self.leave(test_hook.devices())
        self.options = {'time_limit': '10'}

    def leave(self, devices):
        """Write the devices file."""
        entries = {
            name: devices_file.DeviceEntry(
                frozenset(item['identity']), item['accepts']
            )
            for name, item in devices.items()
        }
        devices_file.write(
            self.home / 'devices.json',
            devices_file.DevicesFile('here', time.time(), entries),
        )

    def arguments(self):
        options = ''.join(
            f'{name} = {value}\n' for name, value in self.options.items()
        )
        (self.home / 'guard.conf').write_text(
            f'[collector]\ndevices_file = {self.home}/devices.json\n'
            f'sysfs_root = {self.home}/sys\n[guard]\n{options}'
        )
        return ['--config-file', str(self.home / 'guard.conf'), *BEGIN]

    def run_guard(self, text=DOMAIN, **kwargs):
        return commands.run(
            [COMMAND, *self.arguments()],
            text,
            timeout=waiting.DEADLINE,
            **kwargs,
        )

    def assert_refused(self, done, *words):
        self.assertEqual((1, b''), (done.returncode, done.stdout), done.stderr)
        (line,) = done.stderr.decode().splitlines()
        for word in words:
            self.assertIn(word, line)

    def hang(self):
        """Make the guard wait for a file for ever."""
        (self.home / 'devices.json').unlink()
        subprocess.run(['mkfifo', self.home / 'devices.json'], check=True)
        self.options['time_limit'] = '1'


class FunctionTestCase(GuardTestCase):
    """A host with a board, and a domain with a function of it."""

    def setUp(self):
        super().setUp()
        vfio_tree.write(self.home / 'sys', test_hook.BOARD)
        self.leave({'0000:01:00.0': test_hook.board_entry()})


@ddt.ddt
class FunctionTest(FunctionTestCase):
    domain = test_hook.function_domain(test_hook.FUNCTION)

    def test_accepted(self):
        done = self.run_guard(self.domain)
        self.assertEqual(
            (0, b'', b''), (done.returncode, done.stdout, done.stderr)
        )

    def test_refused(self):
        self.leave({'0000:01:00.0': test_hook.board_entry('DRIVER_GE_560')})
        self.assert_refused(
            self.run_guard(self.domain),
            'nova-mdev-guard: refused: domain vg: incompatible: virtual '
            'function 0000:01:00.1 on 0000:01:00.0 does not accept 10de:2235 '
            'nvidia-558 driver=550.90.07 ',
            'framework=vfio kernel=5.14.0.427.el9 os=rhel-9.6 '
            "subsystem=10de:1482: rule 'our rule': driver 550.90.07 is not at "
            'least 560',
        )

    def test_type_is_gone(self):
        vfio_tree.set_type(self.home / 'sys', '0000:01:00.1', '0')
        self.assert_refused(
            self.run_guard(self.domain),
            'incompatible: virtual function 0000:01:00.1 on 0000:01:00.0: no '
            'vGPU type is set (current_vgpu_type is 0)',
        )

    def test_other_pci_device(self):
        """Passthrough costs no policy, whatever else is missing."""
        shutil.rmtree(self.home / 'sys/bus/pci')
        (self.home / 'devices.json').unlink()
        done = self.run_guard(WITH_FUNCTION)
        self.assertEqual((0, b''), (done.returncode, done.stderr))

    def test_many(self):
        """Time is limited, however many devices the domain has."""
        hostdev = re.search('<hostdev.*</hostdev>', WITH_FUNCTION, re.DOTALL)[
            0
        ]
        number = 3 * 2**20 // len(hostdev)
        self.options['time_limit'] = '3'
        self.assert_refused(
            self.run_guard(
                self.domain.replace(
                    '</devices>', f'{hostdev * number}</devices>'
                )
            ),
            'unknown ([guard]unknown = reject): ',
        )


@ddt.ddt
class GuardTest(GuardTestCase):
    def test_accepted(self):
        done = self.run_guard()
        self.assertEqual(
            (0, b'', b''), (done.returncode, done.stdout, done.stderr)
        )

    def test_refused(self):
        self.leave(test_hook.refusing())
        self.assert_refused(
            self.run_guard(),
            'nova-mdev-guard: refused: domain vg: '
            'incompatible: mdev 11111111-1111-4111-8111-111111111111 on '
            'pci_0000_01_00_0 does not accept 1234:11e8 labgpu-1 driver=1.0: '
            "rule 'our rule': driver 1.0 is not at least 2",
        )

    def test_through_the_hook(self):
        """The hook calls the real guard, found in PATH."""
        script = self.home / 'bin/nova-mdev-guard'
        script.parent.mkdir()
        script.write_text(
            f'#!/bin/sh\nshift\nexec {COMMAND} {" ".join(self.arguments())}\n'
        )
        script.chmod(0o755)
        for status, devices in ((0, test_hook.devices()), (1, {})):
            self.leave(devices)
            done = commands.run(
                [HOOK, *BEGIN],
                DOMAIN,
                env={'PATH': f'{script.parent}:/usr/bin:/bin'},
            )
            self.assertEqual(status, done.returncode, done.stderr)

    @ddt.named_data(
        (
            'bomb',
            f'<!DOCTYPE domain [<!ENTITY l0 "lol">{test_domain_xml.BOMB}]>'
            '<domain>&l9;</domain>',
            'document type',
        ),
        (
            'large',
            f'<domain>{"<mdev/>" * (10 * 2**20 // 7)}</domain>',
            'more than 4 MiB',
        ),
        ('deep', '<domain>' * 400000, 'more than 64 elements deep'),
        ('wide', f'<domain>{"<a/>" * 10**6}', 'is broken'),
        ('long_name', f'<{"mdev" * 10**6}/>', 'it is not a domain'),
        ('attributes', f'<domain {MANY_ATTRIBUTES}>', 'is broken'),
    )
    def test_hostile(self, text, words):
        """Time and memory are bounded."""

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT))

        self.assert_refused(self.run_guard(text, preexec_fn=limit), words)

    def test_endless(self):
        """The guard reads no further than the size limit."""
        # A pipe that Popen makes does not block where eventlet patches it.
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        source = subprocess.Popen(['yes', '<domain>'], stdout=writing)
        os.close(writing)
        self.addCleanup(source.wait)
        self.addCleanup(source.kill)
        done = subprocess.run(
            [COMMAND, *self.arguments()],
            stdin=reading,
            check=False,
            capture_output=True,
            timeout=waiting.DEADLINE,
        )
        self.assert_refused(done, 'more than 4 MiB')

    def test_time_limit(self):
        """Its signal works even if the parent process blocks it."""
        self.hang()
        self.assert_refused(
            self.run_guard(preexec_fn=block_alarm),
            'unknown',
            'it has taken more than 1 seconds ([guard]time_limit)',
        )

    def test_end_without_python(self):
        """The process ends even if Python cannot handle the signal."""
        self.hang()
        done = commands.run(
            [sys.executable, '-c', WITHOUT_ALARM, *self.arguments()], DOMAIN
        )
        self.assertEqual(1, done.returncode)
        self.assertIn(b'Timeout (0:00:03)', done.stderr)

    def test_imports(self):
        done = commands.run(
            [sys.executable, '-c', IMPORTS, *self.arguments()],
            DOMAIN,
            text=True,
        )
        self.assertEqual(0, done.returncode, done.stderr)
        loaded = set(done.stdout.split())
        self.assertIn('nova_mdev_compat.late_check.check', loaded)
        self.assertEqual(set(), loaded & HEAVY)

    def test_manual_use(self):
        """--help is complete, and wrong arguments are explained."""
        for argument, status, words in (
            (
                '--help',
                0,
                ('suboperation', '/etc/nova-mdev-compat', 'virsh dumpxml'),
            ),
            ('vg', 2, ('usage: nova-mdev-guard',)),
        ):
            done = subprocess.run(
                [COMMAND, argument],
                capture_output=True,
                text=True,
                check=False,
            )
            self.assertEqual(status, done.returncode, done.stderr)
            for word in words:
                self.assertIn(word, done.stdout + done.stderr)

    def test_tools(self):
        """The programs that the hook calls are installed."""
        for name in ('timeout', 'cat'):
            self.assertIsNotNone(shutil.which(name, path='/usr/bin:/bin'))
