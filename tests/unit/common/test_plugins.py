# SPDX-License-Identifier: Apache-2.0

import sys

import ddt
import fixtures
import testtools

from nova_mdev_compat.common import plugins
from nova_mdev_compat.core import exceptions
from tests.unit import packages

NAMESPACE = 'nova_mdev_compat.things'
OPTION = '[collector]things'

MODULES = {
    'good': 'class Thing: pass\n',
    'other': 'class Thing: pass\n',
    'third': 'class Thing: pass\n',
    'missing': 'import a_library_that_is_not_there\n',
    'syntax': 'def\n',
    'asserts': 'assert False, "no such board"\n',
    'silent': 'assert False\n',
    'exits': 'import sys\nsys.exit(0)\n',
    'empty': '',
}


@ddt.ddt
class LoadTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.packages = self.useFixture(packages.Packages(MODULES))

    def install(self, package, *names, **entry_points):
        """Install a package with plugins that are named as their modules."""
        self.packages.install(
            package,
            NAMESPACE,
            {
                **{name: f'a_plugin_{name}:Thing' for name in names},
                **entry_points,
            },
        )

    def load(self, *names):
        """Return the module of each plugin."""
        return {
            name: plugin.__module__
            for name, plugin in plugins.load(NAMESPACE, OPTION, names).items()
        }

    def refuse(self, *names):
        error = self.assertRaises(exceptions.BadInput, self.load, *names)
        # The message is complete.
        self.assertEqual('', self.log.output)
        return str(error)

    def is_imported(self, name):
        return f'a_plugin_{name}' in sys.modules

    def test_all(self):
        self.install('one', 'good')
        self.install('two', 'other')
        self.assertEqual(
            {'good': 'a_plugin_good', 'other': 'a_plugin_other'},
            self.load(plugins.ALL),
        )
        self.assertEqual('', self.log.output)

    def test_none(self):
        for names in ([plugins.ALL], []):
            self.assertEqual({}, self.load(*names))
        self.install('one', 'good')
        self.assertEqual({}, self.load())
        self.assertFalse(self.is_imported('good'))
        self.assertEqual('', self.log.output)

    def test_other_plugins_are_not_imported(self):
        """They may be broken."""
        self.install('one', 'good', 'other', 'missing', 'syntax', 'exits')
        self.assertEqual({'good': 'a_plugin_good'}, self.load('good'))
        self.assertFalse(self.is_imported('other'))
        self.assertEqual('', self.log.output)

    def test_several_in_the_order_in_which_they_are_named(self):
        self.install('one', 'good', 'other')
        self.assertEqual(['other', 'good'], list(self.load('other', 'good')))

    @ddt.data(
        ['good', 'good'], ['good', plugins.ALL], [plugins.ALL, plugins.ALL]
    )
    def test_named_twice(self, names):
        self.install('one', 'good')
        self.assertEqual({'good': 'a_plugin_good'}, self.load(*names))

    @ddt.data('unknown', 'Good', '', 'goo', ' good')
    def test_unknown(self, name):
        self.install('one', 'good')
        for names in ([name], ['good', name], [plugins.ALL, name]):
            self.assertEqual(
                f'[collector]things: no plugin is named {name!r} in '
                'nova_mdev_compat.things',
                self.refuse(*names),
            )

    def test_two_of_one_name(self):
        """Neither is imported: it is not known which one is meant."""
        self.install('one', 'third', double='a_plugin_good:Thing')
        self.install('two', double='a_plugin_other:Thing')
        for wanted in ('double', plugins.ALL):
            message = self.refuse(wanted)
            self.assertRegex(
                message,
                r"\[collector\]things: 2 plugins are named 'double' in "
                'nova_mdev_compat.things: a_plugin_.*; uninstall all but one$',
            )
            self.assertIn('a_plugin_good:Thing', message)
            self.assertIn('a_plugin_other:Thing', message)
        self.assertEqual({'third': 'a_plugin_third'}, self.load('third'))
        self.assertFalse(self.is_imported('good'))
        self.assertFalse(self.is_imported('other'))

    @ddt.data('good', plugins.ALL)
    def test_one_installed_twice(self, wanted):
        """The same entry point is one plugin."""
        self.install('one', 'good')
        self.install('copy', 'good')
        self.assertEqual({'good': 'a_plugin_good'}, self.load(wanted))
        self.assertEqual('', self.log.output)

    def test_one_under_two_names(self):
        self.install('one', 'good', alias='a_plugin_good:Thing')
        self.assertEqual({'good', 'alias'}, set(self.load(plugins.ALL)))

    def test_other_namespaces_are_ignored(self):
        self.packages.install(
            'one', 'nova_mdev_compat.others', {'exits': 'a_plugin_exits:Thing'}
        )
        self.assertEqual({}, self.load(plugins.ALL))

    @ddt.data(
        (
            'missing',
            'ModuleNotFoundError: No module named '
            "'a_library_that_is_not_there'",
        ),
        ('nowhere', "ModuleNotFoundError: No module named 'a_plugin_nowhere'"),
        ('syntax', 'SyntaxError: invalid syntax (a_plugin_syntax.py, line 1)'),
        (
            'empty',
            "AttributeError: module 'a_plugin_empty' has no attribute 'Thing'",
        ),
        # Exceptions that stevedore does not catch.
        ('asserts', 'AssertionError: no such board'),
        ('silent', 'AssertionError: '),
        ('exits', 'SystemExit: 0'),
    )
    @ddt.unpack
    def test_does_not_load(self, name, why):
        self.install('one', 'good', name)
        for wanted in (name, plugins.ALL):
            self.assertEqual(
                f'[collector]things: plugin {name!r} (a_plugin_{name}:Thing) '
                f'does not load: {why}',
                self.refuse(wanted),
            )
