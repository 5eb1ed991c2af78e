# SPDX-License-Identifier: Apache-2.0
"""The commands withdraw and status, and metrics."""

import json
import subprocess
import sys
import time

from prometheus_client import parser

from nova_mdev_compat.core import traits
from nova_mdev_compat.daemons import state
from tests.functional import collector_base
from tests.functional import service_base
from tests import waiting

FOREIGN = {'CUSTOM_GOLD', 'CUSTOM_MDEVICE', 'HW_GPU_API_VULKAN'}

#: The command, on a machine without prometheus_client.
WITHOUT_LIBRARY = """
import sys
sys.modules['prometheus_client'] = None
from nova_mdev_compat.cmd import collector
sys.exit(collector.main())
"""


class WithdrawTest(collector_base.CollectorTestCase):
    def setUp(self):
        super().setUp()
        for uuid in (self.root, *self.boards):
            for name in FOREIGN:
                self.placement.add_trait(uuid, name)

    def assert_withdrawn(self):
        self.assertEqual([FOREIGN] * 3, self.published())

    def test_all_of_ours_and_only_ours(self):
        other = self.placement.create_provider('host2')
        child = self.placement.create_provider('host2_pci_0000_81_00_0', other)
        self.run_collector('once')
        for uuid in (other, child):
            self.placement.add_trait(uuid, traits.SCHEMA)
        _, log = self.run_collector('withdraw')
        self.assert_withdrawn()
        self.assertIn('host1: withdrawn: 3 providers changed', log)
        for uuid in (other, child):
            self.assertEqual({traits.SCHEMA}, self.placement.traits(uuid))

    def test_different_boards(self):
        self.devices(
            collector_base.device(0), collector_base.device(1, product='2236')
        )
        self.run_collector('once')
        self.run_collector('withdraw')
        self.assert_withdrawn()

    def test_ghosts(self):
        """Providers whose devices are gone, whether seen so or not."""
        self.run_collector('once')
        self.devices(collector_base.device(1))
        self.run_collector('once')
        self.assertIn(traits.SCHEMA, self.published()[1])
        self.devices()
        self.run_collector('withdraw')
        self.assert_withdrawn()

    def test_twice(self):
        self.run_collector('once')
        self.run_collector('withdraw')
        self.placement.requests.clear()
        _, log = self.run_collector('withdraw')
        self.assertEqual(
            {'GET'}, {method for method, _ in self.placement.requests}
        )
        self.assertIn('0 providers changed', log)
        self.assert_withdrawn()

    def test_published_again(self):
        self.run_collector('once')
        before = self.published()
        self.run_collector('withdraw')
        self.run_collector('once')
        self.assertEqual(before, self.published())

    def test_rules_and_devices_do_not_matter(self):
        """A host may be decommissioned because they are broken."""
        self.run_collector('once')
        self.write_rules(']')
        self.options['libvirt_uri'] = 'qemu+unix:///system?socket=/nowhere'
        self.run_collector('withdraw')
        self.assert_withdrawn()

    def test_placement_is_down(self):
        self.run_collector('once')
        before = self.published()
        self.placement.before = lambda *_: '503 Unavailable'
        _, log = self.run_collector('withdraw', status=1)
        self.assertIn('503', log)
        self.placement.before = None
        self.assertEqual(before, self.published())
        self.placement.endpoint = 'http://127.0.0.1:1'
        _, log = self.run_collector('withdraw', status=1)
        self.assertIn('Placement does not answer', log)

    def test_unknown_host(self):
        self.options['hypervisor_hostname'] = 'elsewhere'
        _, log = self.run_collector('withdraw', status=1)
        self.assertIn('no resource provider named elsewhere', log)


