# SPDX-License-Identifier: Apache-2.0

import ddt
import fixtures
import testtools

from nova_mdev_compat.cmd import collector
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.publication import placement
from nova_mdev_compat.publication import provider_config
from nova_mdev_compat.publication import publishers
from tests.unit import packages

MODULES = {
    'good': 'class Publisher:\n    def __init__(self, conf): pass\n',
    'raises': 'raise RuntimeError("broken at import")\n',
    'syntax': 'def\n',
}
#: Entry points of two installed distributions.
PLUGINS = {
    'one': {
        'good': 'good',
        'double': 'good',
        'raises': 'raises',
        'syntax': 'syntax',
        'nowhere': 'nowhere',
    },
    'other': {'double': 'raises', 'alike': 'good'},
}


def load(test, name, **options):
    """Return the publisher that the options of a test name."""
    conf = collector.COMMAND.new_config()
    conf([], default_config_files=[], default_config_dirs=[])
    for key, value in {'publisher': name, **options}.items():
        conf.set_override(key, value, 'collector')
        # The group, with what is overridden, is that of any conf.
        test.addCleanup(conf.clear_override, key, 'collector')
    return publishers.load(conf)


class OursTest(testtools.TestCase):
    def test_ours(self):
        self.assertIsInstance(
            load(self, 'provider_config', provider_config_file='/a.yaml'),
            provider_config.ProviderConfigPublisher,
        )
        # It is found, and looks for credentials.
        error = self.assertRaises(exceptions.BadInput, load, self, 'placement')
        self.assertIn('[placement]auth_type', str(error))
        self.assertTrue(placement.PlacementPublisher)


@ddt.ddt
class LoadTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.packages = self.useFixture(packages.Packages(MODULES))
        for name, plugins in PLUGINS.items():
            self.install(name, plugins)

    def install(self, name, plugins):
        self.packages.install(
            name,
            publishers.NAMESPACE,
            {
                plugin: f'a_plugin_{module}:Publisher'
                for plugin, module in plugins.items()
            },
        )

    def refuse(self, name):
        error = self.assertRaises(exceptions.BadInput, load, self, name)
        self.assertIn('[collector]publisher', str(error))
        self.assertIn(name, str(error))
        # The message says it all.
        self.assertEqual('', self.log.output)
        return str(error)

    def test_another(self):
        """Broken plugins of other names are nobody's business."""
        self.assertEqual('a_plugin_good', type(load(self, 'good')).__module__)

    def test_not_all_of_them(self):
        self.assertIn('name one publisher', self.refuse('*'))

    @ddt.data('unknown', '', 'Placement')
    def test_unknown(self, name):
        self.assertIn('no plugin is named', self.refuse(name))

    def test_two_of_one_name(self):
        self.packages.write('raises', MODULES['good'])
        self.assertIn('2 plugins are named', self.refuse('double'))

    def test_one_installed_twice(self):
        """The same entry point is one plugin."""
        self.install('copy', {'good': 'good'})
        self.assertEqual('a_plugin_good', type(load(self, 'good')).__module__)

    @ddt.data(
        ('raises', 'broken at import'),
        ('syntax', 'invalid syntax'),
        ('nowhere', 'No module named'),
    )
    @ddt.unpack
    def test_does_not_load(self, name, why):
        message = self.refuse(name)
        self.assertIn('does not load', message)
        self.assertIn(why, message)
        self.assertIn(f'a_plugin_{name}', message)
