# SPDX-License-Identifier: Apache-2.0
"""Vendors' plugins in packages of their own, and what breaks them."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import textwrap

import fixtures

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import traits
from tests.functional import collector_base

ACME = pathlib.Path(__file__).parents[1] / 'data/plugins/acme'
NAMESPACE = 'nova_mdev_compat.vendors'
RULES = """
schema_version: "1.0"
vendor: "1b36"
rules:
  - name: same mode, firmware not newer than ours
    accepts:
      facts:
        mode: same
        firmwareversion: {at_most: same}
"""
#: What a plugin's module starts with, in a package that a test writes.
PLUGIN = """
import threading

from nova_mdev_compat.vendors import base


class Plugin(base.Vendor):
    vendors = frozenset({'1b36'})
    fact_names = {'mode': 'fast or safe',
                  'firmwareversion': 'version of the firmware'}

    def facts(self, devices):
        return {device.name: base.Facts({
            'mode': 'safe', 'firmwareversion': '1.0'}) for device in devices}
"""
FACTS = {'CUSTOM_MDEV_FACT_MODE_FAST', 'CUSTOM_MDEV_FACT_FIRMWAREVERSION_2_1'}
BY_PLUGIN = (
    'CUSTOM_MDEV_ACCEPT_1B36_0005__LABGPU_1__FIRMWAREVERSION_GE_2_'
    'LE_2_1__MODE_IS_FAST'
)
BY_RULE = (
    'CUSTOM_MDEV_ACCEPT_1B36_0010__LABGPU_1__FIRMWAREVERSION_LE_2_1__'
    'MODE_IS_FAST'
)


def board(slot, product):
    return collector_base.device(slot, ['labgpu-1'], product, '1b36')


class PluginTestCase(collector_base.CollectorTestCase):
    """A host with two of Acme's boards, and packages beside our own."""

    def setUp(self):
        super().setUp()
        self.packages = self.home / 'packages'
        self.packages.mkdir()
        self.nova = (
            '[devices]\nenabled_mdev_types = labgpu-1\n[acme]\nmode = fast\n'
        )
        self.firmware = '2.1'
        self.devices(board(0, '0005'), board(1, '0010'))
        self.write_rules(RULES, 'acme.yaml')

    def run_collector(self, *args, **kwargs):
        # stevedore keeps entry points in the user's cache, and would not
        # look again at packages that have changed since a moment ago.
        cache = self.useFixture(fixtures.TempDir()).path
        return super().run_collector(
            *args,
            **kwargs,
            env={
                **os.environ,
                'PYTHONPATH': str(self.packages),
                'XDG_CACHE_HOME': cache,
                'ACME_FIRMWARE': self.firmware,
            },
        )

    def dry_run(self):
        """Return the boards as dry-run shows them."""
        shown, _ = self.run_collector('dry-run', '--format', 'json')
        return json.loads(shown)['parents']


