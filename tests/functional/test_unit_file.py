# SPDX-License-Identifier: Apache-2.0
"""systemd verifies the units, and rates their exposure."""

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
ANNOTATOR = ROOT / 'etc/systemd/nova-mdev-annotator.service'
ANNOTATOR_USERS = ROOT / 'etc/systemd/nova-mdev-annotator.sysusers.conf'
#: Debian 12's systemd rates it 1.2, as documented; others differ a little.
MAX_EXPOSURE = 1.6
#: With the drop-in for NVIDIA's GPUs, Debian 12's rates it 1.4.
MAX_EXPOSURE_NVIDIA = 1.8
#: Debian 12's rates it 0.4.
MAX_EXPOSURE_ANNOTATOR = 0.8


class UnitFile:
    """Tests of any unit."""

    SOURCE: pathlib.Path
    USERS_FILE: pathlib.Path

    def setUp(self):
        super().setUp()
        # verify requires that the command exists.
        command = collector_base.COMMAND.with_name(self.SOURCE.stem)
        text, count = re.subn(
            rf'^ExecStart=/usr/bin/{self.SOURCE.stem}\b',
            f'ExecStart={command}',
            self.SOURCE.read_text(),
            flags=re.MULTILINE,
        )
        self.assertEqual(1, count)
        self.unit = (
            pathlib.Path(self.useFixture(fixtures.TempDir()).path)
            / self.SOURCE.name
        )
        self.unit.write_text(text)

    def analyze(self, *args):
        done = subprocess.run(
            ['systemd-analyze', *args, self.unit],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        return done.stdout

    def exposure(self, limit):
        """Return the exposure by item; all together is within a limit."""
        security = ('security', '--offline=true', '--no-pager')
        self.analyze(*security, f'--threshold={limit * 10:.0f}')
        items = json.loads(self.analyze(*security, '--json=short'))
        return {item['name']: float(item['exposure'] or 0) for item in items}

    def exposed(self, limit):
        """Return the items that expose as much as an open network."""
        found = self.exposure(limit).items()
        return {name for name, exposure in found if exposure >= 0.3}

    def test_verify(self):
        self.assertEqual('', self.analyze('verify', '--man=no'))

    def assert_user_is_made(self):
        """The unit's user is the one in the sysusers file."""
        (user,) = re.findall(
            '^User=(.+)$', self.SOURCE.read_text(), re.MULTILINE
        )
        self.assertRegex(self.USERS_FILE.read_text(), f'(?m)^u {user} ')
        return user


class CollectorTest(UnitFile, testtools.TestCase):
    SOURCE, USERS_FILE = UNIT, USERS

    def test_exposure(self):
        # It needs the network to reach Placement.
        self.assertEqual(
            {'PrivateNetwork=', 'RestrictAddressFamilies=~AF_(INET|INET6)'},
            self.exposed(MAX_EXPOSURE),
        )

    def test_exposure_for_nvidia(self):
        """The drop-in only opens device nodes and /proc."""
        before = self.exposure(MAX_EXPOSURE)
        directory = self.unit.with_name(f'{UNIT.name}.d')
        directory.mkdir()
        (directory / 'nvidia.conf').write_text(DROP_IN.read_text())
        self.test_verify()
        after = self.exposure(MAX_EXPOSURE_NVIDIA)
        opened = {name for name in after if after[name] > before.get(name, 0)}
        # Not all versions count devices that ProtectClock= already names.
        self.assertEqual(
            {'PrivateDevices=', 'ProcSubset='}, opened - {'DeviceAllow='}
        )

    def test_user(self):
        self.assert_user_is_made()


class AnnotatorTest(UnitFile, testtools.TestCase):
    """It has much power through libvirt, and no other."""

    SOURCE, USERS_FILE = ANNOTATOR, ANNOTATOR_USERS

    def test_exposure(self):
        self.assertEqual(set(), self.exposed(MAX_EXPOSURE_ANNOTATOR))

    def test_no_network_and_no_file(self):
        lines = self.SOURCE.read_text().splitlines()
        for line in (
            'PrivateNetwork=yes',
            'ProtectSystem=strict',
            'RestrictAddressFamilies=AF_UNIX',
        ):
            self.assertIn(line, lines)
        for key in ('ReadWritePaths=', 'StateDirectory='):
            self.assertNotIn(key, self.SOURCE.read_text())

    def test_user(self):
        """It has a user of its own, in the group of libvirt's socket."""
        user = self.assert_user_is_made()
        users = self.USERS_FILE.read_text()
        (group,) = re.findall(
            '^SupplementaryGroups=(.+)$', self.SOURCE.read_text(), re.MULTILINE
        )
        self.assertRegex(users, f'(?m)^m {user} {group}$')
        self.assertNotIn(group, USERS.read_text())
