# SPDX-License-Identifier: Apache-2.0
"""The guard's order of things. As a process it is in the functional tests."""

import dataclasses
import io
import json
import os
import pathlib
import signal
import syslog
import threading
from unittest import mock

import ddt
import fixtures
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.late_check import hook
from tests import mdev_tree
from tests.unit.late_check import test_domain_xml
from tests.unit.publication import test_devices_file

LABGPU = identity.Identity.of('1234_11E8', 'labgpu-1', {'driver': '1.0'})
#: Each is broken by a method of the test.
UNKNOWN = (
    'annotation',
    'device_file',
    'device_file_text',
    'version',
    'age',
    'clock',
    'mdev',
    'mdev_type',
    'device',
    'domain',
)
MDEVS = (
    domain_xml.AnnotatedMdev('a', identity.Identity.of('MTTY', 'mtty-1')),
    domain_xml.AnnotatedMdev('b', LABGPU),
)


def devices(accept='CUSTOM_MDEV_ACCEPT_1234_11E8__LABGPU_1__DRIVER_GE_1'):
    """Return what the captures' devices would be and accept."""
    return {
        'mtty_mtty': {
            'identity': ['CUSTOM_MDEV_V1', 'CUSTOM_MDEV_TYPE_MTTY_1'],
            'accepts': {'CUSTOM_MDEV_ACCEPT_MTTY__MTTY_1': ['mtty']},
        },
        'pci_0000_01_00_0': {
            'identity': ['CUSTOM_MDEV_V1', 'CUSTOM_MDEV_TYPE_LABGPU_1'],
            'accepts': {accept: ['our rule']},
        },
    }