class ThirdPartyTest(PluginTestCase):
    """A project that is built and installed as its vendor would."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        home = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory())
        )
        # Not there: building leaves files beside the source.
        shutil.copytree(ACME, home / 'source')
        subprocess.run(
            [
                *(sys.executable, '-m', 'pip', 'install', '--quiet'),
                *('--no-deps', '--no-build-isolation', '--no-index'),
                *('--no-cache-dir', '--target', home / 'packages'),
                home / 'source',
            ],
            capture_output=True,
            check=True,
            cwd=home,
        )
        cls.installed = home / 'packages'

    def setUp(self):
        super().setUp()
        self.packages = self.installed

    def test_published(self):
        self.run_collector('once')
        root, first, second = self.published()
        for names in (first, second):
            self.assertLessEqual(FACTS, names)
        self.assertEqual({BY_PLUGIN}, self.accepted(first))
        self.assertEqual({BY_RULE}, self.accepted(second))
        self.assertEqual({'CUSTOM_MDEV_V1', 'CUSTOM_MDEV_HOST'}, root)

    def accepted(self, names):
        return {name for name in names if name.startswith(traits.ACCEPT)}

    def test_decides(self):
        """The scheduler, which does not have the plugin, accepts the same."""
        self.run_collector('once')
        _, names, _ = self.published()
        (target,) = traits.describe(names).accepts.values()
        for firmware, mode, may in (
            ('2.1', 'fast', True),
            ('2.0.9', 'fast', True),
            ('2.1', 'safe', False),
            ('2.10', 'fast', False),
            ('1.9', 'fast', False),
        ):
            source = identity.Identity.of(
                '1B36_0005',
                'labgpu-1',
                {'firmwareversion': firmware, 'mode': mode},
            )
            self.assertEqual(may, bool(target.judge(source)), source)

    def test_equal_boards(self):
        """The root advertises patterns of a plugin, too."""
        self.devices(board(0, '0005'), board(1, '0005'))
        self.run_collector('once')
        for names in self.published():
            self.assertEqual({BY_PLUGIN}, self.accepted(names))

    def test_dry_run(self):
        for parent, plugin, accepts, rule in zip(
            self.dry_run(),
            ('acme', None),
            (BY_PLUGIN, BY_RULE),
            ('vendor plugin acme', 'same mode, firmware not newer than ours'),
            strict=True,
        ):
            self.assertEqual(plugin, parent['vendor_plugin'])
            self.assertEqual([accepts], parent['accepts'])
            self.assertEqual([rule], [one['name'] for one in parent['rules']])
            self.assertEqual('fast', parent['facts']['mode'])
            self.assertEqual('2.1', parent['facts']['firmwareversion'])
            self.assertEqual({}, parent['unknown_facts'])

    def test_unknown_facts(self):
        self.nova = self.nova.replace('mode = fast', '')
        self.firmware = ''
        why = {
            'mode': 'set [acme]mode',
            'firmwareversion': 'the driver is not loaded',
        }
        for parent in self.dry_run():
            self.assertEqual([], parent['accepts'])
            self.assertEqual(why, parent['unknown_facts'])
        shown, _ = self.run_collector('dry-run')
        self.assertIn('vendor plugin acme accepts nothing here', shown)
        self.assertIn(
            "not 'same mode, firmware not newer than ours': firmwareversion "
            'of the target is unknown: the driver is not loaded, mode of '
            'the target is unknown: set [acme]mode',
            shown,
        )

    def test_facts_that_become_unknown(self):
        """Nothing of the earlier answer stays."""
        self.run_collector('once')
        self.firmware = ''
        _, log = self.run_collector('once')
        self.assertIn(
            'pci_0000_81_00_0 accepts nothing: vendor plugin acme '
            'accepts nothing here',
            log,
        )
        for names in self.published():
            self.assertEqual(set(), self.accepted(names))

    def test_it_cannot_answer_now(self):
        self.run_collector('once')
        before = self.published()
        self.firmware = 'upgrading'
        _, log = self.run_collector('once', status=1)
        self.assertIn(
            'nova-mdev-collector: pci_0000_81_00_0, pci_0000_81_01_0: the '
            'firmware is being upgraded\n',
            log,
        )
        self.assertEqual(before, self.published())

    def test_its_option_is_wrong(self):
        self.nova = self.nova.replace('fast', 'furious')
        _, log = self.run_collector('once', status=2)
        last = log.splitlines()[-1]
        self.assertIn("vendor plugin 'acme': ", last)
        self.assertIn('furious', last)

    def test_not_enabled(self):
        self.options['vendor_plugins'] = 'noop'
        for parent in self.dry_run():
            self.assertIsNone(parent['vendor_plugin'])
            self.assertEqual([], parent['accepts'])
            self.assertEqual({}, parent['unknown_facts'])


#: What is wrong with a plugin that a collector cannot use at all.
UNUSABLE = {
    'import a_library_that_is_not_there': (
        "plugin 'acme' (acme_mdev:Plugin) does not load: ModuleNotFoundError: "
        "No module named 'a_library_that_is_not_there'"
    ),
    'raise SystemExit(0)': (
        "plugin 'acme' (acme_mdev:Plugin) does not load: SystemExit: 0"
    ),
    'class Plugin: pass': (
        "plugin 'acme' (<class 'acme_mdev.Plugin'>): it is not a subclass of "
        'nova_mdev_compat.vendors.base.Vendor'
    ),
    PLUGIN.replace('1b36', '1B36'): (
        "plugins 'acme' and 'good' both declare vendor '1b36'; name only one "
        'of them'
    ),
}


class BrokenTest(PluginTestCase):
    """Nothing false is published, whatever is wrong with a plugin.

    If it fails while it runs, what was published stays for some time, because
    the devices are the same. If it cannot be used at all, nothing is accepted.
    The errors are in tests/unit/vendors/test_manager.py.
    """

    def setUp(self):
        super().setUp()
        self.install('good', PLUGIN)
        self.run_collector('once')
        self.before = self.published()
        for names in self.before[1:]:
            self.assertIn('CUSTOM_MDEV_FACT_MODE_SAFE', names)

    def install(self, name, text):
        """Write a package with one plugin, or replace it."""
        directory = self.packages / f'{name}_mdev-1.0.dist-info'
        directory.mkdir(exist_ok=True)
        (directory / 'METADATA').write_text(
            f'Metadata-Version: 2.1\nName: {name}-mdev\nVersion: 1.0\n'
        )
        (directory / 'entry_points.txt').write_text(
            f'[{NAMESPACE}]\n{name} = {name}_mdev:Plugin\n'
        )
        (self.packages / f'{name}_mdev.py').write_text(text)

    def replace(self, method):
        """Replace the good plugin by one with another method."""
        shutil.rmtree(self.packages)
        self.packages.mkdir()
        self.install(
            'acme', PLUGIN + textwrap.indent(textwrap.dedent(method), '    ')
        )

    def assert_failed(self, why, other=None):
        """Both ways to run fail with a reason; what was published stays.

        :param why: of the first board, and of the other one by default
        """
        first, second = 'pci_0000_81_00_0', 'pci_0000_81_01_0'
        expected = f'nova-mdev-collector: {first}, {second}: {why}'
        if other:
            expected = (
                f'nova-mdev-collector: {first}: {why}; {second}: {other}'
            )
        for way in ('dry-run', 'once'):
            _, log = self.run_collector(way, status=1)
            self.assertEqual(expected, log.splitlines()[-1])
        self.assertEqual(self.before, self.published())

    def assert_not_used(self, message):
        """Likewise; but what was accepted does not stay."""
        shown, log = self.run_collector('dry-run', status=2)
        message = f'[collector]vendor_plugins: {message}'
        self.assertEqual(f'nova-mdev-collector: {message}\n', log)
        self.assertEqual('', shown)
        _, log = self.run_collector('once', status=2)
        self.assertIn(message, log.splitlines()[-1])
        self.assertEqual(
            [
                {name for name in names if not name.startswith(traits.ACCEPT)}
                for names in self.before
            ],
            self.published(),
        )

    def test_raises(self):
        end = 'RuntimeError: no board; this is a bug in the plugin'
        for method, what in {
            'facts(self, devices)': 'asked for facts',
            '__init__(self, conf)': 'when it was started',
        }.items():
            with self.subTest(method=method):
                self.replace(f"""
                    def {method}:
                        raise RuntimeError('no board')
                    """)
                self.assert_failed(f"vendor plugin 'acme', {what}: {end}")
        self.replace("""
            def accepts(self, device, target):
                yield None
                raise RuntimeError('no board')
            """)
        self.assert_failed(
            *(
                f"vendor plugin 'acme', asked what {board} accepts: {end}"
                for board in ('pci_0000_81_00_0', 'pci_0000_81_01_0')
            )
        )

    def test_hangs(self):
        """A service would continue; ``once`` ends, and its process, too."""
        self.options['vendor_timeout'] = 1
        why = "vendor plugin 'acme' has not answered for 1 seconds"
        still = (
            "vendor plugin 'acme' still has not answered an earlier question"
        )
        for method, other in {
            'facts(self, devices)': None,
            # After the first board, the plugin is not called again.
            'accepts(self, device, target)': still,
            '__init__(self, conf)': None,
        }.items():
            with self.subTest(method=method):
                self.replace(f"""
                    def {method}:
                        threading.Event().wait()
                    """)
                self.assert_failed(why, other)

    def test_cannot_be_used(self):
        for text, why in UNUSABLE.items():
            with self.subTest(text=text):
                self.install('acme', text)
                self.assert_not_used(why)
                # So the collector runs without it.
                self.options['vendor_plugins'] = 'good'
                self.run_collector('once')
                self.assertEqual(self.before, self.published())
                del self.options['vendor_plugins']

    def test_missing(self):
        self.options['vendor_plugins'] = 'good,acme'
        self.assert_not_used(
            "no plugin is named 'acme' in nova_mdev_compat.vendors"
        )
