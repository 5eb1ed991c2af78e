# SPDX-License-Identifier: Apache-2.0
"""The guard's reader of options, beside oslo.config's."""

import dataclasses
import pathlib

import ddt
import fixtures
from oslo_config import cfg
import testtools

from nova_mdev_compat.conf import collector
from nova_mdev_compat.conf import guard
from nova_mdev_compat.conf import policy
from nova_mdev_compat.late_check import options


@ddt.ddt
class OptionsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def write(self, *texts):
        paths = []
        for number, text in enumerate(texts):
            paths.append(self.home / f'{number}.conf')
            paths[-1].write_text(text)
        return paths

    def of_oslo(self, paths):
        """Return what oslo.config reads in the same files."""
        conf = cfg.ConfigOpts()
        guard.register_opts(conf)
        collector.register_opts(conf)
        conf(
            [],
            default_config_files=[str(path) for path in paths],
            default_config_dirs=[],
        )
        return options.Options(
            **{
                name: conf[section][name]
                for section, names in options.SECTIONS.items()
                for name in names
            }
        )

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
    )
    def test_as_oslo_config(self, texts, expected):
        paths = self.write(*texts)
        found, faults = options.read(paths)
        self.assertEqual((), faults)
        self.assertEqual(options.Options(**expected), found)
        self.assertEqual(self.of_oslo(paths), found)

    @ddt.named_data(
        (
            'mode',
            '[guard]\nmode = on\n',
            '[guard]mode = on is none of enforcing, permissive, off',
        ),
        (
            'control',
            '[collector]\nsysfs_root = /a\0b\n',
            '[collector]sysfs_root = /a\0b: it has a character that',
        ),
        ('case', '[guard]\nmode = Off\n', '[guard]mode = Off is none of'),
        (
            'unknown',
            '[guard]\nunknown =\n',
            '[guard]unknown =  is none of reject, allow',
        ),
        (
            'time_limit',
            '[guard]\ntime_limit = 0\n',
            '[guard]time_limit = 0 is no number of 1 to 60',
        ),
        (
            'text',
            '[guard]\ntime_limit = ten\n',
            '[guard]time_limit = ten is no number of 1 to 60',
        ),
        (
            'float',
            '[guard]\ntime_limit = 1.5\n',
            '[guard]time_limit = 1.5 is no number of 1 to 60',
        ),
        (
            'endless',
            f'[guard]\ntime_limit = {"9" * 9999}\n',
            '[guard]time_limit = 999',
        ),
        (
            'max_age',
            '[collector]\ndevices_max_age = -1\n',
            '[collector]devices_max_age = -1 is no number of 1 to 86400',
        ),
        ('no_value', '[guard]\nmode\n', "at line 2, No ':' or '=' found"),
        ('section', '[guard\nmode = off\n', 'at line 1, Invalid section'),
        (
            'substitution',
            '[collector]\ndevices_file = $state/x\n',
            '[collector]devices_file = $state/x: no $ can be used here',
        ),
    )
    def test_wrong(self, text, words):
        self.assert_wrong(self.write(text), f'0.conf: {words}')

    def assert_wrong(self, paths, *words, **expected):
        """The files have such faults, and what else they say counts."""
        found, faults = options.read(paths)
        self.assertEqual(options.Options(**expected), found)
        self.assertEqual(len(words), len(faults), faults)
        for text, fault in zip(words, faults, strict=True):
            self.assertIn(text, fault)
            self.assertTrue(fault.startswith(str(self.home)), fault)

    def test_not_text(self):
        """In an option; elsewhere it does not matter."""
        path = self.home / 'x.conf'
        path.write_bytes(
            b'# na\xefve\n[guard]\nmode = off\n[other]\nname = \xff\n'
        )
        self.assert_wrong([path], mode='off')
        path.write_bytes(
            b'[guard]\nunknown = allow\n[collector]\ndevices_file = /\xff\n'
        )
        self.assert_wrong(
            [path],
            'x.conf: [collector]devices_file = /\udcff: it has a '
            'character that cannot be printed',
            unknown='allow',
        )

    def test_missing(self):
        (good,) = self.write('[guard]\nmode = permissive\n')
        directory = self.home / 'y.conf'
        directory.mkdir()
        self.assert_wrong(
            [self.home / 'x.conf', directory, good],
            'x.conf: No such file or directory',
            'y.conf: Is a directory',
            mode='permissive',
        )

    def test_rest_counts(self):
        """Whatever is wrong before and behind it."""
        self.assert_wrong(
            self.write(
                '\ufeff[guard]\nmode\n',
                '  x\n[guard]\n= 1\n'
                'time_limit = x\nmode = permissive\n[broken\n'
                'mode = off\n[]\nmode = off\n',
            ),
            '0.conf: at line 1, No',
            '0.conf: at line 2, No',
            "1.conf: at line 1, Unexpected continuation line: '  x'",
            '1.conf: at line 3, Key cannot be empty',
            '1.conf: at line 6, Invalid section (must end with ])',
            '1.conf: at line 8, Empty section name',
            '1.conf: [guard]time_limit = x is no number of',
            mode='permissive',
        )

    def test_last_word_is_wrong(self):
        """Nobody knows what was meant: then the default."""
        self.assert_wrong(
            self.write(
                '[guard]\nmode = permissive\n', '[guard]\nmode = permisive\n'
            ),
            '1.conf: [guard]mode = permisive is none of',
        )

    def test_rubbish(self):
        """It is given up, and soon."""
        paths = self.write('x\n' * 10**5 + '[guard]\nmode = off\n')
        self.assert_wrong(paths, *['No'] * options.MAX_FAULTS)

    def test_declared(self):
        """Sample configuration and guard speak of the same options."""
        declared = {option.dest: option for option in guard.OPTS}
        self.assertEqual(set(options.SECTIONS['guard']), set(declared))
        for name, choices in options.CHOICES.items():
            self.assertEqual(list(choices), list(declared[name].type.choices))
        self.assertEqual(
            {field.name for field in dataclasses.fields(options.Options)},
            {name for names in options.SECTIONS.values() for name in names},
        )
        self.assertEqual(policy.ENFORCING, declared['mode'].default)
