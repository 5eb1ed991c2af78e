# SPDX-License-Identifier: Apache-2.0

import json
import pathlib

import ddt
import fixtures
import testtools

from nova_mdev_compat.common import files
from nova_mdev_compat.publication import devices_file
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import loader
from tests.unit import samples

NOW = 1_800_000_000.0
GOOD = {
    'schema_version': '1.0',
    'host': 'gpu-1',
    'read_at': NOW,
    'devices': {
        'pci_0000_84_00_0': {
            'identity': [
                'CUSTOM_MDEV_V1',
                'CUSTOM_MDEV_PARENT_10DE_2235',
                'CUSTOM_MDEV_TYPE_NVIDIA_558',
            ],
            'accepts': {
                'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_558': ['same board']
            },
        }
    },
}


(DEVICE,) = GOOD['devices'].values()


def changed(**changes):
    return json.dumps({**GOOD, **changes})


def with_device(**changes):
    return changed(devices={'mtty_mtty': {**DEVICE, **changes}})


@ddt.ddt
class DevicesFileTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, 'devices.json'
        )

    def assert_refused(self, *words):
        exc = self.assertRaises(files.FileError, devices_file.read, self.path)
        for word in (str(self.path), *words):
            self.assertIn(word, str(exc))
        self.assertEqual(1, len(str(exc).splitlines()), exc)

    def test_what_the_collector_found(self):
        """All traits of a host, and the rules that made them."""
        rules = loader.load([str(samples.MILD_RULES)])
        mtty = {
            'parent_id': 'MTTY',
            'offered': ('mtty-1',),
            'target_type': 'mtty-1',
        }
        parents = [
            host_traits.describe(samples.parent(name, **changes), rules)
            for name, changes in (
                ('pci_0000_84_00_0', {}),
                ('pci_0000_85_00_0', {'target_type': None}),
                ('pci_0000_86_00_0', {'device_api': 'vfio-ccw'}),
                ('mtty_mtty', mtty),
            )
        ]
        host = host_traits.HostSnapshot('gpu-1', tuple(parents))
        devices_file.write(self.path, host_traits.devices_found(host, NOW, {}))
        found = devices_file.read(self.path)
        self.assertEqual(('gpu-1', NOW), (found.host, found.read_at))
        self.assertEqual(
            [item.parent.name for item in parents], list(found.devices)
        )
        for item, device in zip(parents, found.devices.values(), strict=True):
            self.assertEqual(item.identity, device.identity)
            self.assertEqual(item.accepts, device.described().accepts)
            for trait, names in device.rules.items():
                self.assertEqual(
                    tuple(
                        outcome.name
                        for outcome in item.outcomes
                        if trait in outcome.patterns
                    ),
                    names,
                )
        self.assertEqual(
            [True, False, False, True],
            [bool(device.rules) for device in found.devices.values()],
        )

    @ddt.data(
        (NOW, None),
        (NOW + 60, None),
        (NOW + 61, 'is 61 seconds old ([collector]devices_max_age): is nova-'),
        (NOW - 1, 'is from the future'),
    )
    @ddt.unpack
    def test_age(self, now, words):
        self.path.write_text(json.dumps(GOOD))
        if words is None:
            found = devices_file.read_fresh(self.path, 60, now)
            self.assertEqual(['pci_0000_84_00_0'], list(found.devices))
        else:
            exc = self.assertRaises(
                files.FileError, devices_file.read_fresh, self.path, 60, now
            )
            self.assertIn(f'{self.path} {words}', str(exc))

    def test_missing(self):
        self.assert_refused('is not there: nova-mdev-collector has not run')

    def test_directory(self):
        self.path.mkdir()
        self.assert_refused('Is a directory')

    @ddt.data('1.1', '1.999')
    def test_newer_minor_version(self, version):
        """Its new keys are ignored."""
        self.path.write_text(json.dumps(GOOD))
        expected = devices_file.read(self.path)
        device = {**DEVICE, 'notes': ['new'], 'unread_since': None}
        self.path.write_text(
            changed(
                schema_version=version,
                collector={'release': '9.0'},
                devices={'pci_0000_84_00_0': device},
            )
        )
        self.assertEqual(expected, devices_file.read(self.path))

    @ddt.data('2.0', '9.1')
    def test_newer_major_version(self, version):
        self.path.write_text(json.dumps({'schema_version': version}))
        self.assert_refused(
            f': schema_version {version} cannot be read: this nova-mdev-compat '
            'reads 1.x. Upgrade it here'
        )

    @ddt.data({**DEVICE, 'accepts': {}}, {'identity': DEVICE['identity']})
    def test_without_accept_patterns(self, device):
        """The device accepts nothing."""
        self.path.write_text(changed(devices={'mtty_mtty': device}))
        (found,) = devices_file.read(self.path).devices.values()
        self.assertEqual({}, found.rules)
        self.assertTrue(found.described().managed)

    @ddt.data(
        (b'', 'is not JSON'),
        (b'{', 'is not JSON'),
        (b'\xff{}', 'is not JSON'),
        (b'[' * 99999, 'is not JSON'),
        (b' ' * (devices_file.MAX_SIZE + 1), 'is larger than 4 MiB'),
        ('null', 'is invalid: no schema_version'),
        ('[]', 'no schema_version'),
        ('{}', 'no schema_version'),
        (
            changed(schema_version=1),
            'schema_version 1 is not a version such as',
        ),
        (
            changed(schema_version='one'),
            "schema_version 'one' is not a version",
        ),
        (changed(read_at=10**400), 'is invalid: int too large'),
        (changed(host=None), 'host is missing or not a str'),
        (changed(read_at='now'), 'read_at is missing or not a float'),
        (changed(read_at=True), 'read_at is missing or not a float'),
        (changed(devices=[]), 'devices is missing or not a dict'),
        (changed(devices={'a': 'b'}), 'identity is missing or not a list'),
        (with_device(identity='CUSTOM_MDEV_V1'), 'identity is missing or not'),
        (with_device(identity=[1]), 'another value'),
        (with_device(accepts=[]), 'accepts is missing or not a dict'),
        (with_device(accepts=None), 'accepts is missing or not a dict'),
        (with_device(accepts={'x': 'y'}), 'another value'),
        (with_device(accepts={'x': [['y']]}), 'another value'),
    )
    @ddt.unpack
    def test_invalid(self, content, words):
        raw = content.encode() if isinstance(content, str) else content
        self.path.write_bytes(raw)
        self.assert_refused(words)
