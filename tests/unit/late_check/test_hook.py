# SPDX-License-Identifier: Apache-2.0
"""The guard in this process; functional tests run the command."""

import io
import os
import pathlib
import re
import shutil
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
from tests.unit import samples
from tests import vfio_tree

LABGPU = identity.Identity.of('1234_11E8', 'labgpu-1', {'driver': '1.0'})
MDEVS = (
    domain_xml.AnnotatedDevice('a', identity.Identity.of('MTTY', 'mtty-1')),
    domain_xml.AnnotatedDevice('b', LABGPU),
)


def devices(accept='CUSTOM_MDEV_ACCEPT_1234_11E8__LABGPU_1__DRIVER_GE_1'):
    """Return the devices file's entries of the captured devices."""
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


def refusing():
    """Return the same devices; one refuses the domain."""
    return devices('CUSTOM_MDEV_ACCEPT_1234_11E8__LABGPU_1__DRIVER_GE_2')


#: The board that the captured domain has a function of.
BOARD = vfio_tree.VfioBoard(bus=1, first=1)
FUNCTION = domain_xml.AnnotatedDevice(
    '0000:01:00.3', samples.with_facts(framework='vfio'), 'VFIO'
)


def function_domain(*annotated):
    """Return the captured domain with a virtual function, annotated."""
    element = domain_xml.write_annotation(annotated) if annotated else ''
    return test_domain_xml.VFIO_LIVE.replace(
        '<memory ', f'<metadata>{element}</metadata><memory ', 1
    )


def board_entry(accept='DRIVER_GE_550'):
    """Return the devices file's entry of that board."""
    pattern = f'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_558__{accept}'
    return {
        'identity': ['CUSTOM_MDEV_V1', 'CUSTOM_MDEV_TYPE_NVIDIA_558'],
        'accepts': {f'{pattern}__FRAMEWORK_IS_VFIO': ['our rule']},
    }


class HookTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for uuid in ('11111111', '33333333'):
            mdev_tree.add(self.home / 'sys', mdev_tree.capture(uuid))
        self.now = test_devices_file.NOW
        self.patch_for_test('time.time', lambda: self.now)
        self.directory_is(self.home / 'conf')
        self.logged = []
        self.patch_for_test(
            'syslog.syslog', lambda *args: self.logged.append(args)
        )
        self.domain = test_domain_xml.with_metadata(
            domain_xml.write_annotation(MDEVS)
        )
        self.leave(devices())
        self.options = {}

    def patch_for_test(self, name, value):
        self.useFixture(fixtures.MonkeyPatch(name, value))

    def directory_is(self, path):
        self.patch_for_test(
            'nova_mdev_compat.late_check.hook.DIRECTORY', str(path)
        )

    def leave(self, found):
        (self.home / 'devices.json').write_text(
            test_devices_file.changed(devices=found)
        )

    def run_hook(self, *argv, stdin=None):
        """Return the exit status, and what is written to stderr."""
        (self.home / 'conf').mkdir(exist_ok=True)
        options = ''.join(
            f'{name} = {value}\n' for name, value in self.options.items()
        )
        (self.home / 'conf/guard.conf').write_text(
            f'[collector]\ndevices_file = {self.home}/devices.json\n'
            f'sysfs_root = {self.home}/sys\n[guard]\n{options}'
        )
        stdin = stdin or io.TextIOWrapper(io.BytesIO(self.domain.encode()))
        stderr = io.StringIO()
        with (
            fixtures.MonkeyPatch('sys.stdin', stdin),
            fixtures.MonkeyPatch('sys.stderr', stderr),
        ):
            status = hook.main(argv or ['vg', 'migrate', 'begin', '-'])
        return status, stderr.getvalue()

    def assert_passes(self, *argv):
        self.assertEqual((0, ''), self.run_hook(*argv))

    def assert_refused(self, *words):
        """The domain is refused, in one line that is also logged."""
        status, text = self.run_hook()
        self.assertEqual(1, status)
        (line,) = text.splitlines()
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


