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


def changed(**changes):
    return json.dumps({**GOOD, **changes})


def with_device(**changes):
    (device,) = GOOD['devices'].values()
    return changed(devices={'mtty_mtty': {**device, **changes}})


@ddt.ddt
class DeviceFileTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, 'devices.json'
        )

    def assert_no_file(self, *words):
        exc = self.assertRaises(files.FileError, devices_file.read, self.path)
        for word in (str(self.path), *words):
            self.assertIn(word, str(exc))
        self.assertEqual(1, len(str(exc).splitlines()), exc)

    def test_what_the_collector_found(self):
        """All that a host would say in traits, and who says it."""
        rules = loader.load([str(samples.MILD_RULES)])
        parents = [
            host_traits.describe(samples.parent(name, **changes), rules)
            for name, changes in (
                ('pci_0000_84_00_0', {}),
                ('pci_0000_85_00_0', {'target_type': None}),
                (
                    'mtty_mtty',
                    {
                        'parent_id': 'MTTY',
                        'offered': ('mtty-1',),
                        'target_type': 'mtty-1',
                    },
                ),
            )
        ]
        host = host_traits.HostSnapshot('gpu-1', tuple(parents))
        devices_file.write(self.path, host_traits.devices_found(host, NOW, {}))
        found = devices_file.read(self.path)
        self.assertEqual(('gpu-1', NOW), (found.host, found.read_at))
        self.assertEqual(
            ['pci_0000_84_00_0', 'pci_0000_85_00_0', 'mtty_mtty'],
            list(found.devices),
        )
        for item in parents:
            device = found.devices[item.parent.name]
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
        self.assertTrue(found.devices['pci_0000_84_00_0'].rules)

    def test_a_device_that_cannot_migrate(self):
        """No rule was asked, and it accepts nothing."""
        item = host_traits.describe(
            samples.parent(device_api='vfio-ccw'),
            loader.load([str(samples.SHIPPED_RULES)]),
        )
        found = host_traits.devices_found(
            host_traits.HostSnapshot('gpu-1', (item,)), NOW, {}
        )
        (device,) = found.devices.values()
        self.assertEqual((item.identity, {}), (device.identity, device.rules))

    @ddt.data((NOW, 0), (NOW + 61, 61), (NOW - 1, float('inf')))
    @ddt.unpack
    def test_age(self, now, age):
        self.assertEqual(age, devices_file.DevicesFile('h', NOW, {}).age(now))

    def test_say(self):
        self.assertEqual('61 seconds old', devices_file.say(61.2))
        self.assertEqual('from the future', devices_file.say(float('inf')))

    def test_good(self):
        self.path.write_text(json.dumps(GOOD))
        self.assertEqual(
            ['pci_0000_84_00_0'], list(devices_file.read(self.path).devices)
        )

    def test_missing(self):
        self.assert_no_file('is not there: nova-mdev-collector has not run')

    def test_directory(self):
        self.path.mkdir()
        self.assert_no_file('Is a directory')

    @ddt.data('1.1', '1.999')
    def test_newer_minor_version(self, version):
        """What it says besides is not for us."""
        self.path.write_text(changed(schema_version=version))
        expected = devices_file.read(self.path)
        (device,) = GOOD['devices'].values()
        self.path.write_text(
            changed(
                schema_version=version,
                collector={'release': '9.0'},
                devices={
                    'pci_0000_84_00_0': {
                        **device,
                        'notes': ['new'],
                        'unread_since': None,
                    }
                },
            )
        )
        self.assertEqual(expected, devices_file.read(self.path))

    @ddt.data(
        ('2.0', 'this nova-mdev-compat reads 1.x. Upgrade it here'),
        ('9.1', 'Upgrade it here'),
    )
    @ddt.unpack
    def test_other_major_version(self, version, words):
        self.path.write_text(json.dumps({'schema_version': version}))
        self.assert_no_file(
            f': schema_version {version} cannot be read: ', words
        )

    def test_without_accept_patterns(self):
        """It was withdrawn: the device accepts nothing."""
        (device,) = GOOD['devices'].values()
        for devices in (
            {**device, 'accepts': {}},
            {'identity': device['identity']},
        ):
            self.path.write_text(changed(devices={'mtty_mtty': devices}))
            (found,) = devices_file.read(self.path).devices.values()
            self.assertEqual({}, found.rules)
            self.assertTrue(found.described().managed)

    @ddt.data(
        ('', 'is not JSON'),
        ('{', 'is not JSON'),
        ('[' * 99999, 'is not JSON'),
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
        (changed(host=None), 'no host'),
        (changed(read_at='now'), 'no read_at that is a float'),
        (changed(read_at=True), 'no read_at that is a float'),
        (changed(devices=[]), 'no devices that is a dict'),
        (changed(devices={'a': 'b'}), 'no identity that is a list'),
        (with_device(identity='CUSTOM_MDEV_V1'), 'no identity'),
        (with_device(identity=[1]), 'something else'),
        (with_device(accepts=[]), 'no accepts that is a dict'),
        (with_device(accepts=None), 'no accepts that is a dict'),
        (with_device(accepts={'x': 'y'}), 'something else'),
        (with_device(accepts={'x': [['y']]}), 'something else'),
    )
    @ddt.unpack
    def test_nonsense(self, text, words):
        self.path.write_text(text)
        self.assert_no_file(words)

    def test_not_text(self):
        self.path.write_bytes(b'\xff{}')
        self.assert_no_file('is not JSON')

    def test_too_large(self):
        self.path.write_text(' ' * (devices_file.MAX_SIZE + 1))
        self.assert_no_file('is larger than 4 MiB')
