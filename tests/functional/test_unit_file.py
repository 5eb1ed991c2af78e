# SPDX-License-Identifier: Apache-2.0
"""systemd itself reads the unit, and says how much it may do."""

import json
import pathlib
import re
import subprocess

import fixtures
import testtools

from tests.functional import collector_base

ROOT = pathlib.Path(__file__).parents[2]
UNIT = ROOT / 'etc/systemd/nova-mdev-collector.service'
USERS = ROOT / 'etc/systemd/nova-mdev-compat.sysusers.conf'
#: The documentation says 1.2 with Debian 12's systemd; others count a little
#: differently.
MAX_EXPOSURE = 1.6


class UnitFileTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        # verify wants to see the command.
        text, count = re.subn('^ExecStart=/usr/bin/nova-mdev-collector ',
                              f'ExecStart={collector_base.COMMAND} ',
                              UNIT.read_text(), flags=re.MULTILINE)
        self.assertEqual(1, count)
        self.unit = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path) / UNIT.name
        self.unit.write_text(text)

    def analyze(self, *args):
        done = subprocess.run(
            ['systemd-analyze', *args, self.unit], capture_output=True,
            text=True, check=False)
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        return done.stdout

    def test_verify(self):
        self.assertEqual('', self.analyze('verify', '--man=no'))

    def test_exposure(self):
        self.analyze('security', '--offline=true', '--no-pager',
                     f'--threshold={MAX_EXPOSURE * 10:.0f}')
        items = json.loads(self.analyze(
            'security', '--offline=true', '--no-pager', '--json=short'))
        exposed = {item['name'] for item in items
                   if float(item['exposure'] or 0) >= 0.3}
        # Nothing greater is open than that it talks to Placement.
        self.assertEqual({'PrivateNetwork=',
                          'RestrictAddressFamilies=~AF_(INET|INET6)'}, exposed)

    def test_user(self):
        """The user of the unit is the one that is made for it."""
        (user,) = re.findall('^User=(.+)$', UNIT.read_text(), re.MULTILINE)
        self.assertRegex(USERS.read_text(), f'(?m)^u {user} ')
