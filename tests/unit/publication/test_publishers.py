# SPDX-License-Identifier: Apache-2.0
"""The option [collector]publisher. Plugins as such: common/test_plugins.py."""

import testtools

from nova_mdev_compat.cmd import collector
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.publication import provider_config
from nova_mdev_compat.publication import publishers
from tests.unit import packages

MODULES = {'good': 'class Publisher:\n    def __init__(self, conf): pass\n'}


class LoadTest(testtools.TestCase):
    def load(self, name, **options):
        """Return the publisher that the options name."""
        conf = collector.COMMAND.new_config()
        conf([], default_config_files=[], default_config_dirs=[])
        for key, value in {'publisher': name, **options}.items():
            conf.set_override(key, value, 'collector')
            # The group, with its overrides, is shared by all ConfigOpts.
            self.addCleanup(conf.clear_override, key, 'collector')
        return publishers.load(conf)

    def refuse(self, name, words):
        error = self.assertRaises(exceptions.BadInput, self.load, name)
        self.assertIn(words, str(error))

    def test_own_publishers(self):
        self.assertIsInstance(
            self.load('provider_config', provider_config_file='/a.yaml'),
            provider_config.ProviderConfigPublisher,
        )
        # It is found, and looks for credentials.
        self.refuse('placement', '[placement]auth_type')

    def test_plugin(self):
        found = self.useFixture(packages.Packages(MODULES))
        found.install(
            'one', publishers.NAMESPACE, {'good': 'a_plugin_good:Publisher'}
        )
        self.assertEqual('a_plugin_good', type(self.load('good')).__module__)

    def test_not_one_plugin(self):
        self.refuse('*', '[collector]publisher: name one publisher, not *')
        self.refuse('no', "[collector]publisher: no plugin is named 'no'")
