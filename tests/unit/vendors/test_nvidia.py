# SPDX-License-Identifier: Apache-2.0
"""What the plugin for NVIDIA's boards does without their library.

The rest is in tests/functional/test_nvidia.py.
"""

import sys
import types

import ddt
import fixtures
from oslo_config import cfg
import testtools

from nova_mdev_compat import identity as ident
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import loader
from nova_mdev_compat.vendors import nvidia
from nova_mdev_compat.vendors import nvml


def device(name='pci_0000_84_00_4', address='0000:84:00.4',
           board='0000:84:00.0'):
    return base.Device(name=name, parent_id='10DE_2235', address=address,
                       board=board, types=frozenset({'nvidia-558'}))


class OldBindings(types.ModuleType):
    """A pynvml from before the functions that boards are asked with."""

    class NVMLError(Exception):
        value = 999

    def __init__(self):
        super().__init__('pynvml')
        self.calls = []

    def nvmlInit(self):
        self.calls.append('init')

    def nvmlShutdown(self):
        self.calls.append('shutdown')

    def nvmlDeviceGetHandleByPciBusId(self, board):
        return board


class PluginTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.plugin = nvidia.Nvidia(cfg.ConfigOpts())

    def bindings(self, module):
        """Say what "import pynvml" finds; None is nothing."""
        self.useFixture(fixtures.MonkeyPatch('sys.modules', {
            **sys.modules, 'pynvml': module}))

    def unknown(self, *devices):
        """Return why facts are unknown; nothing is known of devices."""
        facts = self.plugin.facts(devices)
        self.assertEqual({each.name for each in devices}, set(facts))
        for found in facts.values():
            self.assertEqual({}, found.values)
            self.assertEqual(set(nvidia.Nvidia.fact_names),
                             set(found.unknown))
        return {why for found in facts.values()
                for why in found.unknown.values()}


@ddt.ddt
class PluginTest(PluginTestCase):

    def test_loads(self):
        """It keeps the contract, library or not."""
        self.bindings(None)
        classes = loader.load(['nvidia'])
        self.assertEqual({'nvidia': nvidia.Nvidia}, dict(classes))
        self.assertEqual({'10DE': 'nvidia'}, loader.by_vendor(classes))

    @ddt.data('ecc', 'mig', 'gsp', 'migration')
    def test_tokens(self, name):
        self.assertFalse(ident.is_version_fact(name))

    @ddt.data('gspversion', 'managerversion', 'minvgpuversion',
              'maxvgpuversion')
    def test_versions(self, name):
        self.assertTrue(ident.is_version_fact(name))

    def test_every_fact_has_a_question(self):
        asked = [name for names in nvidia._QUERIES.values() for name in names]
        self.assertEqual(sorted(nvidia.Nvidia.fact_names), sorted(asked))


class WithoutLibraryTest(PluginTestCase):

    def test_no_bindings(self):
        self.bindings(None)
        self.assertEqual(
            {'nvidia-ml-py is not installed: '
             "pip install 'nova-mdev-compat[nvidia]'"},
            self.unknown(device(), device('pci_0000_84_00_5')))

    def test_old_bindings(self):
        """They are closed again all the same."""
        module = OldBindings()
        self.bindings(module)
        (why,) = {text.partition('it has no ')[0]
                  for text in self.unknown(device())}
        self.assertEqual('nvidia-ml-py is too old, ', why)
        self.assertEqual(['init', 'shutdown'], module.calls)

    def test_no_pci_device(self):
        """Nothing is opened for it."""
        module = OldBindings()
        self.bindings(module)
        (why,) = self.unknown(device(address=None, board=None))
        self.assertIn('no PCI device', why)
        self.assertEqual([], module.calls)

    def test_bugs_are_not_hidden(self):
        self.bindings(OldBindings())
        with testtools.ExpectedException(AttributeError, '.*nothing'), \
                nvml.opened(['0000:84:00.0']) as library, \
                nvml.answering(library, '0000:84:00.0'):
            (1).nothing  # noqa: B018
