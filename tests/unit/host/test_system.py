# SPDX-License-Identifier: Apache-2.0

import os
import pathlib

import ddt
import fixtures
import testtools

from nova_mdev_compat.host import system


@ddt.ddt
class FactsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, 'os-release'
        )

    def facts(self):
        found = system.os_facts(str(self.path))
        self.assertEqual(os.uname().release, found.values['kernel'])
        return found

    @ddt.data(
        ('ID="rhel"\nVERSION_ID="9.6"\n', 'rhel-9.6'),
        ("# A comment\nNAME='Debian GNU/Linux'\nID=debian\n", 'debian'),
        (
            'ID=ubuntu\nVERSION_ID=24.04\nVERSION="24.04 (Noble)"\n',
            'ubuntu-24.04',
        ),
    )
    @ddt.unpack
    def test_os(self, text, expected):
        self.path.write_text(text)
        self.assertEqual(expected, self.facts().values['os'])
        self.assertEqual({}, self.facts().unknown)

    def test_read_anew(self):
        """An upgrade in place does not wait for the service to restart."""
        for version in ('9.4', '9.6'):
            self.path.write_text(f'ID=rhel\nVERSION_ID={version}\n')
            self.assertEqual(f'rhel-{version}', self.facts().values['os'])

    @ddt.data(
        (b'', 'has no ID'),
        (b'VERSION_ID=9.4\n', 'has no ID'),
        (b'ID="rhel\n', 'No closing quotation'),
        (b'ID=\xff\n', "can't decode byte"),
    )
    @ddt.unpack
    def test_of_no_use(self, raw, why):
        self.path.write_bytes(raw)
        self.assertNotIn('os', self.facts().values)
        self.assertIn(str(self.path), self.facts().unknown['os'])
        self.assertIn(why, self.facts().unknown['os'])

    def test_not_there(self):
        self.assertEqual(
            {
                'os': f'{self.path}: No such file or directory; see '
                '[collector]os_release_file'
            },
            self.facts().unknown,
        )

    def test_a_directory(self):
        self.path.mkdir()
        self.assertNotIn('os', self.facts().values)
        self.assertIn('os', self.facts().unknown)

    def test_this_machine(self):
        self.assertIn('kernel', system.os_facts().values)
