# SPDX-License-Identifier: Apache-2.0
"""Passes that lack something: nothing is guessed, and nothing erased."""

import ddt

from nova_mdev_compat.late_check import domain_xml
from tests.unit.daemons.annotator import base


@ddt.ddt
class UnknownTest(base.AnnotatorTestCase):
    def setUp(self):
        super().setUp()
        self.path = self.home / 'devices.json'

    def lose(self, how):
        if how == 'missing':
            self.path.unlink()
        elif how == 'old':
            self.write_devices_file(age=601)
        elif how == 'future':
            self.write_devices_file(age=-60)
        else:
            self.path.write_text('{')

    @ddt.data(
        ('missing', 'is not there'),
        ('old', 'is 601 seconds old'),
        ('future', 'is from the future'),
        ('broken', 'is not JSON'),
    )
    @ddt.unpack
    def test_device_file(self, how, words):
        """It erases nothing, and lets nothing be guessed."""
        before = self.domain('before')
        self.annotate()
        self.lose(how)
        after = self.domain('after')
        summary = self.annotate()
        self.assertEqual((self.known_mdevs(),) * 2, self.says_both(before))
        self.assertEqual(
            ((domain_xml.AnnotatedMdev(self.uuids[0], None),),) * 2,
            self.says_both(after),
        )
        (text,) = summary.unknown()
        for word in (
            str(self.path),
            words,
            'of domain before',
            'of domain after',
        ):
            self.assertIn(word, text)
        self.write_devices_file()
        self.assertEqual([], self.annotate().unknown())
        self.assertEqual((self.known_mdevs(),) * 2, self.says_both(after))

    def test_almost_old(self):
        domain = self.domain()
        self.write_devices_file(age=500)
        self.annotate()
        self.assertEqual(self.known_mdevs(), self.says(domain))

    def test_not_in_sysfs(self):
        domain = self.domain(uuids=['f' * 8 + self.uuids[0][8:]])
        (text,) = self.annotate().unknown()
        self.assertIn(f'it is not in {self.home}/sys', text)
        self.assertIsNone(self.says(domain)[0].identity)

    def test_sysfs_cannot_be_read(self):
        """The mdev vanishes, or its driver is wrong."""
        domain = self.domain()
        home = self.home / 'sys/bus/mdev/devices' / self.uuids[0]
        (home / 'mdev_type').unlink()
        (text,) = self.annotate().unknown()
        self.assertIn('mdev_type: No such file', text)
        self.assertIsNone(self.says(domain)[0].identity)

    def test_device_that_the_collector_does_not_know(self):
        domain = self.domain(uuids=self.uuids)
        self.known.popitem()
        self.write_devices_file()
        (text,) = self.annotate().unknown()
        self.assertIn('has not found pci_0000_02_00_0', text)
        self.assertEqual(
            (
                *self.known_mdevs(),
                domain_xml.AnnotatedMdev(self.uuids[1], None),
            ),
            self.says(domain),
        )