@ddt.ddt
class HookTest(HookTestCase):
    def refuse(self):
        """Make one of the devices refuse the domain."""
        self.leave(refusing())

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
        self.directory_is('/nowhere')
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
        self.domain = self.domain.replace("type='mdev'", "type='usb'")
        self.assert_passes()

    def mdev(self):
        return self.home / 'sys/bus/mdev/devices' / test_domain_xml.UUIDS[0]

    def write_devices(self, text):
        (self.home / 'devices.json').write_text(text)

    def set(self, name, value):
        setattr(self, name, value)

    @ddt.named_data(
        (
            'annotation',
            lambda test: test.set('domain', test_domain_xml.LIVE),
            'is nova-mdev-annotator running on its host?',
        ),
        (
            'no_domain',
            lambda test: test.set('domain', ''),
            'there is no domain on standard input',
        ),
        (
            'device_file',
            lambda test: (test.home / 'devices.json').unlink(),
            'nova-mdev-collector has not run on this host',
        ),
        (
            'device_file_text',
            lambda test: test.write_devices('{}'),
            'devices.json is invalid: no schema_version',
        ),
        (
            'version',
            lambda test: test.write_devices(
                test_devices_file.changed(schema_version='2.0')
            ),
            'devices.json: schema_version 2.0 cannot be read: this '
            'nova-mdev-compat reads 1.x. Upgrade it here',
        ),
        (
            'age',
            lambda test: test.set('now', test.now + 601),
            'devices.json is 601 seconds old ([collector]devices_max_age):'
            ' is nova-mdev-collector running here?',
        ),
        (
            'clock',
            lambda test: test.set('now', test.now - 5),
            'devices.json is from the future',
        ),
        (
            'mdev',
            lambda test: test.mdev().unlink(),
            f"mdev '{test_domain_xml.UUIDS[0]}' is not on this host",
        ),
        (
            'mdev_type',
            lambda test: (test.mdev() / 'mdev_type').unlink(),
            f'mdev {test_domain_xml.UUIDS[0]}: [Errno 2]',
        ),
        (
            'device',
            lambda test: test.leave(
                {'pci_0000_01_00_0': devices()['pci_0000_01_00_0']}
            ),
            'on mtty_mtty: no collector has published here',
        ),
    )
    def test_unknown(self, spoil, words):
        spoil(self)
        self.assert_refused('unknown ([guard]unknown = reject): ', words)
        self.logged.clear()
        self.options['unknown'] = 'allow'
        self.assert_let_through('unknown ([guard]unknown = allow): ', words)

    @ddt.data('device', 'mdev', 'mdev_type')
    def test_incompatible_beside_unknown(self, what):
        """The unknown policy does not apply to an incompatible domain."""
        self.options['unknown'] = 'allow'
        found = refusing()
        if what == 'device':
            del found['mtty_mtty']
        elif what == 'mdev':
            self.mdev().unlink()
        else:
            (self.mdev() / 'mdev_type').unlink()
        self.leave(found)
        self.assert_refused('incompatible: mdev 11111111', '; mdev ')

    @ddt.data('<domain', '<!DOCTYPE d><domain/>')
    def test_broken(self, text):
        """libvirt does not write that: the unknown policy does not apply."""
        self.options['unknown'] = 'allow'
        self.domain = text
        self.assert_refused('incompatible: the domain: ')

    def test_bad_options_and_other_operations(self):
        self.options['mode'] = 'perhaps'
        self.assert_passes('vg', 'prepare', 'begin', '-')

    @ddt.data(
        'bad\udcffname',
        '--',
        '-',
        'a\0b',
        'a\nb',
        '\ud800',
        'ü',
        'x' * 10**6,
        '\ud800' * 10**4,
    )
    def test_any_name(self, name):
        """The line is printable, and short enough for every log."""
        self.refuse()
        status, text = self.run_hook('--', name, 'migrate', 'begin', '-')
        self.assertEqual(1, status)
        (line,) = text.splitlines()
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
        found = refusing()
        (rules,) = found['pci_0000_01_00_0']['accepts'].values()
        rules[:] = ['\0\x1b\ud800 \udcff']
        self.leave(found)
        self.assert_refused(r"rule '\x00\x1b\ud800 \udcff'")

    def test_more_arguments(self):
        """A newer libvirt may pass more than today's."""
        self.assert_passes('--', 'vg', 'migrate', 'begin', '-', 'more', '--')
        self.refuse()
        self.assertEqual(
            1, self.run_hook('vg', 'migrate', 'begin', '-', 'more')[0]
        )

    def test_bad_arguments(self):
        exc = self.assertRaises(SystemExit, self.run_hook, 'vg')
        self.assertEqual(2, exc.code)

    @ddt.data(('reject', 1), ('allow', 0))
    @ddt.unpack
    def test_time_limit(self, unknown, expected):
        """The guard does not wait for an input that stays open.

        Whatever has started it may have blocked the signal.
        """
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        self.addCleanup(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
        self.options |= {'time_limit': 1, 'unknown': unknown}
        reads, writes = self.pipe()
        status, _ = self.run_hook(stdin=reads)
        self.assertEqual(expected, status)
        self.assertIn(
            f'unknown ([guard]unknown = {unknown}): it has taken more than '
            '1 seconds ([guard]time_limit)',
            self.logged[0][1],
        )
        self.assertFalse(writes.closed)

    def pipe(self):
        reads, writes = os.pipe()
        reads, writes = os.fdopen(reads), os.fdopen(writes, 'w')
        self.addCleanup(reads.close)
        self.addCleanup(writes.close)
        return reads, writes

    def test_options_that_never_come(self):
        """The policy is unknown then, so the defaults apply."""
        self.patch_for_test(
            'nova_mdev_compat.late_check.hook.options.TIME_LIMIT', 0.2
        )
        (self.home / 'conf').mkdir()
        os.mkfifo(self.home / 'conf/x.conf')
        self.options['mode'] = 'permissive'
        self.assert_refused('it has taken more than')

    @ddt.data(('enforcing', 1), ('permissive', 0))
    @ddt.unpack
    def test_log_that_hangs(self, mode, expected):
        """The answer does not depend on the log."""
        self.options['mode'] = mode
        self.refuse()
        reads, _ = self.pipe()
        self.patch_for_test('nova_mdev_compat.late_check.hook.LOG_LIMIT', 0.2)
        self.patch_for_test('syslog.syslog', lambda *_: reads.read())
        status, text = self.run_hook()
        self.assertEqual(expected, status)
        self.assertEqual(bool(expected), 'incompatible' in text)
        self.assertEqual((0.0, 0.0), signal.getitimer(signal.ITIMER_REAL))

    def test_log_that_fails(self):
        self.options['mode'] = 'permissive'
        self.refuse()
        self.patch_for_test(
            'syslog.syslog', mock.Mock(side_effect=OSError(5, 'no'))
        )
        self.assert_passes()

    def test_nothing_remains(self):
        """No alarm, handler or thread remains."""
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
        """Whatever the domain contains."""
        mdevs = [
            domain_xml.AnnotatedDevice(
                'b',
                identity.Identity.of(
                    '1234_11E8',
                    'labgpu-1',
                    {'driver': f'{number}.{"9" * 200}'},
                ),
            )
            for number in range(30)
        ]
        hostdev = (
            "<hostdev type='mdev'><source><address uuid='11111111-1111-4111-"
            "8111-111111111111'/></source></hostdev>"
        )
        self.domain = test_domain_xml.with_metadata(
            domain_xml.write_annotation(mdevs)
        ).replace('</devices>', hostdev * 28 + '</devices>')
        self.leave(
            devices('CUSTOM_MDEV_ACCEPT_1234_11E8__LABGPU_1__DRIVER_LE_2')
        )
        status, text = self.run_hook()
        self.assertEqual(1, status)
        self.assertEqual(1, len(text.splitlines()))
        self.assertLess(len(text), 2100)

    @ddt.data(('reject', 1), ('allow', 0))
    @ddt.unpack
    def test_bug(self, unknown, expected):
        """The unknown policy applies to it."""
        self.options['unknown'] = unknown
        self.patch_for_test(
            'nova_mdev_compat.late_check.check.check_domain', lambda: None
        )
        status, _ = self.run_hook()
        self.assertEqual(expected, status)
        self.assertIn('TypeError: ', self.logged[0][1])
        self.assertIn('this is a bug in nova-mdev-guard', self.logged[0][1])


@ddt.ddt
class FunctionTest(HookTestCase):
    """A domain with a virtual function."""

    def setUp(self):
        super().setUp()
        vfio_tree.write(self.home / 'sys', BOARD)
        self.domain = function_domain(FUNCTION)
        self.leave({'0000:01:00.0': board_entry()})

    def write_type(self, vgpu_type):
        vfio_tree.set_type(self.home / 'sys', '0000:01:00.1', vgpu_type)

    def bind(self, driver):
        """Bind the function to a driver without vGPU types."""
        path = self.home / 'sys/bus/pci/devices/0000:01:00.1'
        shutil.rmtree(path / 'nvidia')
        vfio_tree.bind(self.home / 'sys', path.name, driver)

    def test_accepted(self):
        self.assert_passes()
        self.assertEqual([], self.logged)

    def test_refused(self):
        self.leave({'0000:01:00.0': board_entry('DRIVER_GE_560')})
        self.assert_refused(
            'incompatible: virtual function 0000:01:00.1 on 0000:01:00.0 does '
            'not accept 10de:2235 nvidia-558 driver=550.90.07',
            "rule 'our rule': driver 550.90.07 is not at least 560",
        )

    @ddt.data(
        ('0', 'no vGPU type is set (current_vgpu_type is 0)'),
        ('557', 'does not serve type nvidia-558'),
        ('', "its nvidia/current_vgpu_type is ''"),
    )
    @ddt.unpack
    def test_type_written_since(self, vgpu_type, words):
        """The type is that of now, and not of the collector's last pass."""
        self.options['unknown'] = 'allow'
        self.write_type(vgpu_type)
        self.assert_refused(
            'incompatible: virtual function 0000:01:00.1 on 0000:01:00.0',
            words,
        )

    def test_other_variant_driver(self):
        self.bind('mlx5_vfio_pci')
        source = identity.Identity.of(
            '15B3_101E', 'mlx5_vfio_pci', {'framework': 'vfio'}
        )
        self.domain = function_domain(
            domain_xml.AnnotatedDevice('0000:01:00.2', source, 'VFIO')
        )
        accept = 'CUSTOM_MDEV_ACCEPT_15B3_101E__MLX5_VFIO_PCI'
        self.leave(
            {
                '0000:01:00.0': {
                    'identity': [
                        'CUSTOM_MDEV_V1',
                        'CUSTOM_MDEV_TYPE_MLX5_VFIO_PCI',
                    ],
                    'accepts': {f'{accept}__FRAMEWORK_IS_VFIO': ['a rule']},
                }
            }
        )
        self.assert_passes()

    def test_other_pci_device(self):
        """Nothing else is read for one without a variant driver."""
        self.domain = function_domain()
        (self.home / 'devices.json').unlink()
        self.bind('vfio-pci')
        self.assert_passes()
        shutil.rmtree(self.home / 'sys/bus/pci')
        self.assert_passes()

    @ddt.data('vfio-pci', '')
    def test_source_without_a_function_here(self, driver):
        self.bind(driver)
        self.assert_refused(
            'unknown ([guard]unknown = reject): the domain has 0 virtual '
            'functions, and names the sources of 1: on this host, '
            '0000:01:00.1 is not a virtual function with a VFIO variant driver'
        )

    def test_annotation_left_without_device(self):
        """As for mdevs, the devices of the domain count."""
        self.domain = re.sub(
            '<hostdev.*</hostdev>', '', self.domain, flags=re.DOTALL
        )
        self.assert_passes()

    @ddt.named_data(
        (
            'annotation',
            lambda test: setattr(test, 'domain', function_domain()),
            'does not name the sources of its virtual functions: is '
            'nova-mdev-annotator running',
        ),
        (
            'parent',
            lambda test: test.leave({}),
            'on 0000:01:00.0: no collector has published here',
        ),
        (
            'devices_file',
            lambda test: (test.home / 'devices.json').unlink(),
            'nova-mdev-collector has not run on this host',
        ),
        (
            'sysfs',
            lambda test: test.spoil_sysfs(),
            'virtual function 0000:01:00.1: ',
        ),
    )
    def test_unknown(self, spoil, words):
        spoil(self)
        self.assert_refused('unknown ([guard]unknown = reject): ', words)

    def spoil_sysfs(self):
        link = self.home / 'sys/bus/pci/devices/0000:01:00.1/vendor'
        link.unlink()
        link.symlink_to(link.name)

    def test_beside_an_mdev(self):
        """Each is judged, and both reasons are in the line."""
        hostdev = re.search(
            '<hostdev.*</hostdev>', test_domain_xml.VFIO_LIVE, re.DOTALL
        )
        self.domain = test_domain_xml.with_metadata(
            domain_xml.write_annotation([*MDEVS, FUNCTION])
        ).replace('</devices>', f'{hostdev[0]}</devices>')
        board = {'0000:01:00.0': board_entry()}
        self.leave({**devices(), **board})
        self.assert_passes()
        self.leave({**refusing(), **board})
        self.write_type('0')
        self.assert_refused(
            'incompatible: mdev 11111111', '; virtual function 0000:01:00.1'
        )
