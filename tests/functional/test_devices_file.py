# SPDX-License-Identifier: Apache-2.0
"""The devices file that the collector's service writes."""

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

    def test_published_traits_and_their_rules(self):
        self.start_and_wait()
        found = self.read()
        self.assertEqual('host1', found.host)
        self.assertLess(time.time() - found.read_at, waiting.DEADLINE)
        _, *published = self.published()
        self.assertEqual(2, len(found.devices))
        for names, device in zip(
            published, found.devices.values(), strict=True
        ):
            self.assertEqual(
                names - {traits.MIXED}, device.identity | set(device.rules)
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
        """The file does not depend on it."""
        self.placement.before = lambda *_: '503 Service Unavailable'
        self.start()
        self.wait_for(self.path.exists, 'no file')
        self.assertEqual(2, len(self.read().devices))

    def test_without_libvirt(self):
        """The file stays, and grows old."""
        self.start_and_wait()
        (self.home / 'node.xml').unlink()
        self.wait_for(lambda: self.state()['failures'], 'no failure')
        before = self.read()
        failures = self.said().count(' ERROR ')
        self.wait_for(
            lambda: self.said().count(' ERROR ') >= failures + 2,
            'no further failures',
        )
        self.assertEqual(before, self.read())

    def test_unwritable(self):
        """Publishing goes on; the log names the effect."""
        self.options['devices_file'] = f'{self.home}/nowhere/devices.json'
        self.start_and_wait()
        self.passes()
        self.assertIn('CUSTOM_MDEV_HOST', self.placement.traits(self.root))
        self.assertIn(
            'nova-mdev-guard and nova-mdev-annotator know nothing new',
            self.said(),
        )