@ddt.ddt
class HookTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for uuid in ('11111111', '33333333'):
            mdev_tree.add(self.home / 'sys', mdev_tree.capture(uuid))
        self.now = test_devices_file.NOW
        self.useFixture(fixtures.MonkeyPatch('time.time', lambda: self.now))
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_mdev_compat.late_check.hook.DIRECTORY',
                str(self.home / 'conf'),
            )
        )
        self.logged = []
        self.useFixture(
            fixtures.MonkeyPatch(
                'syslog.syslog', lambda *args: self.logged.append(args)
            )
        )
        self.domain = test_domain_xml.with_metadata(
            domain_xml.write_annotation(MDEVS)
        )
        self.leave(devices())
        self.options = {}

    def leave(self, found):
        (self.home / 'devices.json').write_text(
            test_devices_file.changed(devices=found)
        )

    def run_hook(self, *argv, stdin=None):
        """Return status and what was said."""
        (self.home / 'conf').mkdir(exist_ok=True)
        (self.home / 'conf/guard.conf').write_text(
            '\n'.join(
                [
                    '[collector]',
                    f'devices_file = {self.home}/devices.json',
                    f'sysfs_root = {self.home}/sys',
                    '[guard]',
                    *(
                        f'{name} = {value}'
                        for name, value in self.options.items()
                    ),
                ]
            )
        )
        stdin = stdin or io.TextIOWrapper(io.BytesIO(self.domain.encode()))
        said = io.StringIO()
        with (
            fixtures.MonkeyPatch('sys.stdin', stdin),
            fixtures.MonkeyPatch('sys.stderr', said),
        ):
            status = hook.main(argv or ['vg', 'migrate', 'begin', '-'])
        return status, said.getvalue()

    def assert_passes(self, *argv):
        self.assertEqual((0, ''), self.run_hook(*argv))

    def assert_refused(self, *words):
        """It is, in one line, which the system's log has, too."""
        status, said = self.run_hook()
        self.assertEqual(1, status)
        (line,) = said.splitlines()
        self.assertTrue(line.startswith('nova-mdev-guard: refused: '), line)
        for word in words:
            self.assertIn(word, line)
        self.assertEqual(
            [(syslog.LOG_WARNING, line.removeprefix('nova-mdev-guard: '))],
            self.logged,
        )

    def assert_let_through(self, *words):
        self.assert_passes()
        ((priority, line),) = self.logged
        self.assertEqual(syslog.LOG_WARNING, priority)
        for word in ('let through: domain vg: ', *words):
            self.assertIn(word, line)

    def refuse(self):
        """Let one of the devices not accept the domain."""
        self.leave(
            devices('CUSTOM_MDEV_ACCEPT_1234_11E8__LABGPU_1__DRIVER_GE_2')
        )

    def test_accepted(self):
        self.assert_passes()
        self.assertEqual([], self.logged)

    def test_refused(self):
        self.refuse()
        self.assert_refused(
            'domain vg: incompatible: mdev 11111111-1111-4111-8111-'
            '111111111111 on pci_0000_01_00_0 does not accept 1234:11e8 '
            "labgpu-1 driver=1.0: rule 'our rule': driver 1.0 is not at least "
            '2'
        )

    def test_permissive(self):
        self.options['mode'] = 'permissive'
        self.refuse()
        self.assert_let_through('incompatible: ', 'is not at least 2')

    def test_off(self):
        self.options['mode'] = 'off'
        self.domain = 'no domain at all'
        self.assert_passes()
        self.assertEqual([], self.logged)

    def test_without_directory(self):
        """Defaults are in force: enforcing, and the usual file."""
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_mdev_compat.late_check.hook.DIRECTORY', '/nowhere'
            )
        )
        self.assert_refused(
            'unknown ([guard]unknown = reject): /var/lib/'
            'nova-mdev-compat/devices.json is not there'
        )

    @ddt.data(('prepare', 'begin'), ('migrate', 'end'), ('release', 'end'))
    @ddt.unpack
    def test_other_operations(self, operation, suboperation):
        self.domain = ''
        self.assert_passes('vg', operation, suboperation, '-')

    def test_no_mdevs(self):
        """Nothing else is read."""
        (self.home / 'devices.json').unlink()
        self.domain = self.domain.replace("type='mdev'", "type='pci'")
        self.assert_passes()

    def break_annotation(self):
        self.domain = test_domain_xml.LIVE
        return 'is nova-mdev-annotator running on its host?'

    def break_device_file(self):
        (self.home / 'devices.json').unlink()
        return 'nova-mdev-collector has not run on this host'

    def break_device_file_text(self):
        (self.home / 'devices.json').write_text('{}')
        return 'devices.json is invalid: no schema_version'

    def break_age(self):
        self.now += 601
        return (
            'devices.json is 601 seconds old ([collector]devices_max_age):'
            ' is nova-mdev-collector running here?'
        )

    def break_clock(self):
        self.now -= 5
        return 'devices.json is from the future'

    def break_mdev(self):
        mdev = self.home / 'sys/bus/mdev/devices' / test_domain_xml.UUIDS[0]
        mdev.unlink()
        return f"mdev '{test_domain_xml.UUIDS[0]}' is not on this host"

    def break_mdev_type(self):
        mdev = self.home / 'sys/bus/mdev/devices' / test_domain_xml.UUIDS[0]
        (mdev / 'mdev_type').unlink()
        return f'mdev {test_domain_xml.UUIDS[0]}: [Errno 2]'

    def break_device(self):
        found = devices()
        del found['mtty_mtty']
        self.leave(found)
        return 'on mtty_mtty: no collector has published here'

    def break_version(self):
        (self.home / 'devices.json').write_text(
            test_devices_file.changed(schema_version='2.0')
        )
        return (
            'devices.json: schema_version 2.0 cannot be read: this '
            'nova-mdev-compat reads 1.x. Upgrade it here'
        )

    def break_domain(self):
        self.domain = ''
        return 'there is no domain on standard input'

    @ddt.data(*UNKNOWN)
    def test_unknown(self, what):
        words = getattr(self, f'break_{what}')()
        self.assert_refused('unknown ([guard]unknown = reject): ', words)

    @ddt.data(*UNKNOWN)
    def test_unknown_is_allowed(self, what):
        self.options['unknown'] = 'allow'
        words = getattr(self, f'break_{what}')()
        self.assert_let_through('unknown ([guard]unknown = allow): ', words)

    def test_incompatible_and_unknown(self):
        """What is known to be wrong is not unknown."""
        self.options['unknown'] = 'allow'
        self.refuse()
        found = json.loads((self.home / 'devices.json').read_text())
        del found['devices']['mtty_mtty']
        self.leave(found['devices'])
        self.assert_refused('incompatible: ', '; mdev 33333333')

    @ddt.data('mdev', 'mdev_type')
    def test_incompatible_beside_one_that_is_nowhere(self, what):
        self.options['unknown'] = 'allow'
        self.refuse()
        words = getattr(self, f'break_{what}')()
        self.assert_refused('incompatible: mdev 11111111', words)

    @ddt.data('<domain', '<!DOCTYPE d><domain/>')
    def test_broken(self, text):
        """No libvirt writes that: it is not a matter of what is unknown."""
        self.options['unknown'] = 'allow'
        self.domain = text
        self.assert_refused('incompatible: the domain: ')

    @ddt.data('mode', 'unknown', 'time_limit')
    def test_bad_option(self, name):
        self.options[name] = 'perhaps'
        status, said = self.run_hook()
        self.assertEqual(2, status)
        self.assertIn(
            'nova-mdev-guard: refused: domain vg: configuration: ', said
        )
        self.assertIn(name, said)
        self.assertIn('guard.conf', said)

    def break_options(self):
        (self.home / 'conf').mkdir()
        (self.home / 'conf/a.conf').write_bytes(b'[collector]\nx\xff\n')
        (self.home / 'conf/gone.conf').symlink_to('/nowhere')
        self.options['time_limit'] = 'ten'

    def test_bad_options_permissive(self):
        """Nothing is refused then, and the log says what would be."""
        self.break_options()
        self.options['mode'] = 'permissive'
        self.assert_let_through(
            'configuration: ',
            'a.conf is not in UTF-8',
            f'Failed to find some config files: {self.home}/conf/gone.conf',
            '[guard]time_limit: invalid literal',
        )

    def test_bad_options_off(self):
        """It is the way out in an emergency."""
        self.break_options()
        self.options['mode'] = 'off'
        self.assert_passes()
        self.assertEqual([], self.logged)

    def test_bad_options_and_other_operations(self):
        self.options['mode'] = 'perhaps'
        self.assert_passes('vg', 'prepare', 'begin', '-')

    @ddt.data(
        'bad\udcffname',
        '--',
        '-',
        '--help',
        '',
        'a\0b',
        'a\x1b[31mb',
        'a\nb',
        '\u2028',
        '\ud800',
        'ü',
        '%s%n',
        'x' * 10**6,
        '\ud800' * 10**4,
    )
    def test_any_name(self, name):
        """It is shown as one line that every log takes."""
        self.refuse()
        status, said = self.run_hook('--', name, 'migrate', 'begin', '-')
        self.assertEqual(1, status)
        (line,) = said.splitlines()
        self.assertTrue(line.isprintable())
        self.assertTrue(line.startswith('nova-mdev-guard: refused: domain '))
        self.assertLess(len(line), 2100)
        ((_, logged),) = self.logged
        self.assertEqual(line, f'nova-mdev-guard: {logged}')
        self.assertIn(
            name[:9] if name.isprintable() else 'domain ',
            logged.encode().decode(),
        )

    def test_any_rule_name(self):
        found = devices('CUSTOM_MDEV_ACCEPT_1234_11E8__LABGPU_1__DRIVER_GE_2')
        (rules,) = found['pci_0000_01_00_0']['accepts'].values()
        rules[:] = ['\0\x1b\ud800 \udcff']
        self.leave(found)
        self.assert_refused(r"rule '\x00\x1b\ud800 \udcff'")

    def test_more_arguments(self):
        """Some libvirt may give more than today's."""
        self.assert_passes('--', 'vg', 'migrate', 'begin', '-', 'more', '--')
        self.refuse()
        self.assertEqual(
            1, self.run_hook('vg', 'migrate', 'begin', '-', 'more')[0]
        )

    def test_bad_arguments(self):
        exc = self.assertRaises(SystemExit, self.run_hook, 'vg')
        self.assertEqual(2, exc.code)

    def test_time_limit(self):
        """libvirt does not wait for somebody who keeps the input open."""
        self.options |= {'time_limit': 1}
        reads, writes = self.pipe()
        status, said = self.run_hook(stdin=reads)
        self.assertEqual(1, status)
        self.assertIn(
            'unknown ([guard]unknown = reject): it has taken more '
            'than 1 seconds ([guard]time_limit)',
            said,
        )
        self.assertFalse(writes.closed)

    def test_time_limit_where_unknown_is_allowed(self):
        self.options |= {'time_limit': 1, 'unknown': 'allow'}
        reads, _ = self.pipe()
        self.assertEqual((0, ''), self.run_hook(stdin=reads))

    def pipe(self):
        reads, writes = os.pipe()
        reads, writes = os.fdopen(reads), os.fdopen(writes, 'w')
        self.addCleanup(reads.close)
        self.addCleanup(writes.close)
        return reads, writes

    def test_options_that_never_come(self):
        """Nobody knows the policy then."""
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_mdev_compat.late_check.hook.options.TIME_LIMIT', 1
            )
        )
        (self.home / 'conf').mkdir()
        os.mkfifo(self.home / 'conf/x.conf')
        self.options['mode'] = 'permissive'
        self.assert_refused('it has taken more than')

    @ddt.data(('enforcing', 1), ('permissive', 0))
    @ddt.unpack
    def test_log_that_hangs(self, mode, expected):
        """An answer does not depend on it."""
        self.options['mode'] = mode
        self.refuse()
        reads, _ = self.pipe()
        self.useFixture(
            fixtures.MonkeyPatch('syslog.syslog', lambda *_: reads.read())
        )
        status, said = self.run_hook()
        self.assertEqual(expected, status)
        self.assertEqual(bool(expected), 'incompatible' in said)
        self.assertEqual((0.0, 0.0), signal.getitimer(signal.ITIMER_REAL))

    def test_log_that_fails(self):
        self.options['mode'] = 'permissive'
        self.refuse()
        self.useFixture(
            fixtures.MonkeyPatch(
                'syslog.syslog', mock.Mock(side_effect=OSError(5, 'no'))
            )
        )
        self.assert_passes()

    def test_alarm_is_blocked(self):
        """By whoever has started it."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        self.addCleanup(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
        self.options |= {'time_limit': 1, 'mode': 'permissive'}
        reads, _ = self.pipe()
        self.assertEqual((0, ''), self.run_hook(stdin=reads))
        self.assertIn('more than 1 seconds', self.logged[0][1])

    def test_nothing_stays(self):
        """Neither an alarm nor its handler."""
        before = signal.getsignal(signal.SIGALRM)
        threads = threading.active_count()
        self.assert_passes()
        self.assertEqual(
            (before, (0.0, 0.0), threads),
            (
                signal.getsignal(signal.SIGALRM),
                signal.getitimer(signal.ITIMER_REAL),
                threading.active_count(),
            ),
        )

    def test_line_is_short(self):
        """Whatever a domain says."""
        mdevs = [
            domain_xml.AnnotatedMdev(
                'b',
                dataclasses.replace(
                    LABGPU,
                    facts=frozenset({('driver', f'{number}_{"9" * 200}')}),
                ),
            )
            for number in range(30)
        ]
        self.domain = test_domain_xml.with_metadata(
            domain_xml.write_annotation(mdevs)
        )
        self.domain = self.domain.replace(
            '</devices>',
            (
                "<hostdev type='mdev'><source><address uuid='11111111-1111-4111-"
                "8111-111111111111'/></source></hostdev>"
            )
            * 28
            + '</devices>',
        )
        self.leave(
            devices('CUSTOM_MDEV_ACCEPT_1234_11E8__LABGPU_1__DRIVER_LE_2')
        )
        status, said = self.run_hook()
        self.assertEqual(1, status)
        self.assertEqual(1, len(said.splitlines()))
        self.assertLess(len(said), 2100)

    @ddt.data(('reject', 1), ('allow', 0))
    @ddt.unpack
    def test_bug(self, unknown, expected):
        """It is an answer, too, and by the policy."""
        self.options['unknown'] = unknown
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_mdev_compat.late_check.check.check_domain', lambda: None
            )
        )
        status, _ = self.run_hook()
        self.assertEqual(expected, status)
        self.assertIn('TypeError: ', self.logged[0][1])
        self.assertIn('this is a bug in nova-mdev-guard', self.logged[0][1])