class StatusTest(collector_base.CollectorTestCase):
    def setUp(self):
        super().setUp()
        self.path = self.home / 'state.json'
        self.options['state_file'] = str(self.path)

    def leave(self, **changes):
        """Leave the word that a service left, a while ago or just now."""
        now = time.time()
        values = {
            'interval': 60.0,
            'host': 'host1',
            'last_pass': now,
            'last_success': now,
            'published': {'host1': [traits.HOST, traits.SCHEMA]},
            **changes,
        }
        state.write(self.path, state.State(**values))

    def assert_trouble(self, *words):
        shown, _ = self.run_collector('status', status=1)
        told, _ = self.run_collector('status', '--format', 'json', status=1)
        document = json.loads(told)
        self.assertIs(False, document['healthy'])
        for word in words:
            self.assertIn(word, shown)
            self.assertIn(word, '\n'.join(document['trouble']))

    def test_all_is_well(self):
        self.leave()
        self.placement.requests.clear()
        shown, log = self.run_collector('status')
        self.assertEqual([], self.placement.requests)
        self.assertEqual('', log)
        for pattern in (
            r'host +\| host1',
            r'healthy +\| yes',
            r'last success +\| 20\d\d-\d\d-\d\d \d\d:',
            r'published on +\| host1: 2 traits',
        ):
            self.assertRegex(shown, pattern)

    def test_json(self):
        self.leave()
        told, _ = self.run_collector('status', '--format', 'json')
        document = json.loads(told)
        self.assertIs(True, document['healthy'])
        self.assertEqual([], document['trouble'])
        self.assertEqual(
            {'host1': [traits.HOST, traits.SCHEMA]}, document['published']
        )

    def test_never_run(self):
        shown, log = self.run_collector('status', status=2)
        self.assertEqual('', shown)
        self.assertIn(f'{self.path} is not there', log)

    def test_rubbish(self):
        for text in (
            b'',
            b'{',
            b'[]',
            b'7',
            b'{}',
            b'\xff\xfe',
            b'{"schema_version": "1.0"}',
            b'{"schema_version": "1.0", "interval": "soon"}',
        ):
            with self.subTest(text=text):
                self.path.write_bytes(text)
                shown, log = self.run_collector('status', status=2)
                self.assertEqual('', shown)
                self.assertIn(f'{self.path} is ', log)
                self.assertEqual(1, len(log.splitlines()), log)

    def test_other_versions(self):
        """A newer minor version may have keys that nobody knows here."""
        self.path.write_text('{"schema_version": "9.0", "interval": 60}')
        _, log = self.run_collector('status', status=2)
        self.assertIn(f'{self.path}: schema_version 9.0 cannot be read', log)
        self.path.write_text(
            '{"schema_version": "1.9", "interval": 60, "news": 1}'
        )
        shown, _ = self.run_collector('status', status=1)
        self.assertIn('nothing has been published yet', shown)

    def test_directory_in_its_place(self):
        self.path.mkdir()
        _, log = self.run_collector('status', status=2)
        self.assertIn(f'{self.path}: Is a directory', log)

    def test_nothing_published_yet(self):
        self.leave(
            last_success=None,
            host=None,
            published={},
            failures=3,
            error='libvirt is down',
        )
        self.assert_trouble(
            'nothing has been published yet',
            '3 passes have failed: libvirt is down',
        )
        shown, _ = self.run_collector('status', status=1)
        self.assertRegex(shown, r'last success +\| never')

    def test_failing(self):
        self.leave(failures=2, error='Placement does not answer')
        self.assert_trouble('2 passes have failed: Placement does not answer')

    def test_older_rules(self):
        self.leave(rules_error='nvidia.yaml:1:1: no')
        self.assert_trouble('older rules are in force: nvidia.yaml:1:1: no')

    def test_dead(self):
        """Of the service, or of the clock."""
        for away in (-3600, 3600):
            with self.subTest(away=away):
                self.leave(last_pass=time.time() + away)
                self.assert_trouble('the service has not run for a while')


class ServiceStatusTest(service_base.ServiceTestCase):
    """What a real service leaves."""

    def setUp(self):
        super().setUp()
        self.metrics = self.home / 'metrics/nova-mdev-collector.prom'
        self.metrics.parent.mkdir()
        self.options['metrics_file'] = str(self.metrics)

    def values(self):
        families = parser.text_string_to_metric_families(
            self.metrics.read_text()
        )
        return {
            sample.name.removeprefix('nova_mdev_collector_'): sample.value
            for family in families
            for sample in family.samples
        }

    def test_good_pass_then_failures(self):
        self.start_and_wait()
        self.wait_for(self.metrics.exists, 'no metrics')
        document = json.loads(self.status('--format', 'json'))
        self.assertEqual('host1', document['host'])
        self.assertEqual(
            {'host1', 'host1_pci_0000_81_00_0', 'host1_pci_0000_81_01_0'},
            set(document['published']),
        )
        found = self.values()
        self.assertEqual(
            {
                'healthy': 1,
                'consecutive_failures': 0,
                'providers': 3,
                'accept_patterns': 3,
            },
            {
                name: value
                for name, value in found.items()
                if name != 'last_success_timestamp_seconds'
            },
        )
        self.assertLess(
            abs(time.time() - found['last_success_timestamp_seconds']),
            waiting.DEADLINE,
        )
        self.assertEqual(0o644, self.metrics.stat().st_mode & 0o777)

        self.placement.before = lambda *_: '503 Unavailable'
        self.wait_for(
            lambda: self.values()['consecutive_failures'], 'no failure'
        )
        self.assertIn('503', self.status(status=1))
        self.assertEqual(0, self.values()['healthy'])
        self.assertEqual(3, self.values()['providers'])

        self.placement.before = None
        self.wait_for(lambda: self.values()['healthy'], 'no recovery')
        self.wait_for(
            lambda: len(list(self.metrics.parent.iterdir())) == 1,
            'temporary files stay',
        )

    def test_unwritable(self):
        """Neither file is worth a failed pass."""
        self.metrics.parent.rmdir()
        self.options['state_file'] = f'{self.home}/nowhere/state.json'
        self.start_and_wait()
        self.passes()
        self.assertIn('CUSTOM_MDEV_HOST', self.placement.traits(self.root))

    def test_without_library(self):
        done = subprocess.run(
            [sys.executable, '-c', WITHOUT_LIBRARY, *self.write_config()],
            capture_output=True,
            text=True,
            check=False,
            timeout=waiting.DEADLINE,
        )
        self.assertEqual(2, done.returncode, done.stderr)
        self.assertIn(
            '[collector]metrics_file needs prometheus_client', done.stderr
        )
        self.assertEqual(1, len(done.stderr.splitlines()), done.stderr)
        self.assertEqual([set()] * 3, self.published())
