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
ONLY_THE_OTHER = """
schema_version: "1.0"
vendor: "10de"
rules:
  - name: the other board
    accepts: {product: ["2236"]}
"""
THE_OTHER_TOO = (
    ONLY_THE_OTHER
    + """
  - name: the same board
    accepts: {product: same}
"""
)

_LIBC = ctypes.CDLL(None)
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1


def _full_disk():
    """Let no file grow beyond some bytes.

    As on a full disk a write goes well for a while and then fails (EFBIG is
    ENOSPC there); it takes neither root nor a file system of its own.
    """
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))


def _no_super_powers():
    """Let directories be unwritable for root, too."""
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
        """Take [placement] out: there are no credentials."""
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

    def assert_nothing_else(self):
        self.assertEqual([self.path], list(self.directory.iterdir()))


class ProviderConfigTest(ProviderConfigTestCase):
    def change(self):
        """Add to what is to be written."""
        self.write_rules(THE_OTHER_TOO)

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
        """Each speaks for itself; a root does not take it back."""
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
        """Whoever is reading the old file goes on reading the old file."""
        self.run_collector('once')
        before = self.path.read_text()
        with self.path.open() as file:
            beginning = file.read(10)
            self.change()
            self.run_collector('once')
            self.assertEqual(before, beginning + file.read())
        self.assertIn(OTHER, self.as_nova_reads_it()['host1'])
        self.assertEqual(0o644, self.path.stat().st_mode & 0o777)
        self.assert_nothing_else()

    def test_something_else_was_there(self):
        self.path.write_bytes(b'\xff\xfe no text')
        self.run_collector('once')
        self.assertIn(ACCEPT, self.as_nova_reads_it()['host1'])

    def test_full_disk(self):
        self.run_collector('once')
        before = self.path.read_bytes()
        self.change()
        _, log = self.run_collector('once', status=1, preexec_fn=_full_disk)
        self.assertIn(f'{self.path}: File too large', log)
        self.assertEqual(before, self.path.read_bytes())
        self.assert_nothing_else()

        self.run_collector('once')
        self.assertIn(OTHER, self.as_nova_reads_it()['host1'])

    def test_full_disk_at_first(self):
        _, log = self.run_collector('once', status=1, preexec_fn=_full_disk)
        self.assertIn(f'{self.path}: File too large', log)
        self.assertEqual([], list(self.directory.iterdir()))

    def test_unwritable_directory(self):
        self.run_collector('once')
        before = self.path.read_bytes()
        self.change()
        self.directory.chmod(0o555)
        self.addCleanup(self.directory.chmod, 0o755)
        _, log = self.run_collector(
            'once', status=1, preexec_fn=_no_super_powers
        )
        self.assertIn(f'{self.path}: Permission denied', log)
        self.assertEqual(before, self.path.read_bytes())
        self.assert_nothing_else()

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
        self.assertEqual([], list(self.directory.iterdir()))

    def test_withdraw(self):
        self.run_collector('once')
        self.run_collector('withdraw')
        self.assertEqual({}, self.as_nova_reads_it())
        before = self.path.stat().st_ino
        self.run_collector('withdraw')
        self.assertEqual(before, self.path.stat().st_ino)


class TakingBackTest(ProviderConfigTestCase):
    """nova-compute only ever adds; so what was true once is never taken back.

    Rather than say more and more that is false, the publisher refuses.
    """

    def setUp(self):
        super().setUp()
        self.run_collector('once')
        self.before = self.path.read_bytes()
        self.refused = self.path.with_name('nova-mdev-compat.yaml.refused')

    def assert_refused(self, way='once'):
        _, log = self.run_collector(way, status=2)
        self.assertIn('provider_config cannot take back', log)
        self.assertIn(str(self.refused), log)
        self.assertNotIn('restart nova-compute', log)
        self.assertEqual({}, self.as_nova_reads_it())
        self.assertEqual(self.before, self.refused.read_bytes())

    def test_other_rules(self):
        self.write_rules(ONLY_THE_OTHER)
        self.assert_refused()

    def test_a_ghost(self):
        self.devices(collector_base.device(0))
        self.assert_refused()

    def test_the_root_spoke_and_must_not(self):
        self.devices(
            collector_base.device(0), collector_base.device(1, product='2236')
        )
        self.assert_refused()

    def test_rules_that_became_invalid(self):
        self.write_rules('rules: [')
        _, log = self.run_collector('once', status=1)
        self.assertIn('nvidia.yaml', log)
        self.assertIn('provider_config cannot take back', log)
        self.assertEqual({}, self.as_nova_reads_it())

    def test_until_somebody_has_cleaned_up(self):
        self.devices(collector_base.device(0))
        self.assert_refused()
        self.devices(collector_base.device(0), collector_base.device(1))
        self.assert_refused()
        _, log = self.run_collector('withdraw')
        self.assertIn('stay in Placement until somebody removes them', log)
        self.assertFalse(self.refused.exists())
        self.run_collector('once')
        self.assertEqual(self.before, self.path.read_bytes())

    def test_more_is_no_problem(self):
        self.write_rules(THE_OTHER_TOO)
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
        super().run_collector(
            name,
            nova
            + (
                '[collector]\npublisher = provider_config\n'
                f'provider_config_file = {self.path}\n'
            ),
            boards,
        )

    def said(self):
        return [
            self.our_traits(uuid)
            for uuid in (
                self._get_provider_uuid_by_host('host'),
                self.provider('host', 0),
            )
        ]

    def test_traits_arrive(self):
        """And never leave: nova-compute only ever adds."""
        self.start_host('host', hardware.Board(0))
        self.assertEqual([set(), set()], self.said())
        self.restart_compute_service('host')
        root, board = self.said()
        self.assertIn(traits.HOST, root)
        for names in (root, board):
            self.assertIn(ACCEPT, names)

        # As if it had been let: what was true once would stay.
        text = self.path.read_text()
        self.path.write_text(text.replace(ACCEPT, OTHER))
        self.restart_compute_service('host')
        for names in self.said():
            self.assertLessEqual({ACCEPT, OTHER}, names)

    def test_foreign_traits_stay(self):
        self.start_host('host', hardware.Board(0))
        uuid = self.provider('host', 0)
        self._create_trait('CUSTOM_GOLD')
        self._set_provider_traits(
            uuid, [*self._get_provider_traits(uuid), 'CUSTOM_GOLD']
        )
        self.restart_compute_service('host')
        self.assertLessEqual(
            {'CUSTOM_GOLD', ACCEPT}, set(self._get_provider_traits(uuid))
        )
