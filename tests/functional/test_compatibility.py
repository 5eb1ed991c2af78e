# SPDX-License-Identifier: Apache-2.0
"""Commands beside what other releases of this package have written.

What is read is what today's code writes, as another release would have
written it: with another version, and something besides everywhere.
"""

import json
import pathlib
import subprocess
import sys
import time

import ddt
import fixtures
import testtools

from nova_mdev_compat.daemons import state
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file
from nova_mdev_compat.publication import snapshot
from tests.functional import test_annotator
from tests.functional import test_guard_command
from tests import recordings

BIN = pathlib.Path(sys.executable).parent
MORE = {'new': ['more'], 'newer': {'new': None}}
#: Keys of objects whose own keys are names, of which each release has others.
BY_NAME = (
    'devices',
    'accepts',
    'facts',
    'unknown_facts',
    'published',
    'unread_since',
)


def version(ours, major=0, minor=0):
    """Return a version that is so much newer than ours."""
    first, second = map(int, ours.split('.'))
    return f'{first + major}.{second + minor}'


def add(item, key=None):
    """Return JSON with more in each of its objects.

    :param key: under which it is
    """
    if isinstance(item, list):
        return [add(one) for one in item]
    if not isinstance(item, dict):
        return item
    found = {name: add(value, name) for name, value in item.items()}
    return found if key in BY_NAME else {**found, **MORE}


def rewrite(path, found):
    """Let a file be another release's."""
    document = add(json.loads(path.read_text()))
    path.write_text(json.dumps({**document, 'schema_version': found}))


@ddt.ddt
class GuardTest(test_guard_command.GuardTestCase):
    """devices.json, and the metadata of a domain."""

    @ddt.data(0, 1, 7)
    def test_minor_version(self, newer):
        rewrite(
            self.home / 'devices.json',
            version(devices_file.SCHEMA_VERSION, minor=newer),
        )
        done = self.run_guard()
        self.assertEqual((0, b''), (done.returncode, done.stderr))

    def test_major_version(self):
        rewrite(
            self.home / 'devices.json',
            version(devices_file.SCHEMA_VERSION, major=1),
        )
        self.assert_refused(
            self.run_guard(),
            'unknown ([guard]unknown = reject): ',
            'schema_version 2.0 cannot be read: this nova-mdev-compat reads '
            '1.x. Upgrade it here',
        )

    def test_metadata_of_a_minor_version(self):
        text = test_guard_command.DOMAIN.replace(
            '<mdev-compat:mdev ',
            '<mdev-compat:new/><mdev-compat:mdev new="1" ',
        )
        self.assertNotEqual(test_guard_command.DOMAIN, text)
        done = self.run_guard(text)
        self.assertEqual((0, b''), (done.returncode, done.stderr))

    def test_metadata_of_a_major_version(self):
        self.assert_refused(
            self.run_guard(
                test_guard_command.DOMAIN.replace(
                    domain_xml.NAMESPACE, domain_xml.FAMILY + '2.0'
                )
            ),
            "unknown ([guard]unknown = reject): the domain's annotation: "
            'schema_version 2.0 cannot be read: this nova-mdev-compat '
            'reads 1.x. Upgrade it here',
        )

    def test_device_without_accept_patterns(self):
        """The collector has withdrawn what it could not read for long."""
        path = self.home / 'devices.json'
        document = json.loads(path.read_text())
        document['devices']['pci_0000_01_00_0']['accepts'] = {}
        path.write_text(json.dumps(document))
        self.assert_refused(
            self.run_guard(),
            'incompatible: mdev ',
            'on pci_0000_01_00_0 '
            'does not accept 1234:11e8 labgpu-1 driver=1.0: publishes no '
            'accepted sources',
        )


@ddt.ddt
class AnnotatorTest(test_annotator.CommandTestCase):
    def mdev(self):
        """Return what would be written of the domain's mdev."""
        shown, _ = self.run_command('dry-run', '--format', 'json')
        (domain,) = json.loads(shown)['domains']
        (mdev,) = domain['mdevs']
        return mdev

    @ddt.data(0, 1)
    def test_minor_version(self, newer):
        expected = self.mdev()
        self.assertIsNone(expected['unknown_because'])
        rewrite(
            self.home / 'devices.json',
            version(devices_file.SCHEMA_VERSION, minor=newer),
        )
        self.assertEqual(expected, self.mdev())

    def test_major_version(self):
        rewrite(
            self.home / 'devices.json',
            version(devices_file.SCHEMA_VERSION, major=1),
        )
        self.assertIn(
            'schema_version 2.0 cannot be read', self.mdev()['unknown_because']
        )


@ddt.ddt
class OthersTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def run_command(self, name, *args, status=0):
        done = subprocess.run(
            [BIN / name, *args], check=False, capture_output=True, text=True
        )
        self.assertEqual(status, done.returncode, done.stderr)
        return done.stdout, done.stderr

    def status(self, found, **kwargs):
        """Run nova-mdev-collector status on a state of another version."""
        path = self.home / 'state.json'
        now = time.time()
        state.write(
            path,
            state.State(
                60, 'host1', now, now, published={'host1': ['CUSTOM_MDEV_V1']}
            ),
        )
        rewrite(path, found)
        config = self.home / 'collector.conf'
        config.write_text(f'[collector]\nstate_file = {path}\n')
        return self.run_command(
            'nova-mdev-collector',
            '--config-file',
            config,
            'status',
            '--format',
            'json',
            **kwargs,
        )

    @ddt.data(0, 1)
    def test_state_of_a_minor_version(self, newer):
        """What is printed has this release's shape."""
        ours = state.SCHEMA_VERSION
        shown, _ = self.status(version(ours, minor=newer))
        document = json.loads(shown)
        self.assertEqual(
            (True, 'host1', ours),
            (
                document['healthy'],
                document['host'],
                document['schema_version'],
            ),
        )
        self.assertNotIn('new', document)

    def test_state_of_a_major_version(self):
        _, said = self.status(version(state.SCHEMA_VERSION, major=1), status=2)
        self.assertIn('state.json: schema_version 2.', said)
        self.assertIn('reads 1.x. Upgrade it here', said)

    def explain(self, found, **kwargs):
        """Run nova-mdev-rules on recordings of another version."""
        for name in ('gpu-1', 'gpu-2'):
            path = self.home / f'{name}.json'
            path.write_text(recordings.text(name))
            if found is not None:
                rewrite(path, found)
        return self.run_command(
            'nova-mdev-rules',
            'explain',
            '--hosts',
            self.home,
            '--source',
            'gpu-1',
            '--target',
            'gpu-2',
            '--format',
            'json',
            **kwargs,
        )

    @ddt.data(0, 1)
    def test_recording_of_a_minor_version(self, newer):
        expected, _ = self.explain(None)
        self.assertTrue(json.loads(expected))
        self.assertEqual(
            expected,
            self.explain(version(snapshot.SCHEMA_VERSION, minor=newer))[0],
        )

    def test_first_recording(self):
        """The oldest one of this major version."""
        expected, _ = self.explain(None)
        self.assertEqual(expected, self.explain('2.0')[0])

    def test_recording_of_a_major_version(self):
        for newer, words in (
            (1, 'reads 2.x. Upgrade it here'),
            (-1, 'Upgrade it where this was written'),
        ):
            _, said = self.explain(
                version(snapshot.SCHEMA_VERSION, major=newer), status=2
            )
            self.assertIn('gpu-1.json: schema_version ', said)
            self.assertIn(words, said)
