# SPDX-License-Identifier: Apache-2.0
"""The publisher that writes Nova's provider.yaml."""

import ctypes
import resource

from nova.compute import provider_config

from nova_mdev_compat.core import traits
from tests.functional import base
from tests.functional import collector_base
from tests.functional import test_collector
from tests import hardware

ACCEPT = test_collector.ACCEPT
OTHER = 'CUSTOM_MDEV_ACCEPT_10DE_2236__NVIDIA_11'
ONLY_OTHER = """
schema_version: "1.0"
vendor: "10de"
rules:
  - {name: the other board, accepts: {product: ["2236"]}}
"""
OTHER_TOO = f"""{ONLY_OTHER}
  - {{name: the same board, accepts: {{product: same}}}}
"""

_LIBC = ctypes.CDLL(None)
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1


def _full_disk():
    """Limit the size of files.

    As on a full disk, a write fails half-way (with EFBIG, there with ENOSPC).
    This needs neither root nor a file system of its own.
    """
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))


def _obey_modes():
    """Let a directory's mode apply to root, too."""
    _LIBC.prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)


class ProviderConfigTestCase(collector_base.CollectorTestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.home / 'provider_config'
        self.directory.mkdir()
        self.use(self.directory / 'nova-mdev-compat.yaml')

    def use(self, path):
        self.path = path
        self.options |= {
            'publisher': 'provider_config',
            'provider_config_file': str(path),
        }

    def write_config(self):
        """Leave [placement] out: there are no credentials."""
        args = super().write_config()
        (self.home / 'nova.conf').write_text(self.nova)
        return args

    def as_nova_reads_it(self):
        """Return traits by provider name, from Nova's own loader."""
        found = provider_config.get_provider_configs(str(self.directory))
        return {
            name: set(item['traits']['additional'])
            for name, item in found.items()
        }

    def files(self):
        return list(self.directory.iterdir())


class ProviderConfigTest(ProviderConfigTestCase):
    def fail_to_write(self, why, make_it_fail):
        """Check that a write that fails changes nothing."""
        before = self.path.read_bytes() if self.path.exists() else None
        files = self.files()
        _, log = self.run_collector('once', status=1, preexec_fn=make_it_fail)
        self.assertIn(f'{self.path}: {why}', log)
        self.assertEqual(files, self.files())
        if before is not None:
            self.assertEqual(before, self.path.read_bytes())

    def test_same_traits_as_in_placement(self):
        self.placement.requests.clear()
        _, log = self.run_collector('once')
        self.assertIn('restart nova-compute', log)
        self.assertEqual([], self.placement.requests)
        written = self.as_nova_reads_it()
        self.assertEqual(
            {'host1', 'host1_pci_0000_81_00_0', 'host1_pci_0000_81_01_0'},
            set(written),
        )

        self.options['publisher'] = 'placement'
        self.nova += (
            '[placement]\nauth_type = admin_token\ntoken = admin\n'
            f'endpoint = {self.placement.endpoint}\n'
        )
        self.run_collector('once')
        self.assertEqual(self.published(), list(written.values()))

    def test_different_boards(self):
        """Each advertises for itself."""
        self.devices(
            collector_base.device(0), collector_base.device(1, product='2236')
        )
        self.run_collector('once')
        root, first, second = self.as_nova_reads_it().values()
        self.assertEqual({'CUSTOM_MDEV_V1', 'CUSTOM_MDEV_HOST'}, root)
        self.assertIn(ACCEPT, first)
        self.assertIn(OTHER, second)

    def test_not_rewritten(self):
        self.run_collector('once')
        before = self.path.stat()
        _, log = self.run_collector('once')
        after = self.path.stat()
        self.assertEqual(
            (before.st_ino, before.st_mtime_ns),
            (after.st_ino, after.st_mtime_ns),
        )
        self.assertIn('0 providers changed, 3 unchanged', log)
        self.assertNotIn('restart nova-compute', log)

    def test_replaced_as_a_whole(self):
        """A process that has opened the old file reads the old file."""
        self.path.write_bytes(b'\xff\xfe no text')
        self.run_collector('once')
        before = self.path.read_text()
        with self.path.open() as file:
            beginning = file.read(10)
            self.write_rules(OTHER_TOO)
            self.run_collector('once')
            self.assertEqual(before, beginning + file.read())
        self.assertIn(OTHER, self.as_nova_reads_it()['host1'])
        self.assertEqual(0o644, self.path.stat().st_mode & 0o777)
        self.assertEqual([self.path], self.files())

    def test_full_disk(self):
        """At first, and later."""
        self.fail_to_write('File too large', _full_disk)
        self.run_collector('once')
        self.write_rules(OTHER_TOO)
        self.fail_to_write('File too large', _full_disk)
        self.run_collector('once')
        self.assertIn(OTHER, self.as_nova_reads_it()['host1'])

    def test_unwritable_directory(self):
        self.run_collector('once')
        self.write_rules(OTHER_TOO)
        self.directory.chmod(0o555)
        self.addCleanup(self.directory.chmod, 0o755)
        self.fail_to_write('Permission denied', _obey_modes)

    def test_no_directory(self):
        for path, why in (
            (self.home / 'nowhere/a.yaml', 'No such file or directory'),
            (self.home / 'node.xml/a.yaml', 'Not a directory'),
        ):
            with self.subTest(path=path):
                self.use(path)
                _, log = self.run_collector('once', status=1)
                self.assertIn(f'{path}: {why}', log)

    def test_file_that_nova_would_not_read(self):
        self.use(self.directory / 'traits.yml')
        _, log = self.run_collector('once', status=2)
        self.assertIn('traits.yml must end in .yaml', log)
        self.assertEqual(1, len(log.splitlines()), log)
        self.assertEqual([], self.files())

    def test_withdraw(self):
        self.run_collector('once')
        self.run_collector('withdraw')
        self.assertEqual({}, self.as_nova_reads_it())
        before = self.path.stat().st_ino
        self.run_collector('withdraw')
        self.assertEqual(before, self.path.stat().st_ino)


class TakingBackTest(ProviderConfigTestCase):
    """nova-compute only adds traits, so the publisher refuses to remove one."""

    def setUp(self):
        super().setUp()
        self.run_collector('once')
        self.before = self.path.read_bytes()
        self.refused = self.path.with_name('nova-mdev-compat.yaml.refused')

    def assert_refused(self, status=2):
        _, log = self.run_collector('once', status=status)
        self.assertIn('provider_config cannot take back', log)
        self.assertIn(str(self.refused), log)
        self.assertNotIn('restart nova-compute', log)
        self.assertEqual({}, self.as_nova_reads_it())
        self.assertEqual(self.before, self.refused.read_bytes())
        return log

    def test_other_rules(self):
        self.write_rules(ONLY_OTHER)
        self.assert_refused()

    def test_root_must_not_advertise_any_more(self):
        self.devices(
            collector_base.device(0), collector_base.device(1, product='2236')
        )
        self.assert_refused()

    def test_rules_that_became_invalid(self):
        self.write_rules('rules: [')
        self.assertIn('nvidia.yaml', self.assert_refused(status=1))

    def test_device_that_is_gone(self):
        """Everything is refused until an operator has removed the traits."""
        self.devices(collector_base.device(0))
        self.assert_refused()
        self.devices(collector_base.device(0), collector_base.device(1))
        self.assert_refused()
        _, log = self.run_collector('withdraw')
        self.assertIn('stay in Placement until an operator removes them', log)
        self.assertFalse(self.refused.exists())
        self.run_collector('once')
        self.assertEqual(self.before, self.path.read_bytes())

    def test_more_traits(self):
        self.write_rules(OTHER_TOO)
        self.run_collector('once')
        for names in self.as_nova_reads_it().values():
            self.assertLessEqual({ACCEPT, OTHER}, names)


class NovaTest(base.MdevCompatTestCase):
    """A nova-compute that reads what the collector writes."""

    WITH_FILTER = False

    def setUp(self):
        super().setUp()
        self.path = self.directory / 'provider_config/nova-mdev-compat.yaml'
        self.path.parent.mkdir()
        self.flags(
            provider_config_location=str(self.path.parent), group='compute'
        )

    def run_collector(self, name, nova, boards=()):
        nova += (
            '[collector]\npublisher = provider_config\n'
            f'provider_config_file = {self.path}\n'
        )
        super().run_collector(name, nova, boards)

    def test_traits_arrive_and_stay(self):
        """Nova adds them beside the traits of others, and removes none."""
        self.start_host('host', hardware.Board(0))
        root = self._get_provider_uuid_by_host('host')
        board = self.provider('host', 0)
        for uuid in (root, board):
            self.assertEqual(set(), self.our_traits(uuid))
        self._create_trait('CUSTOM_GOLD')
        self._set_provider_traits(
            board, [*self._get_provider_traits(board), 'CUSTOM_GOLD']
        )
        self.restart_compute_service('host')
        self.assertLessEqual({traits.HOST, ACCEPT}, self.our_traits(root))
        self.assertLessEqual(
            {'CUSTOM_GOLD', ACCEPT}, set(self._get_provider_traits(board))
        )

        # What the publisher refuses to do.
        text = self.path.read_text()
        self.path.write_text(text.replace(ACCEPT, OTHER))
        self.restart_compute_service('host')
        for uuid in (root, board):
            self.assertLessEqual({ACCEPT, OTHER}, self.our_traits(uuid))
