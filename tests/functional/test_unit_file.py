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
DROP_IN = ROOT / 'etc/systemd/nova-mdev-collector-nvidia.conf'
USERS = ROOT / 'etc/systemd/nova-mdev-compat.sysusers.conf'
#: The documentation says 1.2 with Debian 12's systemd; others count a little
#: differently.
MAX_EXPOSURE = 1.6
#: Likewise; Debian 12's counts 1.4 with the drop-in for NVIDIA's boards.
MAX_EXPOSURE_NVIDIA = 1.8


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

    def add_drop_in(self):
        directory = self.unit.with_name(f'{UNIT.name}.d')
        directory.mkdir()
        (directory / 'nvidia.conf').write_text(DROP_IN.read_text())

    def exposure(self, limit):
        """Return the exposure by item; all together is within a limit."""
        self.analyze('security', '--offline=true', '--no-pager',
                     f'--threshold={limit * 10:.0f}')
        items = json.loads(self.analyze(
            'security', '--offline=true', '--no-pager', '--json=short'))
        return {item['name']: float(item['exposure'] or 0) for item in items}

    def test_exposure(self):
        exposed = {name for name, exposure
                   in self.exposure(MAX_EXPOSURE).items() if exposure >= 0.3}
        # Nothing greater is open than that it talks to Placement.
        self.assertEqual({'PrivateNetwork=',
                          'RestrictAddressFamilies=~AF_(INET|INET6)'}, exposed)

    def test_verify_for_nvidia(self):
        self.add_drop_in()
        self.assertEqual('', self.analyze('verify', '--man=no'))

    def test_exposure_for_nvidia(self):
        """The drop-in opens nothing but device nodes and /proc."""
        before = self.exposure(MAX_EXPOSURE)
        self.add_drop_in()
        after = self.exposure(MAX_EXPOSURE_NVIDIA)
        opened = {name for name in after
                  if after[name] > before.get(name, 0)}
        # Not all versions count devices that ProtectClock= already names.
        self.assertEqual({'PrivateDevices=', 'ProcSubset='},
                         opened - {'DeviceAllow='})

    def test_user(self):
        """The user of the unit is the one that is made for it."""
        (user,) = re.findall('^User=(.+)$', UNIT.read_text(), re.MULTILINE)
        self.assertRegex(USERS.read_text(), f'(?m)^u {user} ')
