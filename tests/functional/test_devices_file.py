# SPDX-License-Identifier: Apache-2.0
"""What the collector's service leaves on the host for the late check."""

import pathlib
import time

from nova_mdev_compat.core import traits
from nova_mdev_compat.publication import devices_file
from tests.functional import collector_base
from tests.functional import service_base
from tests import waiting


class DevicesFileTest(service_base.ServiceTestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.options['devices_file'])

    def read(self):
        return devices_file.read(self.path)

    def test_says_what_is_published(self):
        """The same traits, and the rule that each pattern is from."""
        self.start_and_wait()
        found = self.read()
        self.assertEqual('host1', found.host)
        self.assertLess(found.age(time.time()), waiting.DEADLINE)
        _, *published = self.published()
        self.assertEqual(2, len(found.devices))
        for said, device in zip(
            published, found.devices.values(), strict=True
        ):
            self.assertEqual(
                said - {traits.MIXED}, device.identity | set(device.rules)
            )
            self.assertEqual(
                [('same vendor, product and type',)],
                list(device.rules.values()),
            )

    def test_is_kept_up_to_date(self):
        self.start_and_wait()
        self.devices(collector_base.device(0, product='2236'))
        self.wait_for(
            lambda: len(self.read().devices) == 1,
            'the board that is gone is still there',
        )
        (device,) = self.read().devices.values()
        self.assertIn('CUSTOM_MDEV_PARENT_10DE_2236', device.identity)

    def test_without_placement(self):
        """What the devices are does not depend on whether it answers."""
        self.placement.before = lambda *_: '503 Service Unavailable'
        self.start()
        self.wait_for(self.path.exists, 'no file')
        self.assertEqual(2, len(self.read().devices))

    def test_without_libvirt(self):
        """Nothing is known: what was known stays, and grows old."""
        self.start_and_wait()
        (self.home / 'node.xml').unlink()
        self.wait_for(lambda: self.state()['failures'], 'no failure')
        before = self.read()
        self.passes_fail(2)
        self.assertEqual(before, self.read())

    def passes_fail(self, count):
        def failures():
            return self.said().count(' ERROR ')

        before = failures()
        self.wait_for(
            lambda: failures() >= before + count, 'no further failures'
        )

    def test_unwritable(self):
        """Publishing goes on; the log says who will miss it."""
        self.options['devices_file'] = f'{self.home}/nowhere/devices.json'
        self.start_and_wait()
        self.passes()
        self.assertIn('CUSTOM_MDEV_HOST', self.placement.traits(self.root))
        self.assertIn(
            'nova-mdev-guard and nova-mdev-annotator know nothing new',
            self.said(),
        )
