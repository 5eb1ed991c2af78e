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
from nova_mdev_compat.guard import options
from nova_mdev_compat import policy


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
        conf([], default_config_files=[str(path) for path in paths],
             default_config_dirs=[])
        return options.Options(**{
            name: conf[section][name]
            for section, names in options.SECTIONS.items() for name in names})

    @ddt.named_data(
        ('nothing', [], {}),
        ('empty', [''], {}),
        ('guard', ['[guard]\nmode = permissive\nunknown=allow\n'
                   'time_limit: 3\n'],
         {'mode': 'permissive', 'unknown': 'allow', 'time_limit': 3}),
        ('collector', ['[collector]\ndevices_file = /a b\n'
                       'devices_max_age = 60\nsysfs_root = /s\n'],
         {'devices_file': '/a b', 'devices_max_age': 60, 'sysfs_root': '/s'}),
        ('others', ['[DEFAULT]\nmode = off\n[collector]\nmode = off\n'
                    'unknown = x\n[other]\nmode = off\ndevices_file = $x\n'],
         {}),
        ('comments', ['# mode\n[guard]\n#mode = off\n;mode = off\n'], {}),
        ('quotes', ['[collector]\ndevices_file = "/a"\nsysfs_root = \'/b\''],
         {'devices_file': '/a', 'sysfs_root': '/b'}),
        ('twice', ['[guard]\nmode = off\nmode = permissive\n'
                   '[collector]\n[guard]\ntime_limit = 5'],
         {'mode': 'permissive', 'time_limit': 5}),
        ('two_files', ['[guard]\nmode = off\ntime_limit = 5\n',
                       '[guard]\nmode = enforcing\n'], {'time_limit': 5}),
        ('continued', ['[collector]\nrules_dirs = a,\n  b\n'
                       'devices_file = /x\n'], {'devices_file': '/x'}))
    def test_as_oslo_config(self, texts, expected):
        paths = self.write(*texts)
        found = options.read(paths)
        self.assertEqual(options.Options(**expected), found)
        self.assertEqual(self.of_oslo(paths), found)

    @ddt.named_data(
        ('mode', '[guard]\nmode = on\n',
         '[guard]mode = on is none of enforcing, permissive, off'),
        ('case', '[guard]\nmode = Off\n', 'is none of'),
        ('unknown', '[guard]\nunknown =\n',
         '[guard]unknown =  is none of reject, allow'),
        ('time_limit', '[guard]\ntime_limit = 0\n',
         '[guard]time_limit = 0 is no number of 1 to 60'),
        ('text', '[guard]\ntime_limit = ten\n', 'is no number of 1 to 60'),
        ('float', '[guard]\ntime_limit = 1.5\n', 'is no number of 1 to 60'),
        ('endless', f'[guard]\ntime_limit = {"9" * 9999}\n', 'is no number'),
        ('max_age', '[collector]\ndevices_max_age = -1\n',
         '[collector]devices_max_age = -1 is no number of 1 to 86400'),
        ('no_value', '[guard]\nmode\n', "No ':' or '=' found"),
        ('section', '[guard\nmode = off\n', 'Invalid section'),
        ('substitution', '[collector]\ndevices_file = $state/x\n',
         '[collector]devices_file = $state/x: no $ can be used here'))
    def test_wrong(self, text, words):
        (path,) = self.write(text)
        exc = self.assertRaises(options.OptionError, options.read, [path])
        self.assertIn(words, str(exc))
        self.assertIn(str(path), str(exc))


    def test_not_text(self):
        path = self.home / 'x.conf'
        path.write_bytes(b'[guard]\nmode = \xff\n')
        self.assertRaisesRegex(options.OptionError, 'x.conf: .*utf-8',
                               options.read, [path])

    def test_missing(self):
        self.assertRaisesRegex(
            options.OptionError, 'x.conf: No such file or directory',
            options.read, [self.home / 'x.conf'])

    def test_declared(self):
        """Sample configuration and guard speak of the same options."""
        declared = {option.dest: option for option in guard.OPTS}
        self.assertEqual(set(options.SECTIONS['guard']), set(declared))
        for name, choices in options.CHOICES.items():
            self.assertEqual(list(choices),
                             list(declared[name].type.choices))
        self.assertEqual(
            {field.name for field in dataclasses.fields(options.Options)},
            {name for names in options.SECTIONS.values() for name in names})
        self.assertEqual(policy.ENFORCING, declared['mode'].default)
