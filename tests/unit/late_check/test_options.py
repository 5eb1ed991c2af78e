# SPDX-License-Identifier: Apache-2.0
"""Configuration files of the guard, valid and invalid."""

import pathlib

import ddt
import fixtures
import testtools

from nova_mdev_compat.late_check import hook

DEFAULTS = {
    'mode': 'enforcing',
    'unknown': 'reject',
    'time_limit': 10,
    'devices_file': '/var/lib/nova-mdev-compat/devices.json',
    'devices_max_age': 600,
    'sysfs_root': '/sys',
}


@ddt.ddt
class OptionsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.useFixture(fixtures.MonkeyPatch('syslog.syslog', self.log))
        self.logged = []

    def log(self, _priority, text):
        self.logged.append(text)

    def write(self, *texts):
        paths = []
        for number, text in enumerate(texts):
            paths.append(self.home / f'{number}.conf')
            paths[-1].write_text(text)
        return paths

    def run_guard(self, paths):
        """Return the exit status, and the line for libvirt."""
        stderr = self.useFixture(fixtures.StringStream('stderr')).stream
        files = [
            part for path in paths for part in ('--config-file', str(path))
        ]
        with (
            fixtures.MonkeyPatch('sys.stderr', stderr),
            fixtures.MonkeyPatch('sys.stdin', None),
        ):
            status = hook.main([*files, 'vg', 'migrate', 'begin'])
        stderr.seek(0)
        return status, stderr.read()

    @ddt.named_data(
        ('nothing', [], {}),
        ('empty', [''], {}),
        (
            'guard',
            ['[guard]\nmode = permissive\nunknown=allow\ntime_limit: 3\n'],
            {'mode': 'permissive', 'unknown': 'allow', 'time_limit': 3},
        ),
        (
            'collector',
            [
                '[collector]\ndevices_file = /a b\n'
                'devices_max_age = 60\nsysfs_root = /s\n'
            ],
            {
                'devices_file': '/a b',
                'devices_max_age': 60,
                'sysfs_root': '/s',
            },
        ),
        (
            'others',
            [
                '[DEFAULT]\nmode = off\n[collector]\nmode = off\n'
                'unknown = x\n[other]\nmode = off\ndevices_file = $x\n'
            ],
            {},
        ),
        ('comments', ['# mode\n[guard]\n#mode = off\n;mode = off\n'], {}),
        (
            'quotes',
            ['[collector]\ndevices_file = "/a"\nsysfs_root = \'/b\''],
            {'devices_file': '/a', 'sysfs_root': '/b'},
        ),
        (
            'twice',
            [
                '[guard]\nmode = off\nmode = permissive\n'
                '[collector]\n[guard]\ntime_limit = 5'
            ],
            {'mode': 'permissive', 'time_limit': 5},
        ),
        (
            'two_files',
            [
                '[guard]\nmode = off\ntime_limit = 5\n',
                '[guard]\nmode = enforcing\n',
            ],
            {'time_limit': 5},
        ),
        (
            'continued',
            ['[collector]\nrules_dirs = a,\n  b\ndevices_file = /x\n'],
            {'devices_file': '/x'},
        ),
        (
            'substitution',
            ['[collector]\ndevices_file = $collector.sysfs_root/x\n'],
            {'devices_file': '/sys/x'},
        ),
    )
    def test_read(self, texts, expected):
        conf, faults = hook.read_options(self.write(*texts))
        self.assertEqual([], faults)
        found = {
            name: conf[group][name]
            for group, names in hook.options.READ.items()
            for name in names
        }
        self.assertEqual(DEFAULTS | expected, found)

    def test_environment(self):
        """It belongs to libvirt."""
        self.useFixture(fixtures.EnvironmentVariable('OS_GUARD__MODE', 'off'))
        self.assertEqual(1, self.run_guard([])[0])

    @ddt.named_data(
        (
            'mode',
            '[guard]\nmode = on\n',
            '[guard]mode: Valid values are '
            "[enforcing, permissive, off], but found 'on'",
        ),
        (
            'control',
            '[collector]\nsysfs_root = /a\x01b\n',
            r'[collector]sysfs_root = /a\x01b: it has a character that cannot',
        ),
        (
            'nul',
            '[collector]\nsysfs_root = /a\0b\n',
            r'[collector]sysfs_root = /a\x00b: it has a character that cannot',
        ),
        ('case', '[guard]\nmode = Off\n', '[guard]mode: Valid values are'),
        ('lines', '[guard]\nmode = off\n  off\n', '[guard]mode: Valid values'),
        (
            'unknown',
            '[guard]\nunknown =\n',
            "[guard]unknown: Valid values are [reject, allow], but found ''",
        ),
        (
            'time_limit',
            '[guard]\ntime_limit = 0\n',
            '[guard]time_limit: Should be greater than or equal to 1',
        ),
        (
            'text',
            '[guard]\ntime_limit = ten\n',
            "[guard]time_limit: invalid literal for int() with base 10: 'ten'",
        ),
        (
            'float',
            '[guard]\ntime_limit = 1.5\n',
            "[guard]time_limit: invalid literal for int() with base 10: '1.5'",
        ),
        (
            'endless',
            f'[guard]\ntime_limit = {"9" * 9999}\n',
            '[guard]time_limit: ',
        ),
        (
            'max_age',
            '[collector]\ndevices_max_age = -1\n',
            '[collector]devices_max_age: Should be greater than or equal to 1',
        ),
        ('no_value', '[guard]\nmode\n', "0.conf:2, No ':' or '=' found"),
        ('section', '[guard\nmode = off\n', '0.conf:1, Invalid section'),
        (
            'substitution',
            '[collector]\ndevices_file = $state/x\n',
            '[collector]devices_file: no such option state in group',
        ),
        (
            'recursion',
            '[guard]\nmode = $guard.mode\n',
            '[guard]mode: its value refers to itself',
        ),
    )
    def test_wrong(self, text, words):
        self.assert_wrong(self.write(text), words)

    def assert_wrong(self, paths, *words, mode='enforcing'):
        """The line names file and option; only enforcing mode refuses."""
        status, line = self.run_guard(paths)
        (logged,) = self.logged or ('',)
        self.assertEqual(
            (2, 1, f'nova-mdev-guard: {logged}\n')
            if mode == 'enforcing'
            else (0, 0, ''),
            (status, line.count('\n'), line),
        )
        if mode == 'off':
            self.assertEqual([], self.logged)
            return
        start = 'refused' if mode == 'enforcing' else 'let through'
        self.assertTrue(
            logged.startswith(f'{start}: domain vg: configuration: '), logged
        )
        self.assertIn(str(self.home), logged)
        for text in words:
            self.assertIn(text, logged)

    def test_not_text(self):
        path = self.home / 'x.conf'
        path.write_bytes(b'# na\xefve\n[guard]\nmode = off\n')
        self.assert_wrong([path], mode='off')
        path.write_bytes(
            b'[guard]\nunknown = allow\n[collector]\ndevices_file = /\xff\n'
        )
        self.assert_wrong([path], f'{path} is not in UTF-8: ')

    def test_missing(self):
        (good,) = self.write('[guard]\nmode = permissive\n')
        directory = self.home / 'y.conf'
        directory.mkdir()
        self.assert_wrong(
            [self.home / 'x.conf', directory, good],
            f'Failed to find some config files: {self.home}/x.conf',
            'y.conf: Is a directory',
            mode='permissive',
        )

    def test_mode_counts(self):
        """Errors before and after it do not matter."""
        self.assert_wrong(
            self.write(
                '\ufeff[guard]\nmode\n',
                '  x\n[guard]\n= 1\n'
                'time_limit = x\nmode = permissive\n[broken\n'
                'mode = off\n[]\nmode = off\n',
                '[guard]\ntime_limit = x\n',
            ),
            '0.conf:1, No',
            '1.conf:1, Unexpected continuation line',
            '2.conf: [guard]time_limit: invalid',
            mode='permissive',
        )

    @ddt.data('off', '"off"', "'off'", 'off  ', 'enforcing\nmode: off')
    def test_off(self, text):
        """The way out in an emergency."""
        self.assert_wrong(
            self.write(f'x\n[guard]\nmode = {text}\nx\n'), mode='off'
        )

    def test_the_last_mode_is_wrong(self):
        """The intention is unknown, so the default applies."""
        self.assert_wrong(
            self.write(
                '[guard]\nmode = permissive\n', '[guard]\nmode = permisive\n'
            ),
            '1.conf: [guard]mode: Valid values are',
        )

    def test_rubbish(self):
        """Reading it ends soon."""
        self.assert_wrong(
            self.write('x\n' * 10**5 + '[guard]\nmode = off\n'), mode='off'
        )
