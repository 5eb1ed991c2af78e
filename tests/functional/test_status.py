# SPDX-License-Identifier: Apache-2.0
"""The sub-commands withdraw and status, and metrics."""

import json
import re
import subprocess
import sys
import time

import ddt
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

    def test_orphaned_providers(self):
        """Of a mixed host, and whether a pass has found them or not."""
        self.devices(
            collector_base.device(0), collector_base.device(1, product='2236')
        )
        self.run_collector('once')
        self.devices(collector_base.device(1, product='2236'))
        self.run_collector('once')
        self.assertIn(traits.SCHEMA, self.published()[1])
        self.devices()
        self.run_collector('withdraw')
        self.assert_withdrawn()

    def test_twice_and_published_again(self):
        self.run_collector('once')
        before = self.published()
        self.run_collector('withdraw')
        self.placement.requests.clear()
        _, log = self.run_collector('withdraw')
        self.assertEqual(
            {'GET'}, {method for method, _ in self.placement.requests}
        )
        self.assertIn('0 providers changed', log)
        self.assert_withdrawn()
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


@ddt.ddt
class StatusTest(collector_base.CollectorTestCase):
    def setUp(self):
        super().setUp()
        self.path = self.home / 'state.json'
        self.options['state_file'] = str(self.path)

    def write(self, **changes):
        """Write a state file; without changes, of a healthy service."""
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

    def status(self, status):
        """Return the table and the JSON."""
        shown, log = self.run_collector('status', status=status)
        self.assertEqual('', log)
        text, _ = self.run_collector(
            'status', '--format', 'json', status=status
        )
        return shown, json.loads(text)

    def refuse(self, *words):
        shown, log = self.run_collector('status', status=2)
        self.assertEqual('', shown)
        self.assertEqual(1, len(log.splitlines()), log)
        for word in words:
            self.assertIn(word, log)

    def test_healthy(self):
        self.write()
        self.placement.requests.clear()
        shown, document = self.status(0)
        self.assertEqual([], self.placement.requests)
        for pattern in (
            r'host +\| host1',
            r'healthy +\| yes',
            r'last success +\| 20\d\d-\d\d-\d\d \d\d:',
            r'published on +\| host1: 2 traits',
        ):
            self.assertRegex(shown, pattern)
        self.assertIs(True, document['healthy'])
        self.assertEqual([], document['trouble'])
        self.assertEqual(
            {'host1': [traits.HOST, traits.SCHEMA]}, document['published']
        )

    def test_never_run(self):
        self.refuse(f'{self.path} is not there')

    def test_directory_in_its_place(self):
        self.path.mkdir()
        self.refuse(f'{self.path}: Is a directory')

    def test_invalid_file(self):
        for text in (b'', b'{', b'{}', b'\xff\xfe'):
            with self.subTest(text=text):
                self.path.write_bytes(text)
                self.refuse(f'{self.path} is ')

    def test_other_versions(self):
        """Unknown keys of a newer minor version are ignored."""
        self.path.write_text('{"schema_version": "9.0", "interval": 60}')
        self.refuse(f'{self.path}: schema_version 9.0 cannot be read')
        self.path.write_text(
            '{"schema_version": "1.9", "interval": 60, "news": 1}'
        )
        shown, _ = self.status(1)
        self.assertIn('nothing has been published yet', shown)

    @ddt.data(
        (
            {
                'last_success': None,
                'host': None,
                'published': {},
                'failures': 3,
                'error': 'libvirt is down',
            },
            'nothing has been published yet',
            '3 passes have failed: libvirt is down',
        ),
        (
            {'rules_error': 'nvidia.yaml:1:1: no'},
            'older rules are in force: nvidia.yaml:1:1: no',
        ),
        # The service has stopped, or the clock was changed.
        ({'last_pass': 1000.0}, 'the service has not run for a while'),
        ({'last_pass': 9e9}, 'the service has not run for a while'),
    )
    @ddt.unpack
    def test_trouble(self, changes, *words):
        self.write(**changes)
        shown, document = self.status(1)
        self.assertIs(False, document['healthy'])
        for word in words:
            self.assertIn(word, shown)
            self.assertIn(word, '\n'.join(document['trouble']))
        never = 'last_success' in changes
        self.assertEqual(never, bool(re.search('success +[|] never', shown)))


class ServiceStatusTest(service_base.ServiceTestCase):
    """What a real service writes."""

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
        """Neither file makes a pass fail."""
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
