# SPDX-License-Identifier: Apache-2.0
"""systemd itself reads the units, and says how much they may do."""

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
#: The documentation says 1.2 with Debian 12's systemd; others count a little
#: differently.
MAX_EXPOSURE = 1.6
#: Likewise; Debian 12's counts 1.4 with the drop-in for NVIDIA's boards.
MAX_EXPOSURE_NVIDIA = 1.8
#: Likewise; Debian 12 counts 0.4.
MAX_EXPOSURE_ANNOTATOR = 0.8


class UnitFileTestCase(testtools.TestCase):
    SOURCE: pathlib.Path
    MAKES_USER: pathlib.Path

    def setUp(self):
        super().setUp()
        # verify wants to see the command.
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
        self.analyze(
            'security',
            '--offline=true',
            '--no-pager',
            f'--threshold={limit * 10:.0f}',
        )
        items = json.loads(
            self.analyze(
                'security', '--offline=true', '--no-pager', '--json=short'
            )
        )
        return {item['name']: float(item['exposure'] or 0) for item in items}

    def exposed(self, limit):
        """Return what is open by as much as an open network."""
        return {
            name
            for name, exposure in self.exposure(limit).items()
            if exposure >= 0.3
        }

    def assert_user_is_made(self):
        """The user of the unit is the one that is made for it."""
        (user,) = re.findall(
            '^User=(.+)$', self.SOURCE.read_text(), re.MULTILINE
        )
        self.assertRegex(self.MAKES_USER.read_text(), f'(?m)^u {user} ')
        return user


class CollectorTest(UnitFileTestCase):
    SOURCE, MAKES_USER = UNIT, USERS

    def test_verify(self):
        self.assertEqual('', self.analyze('verify', '--man=no'))

    def add_drop_in(self):
        directory = self.unit.with_name(f'{UNIT.name}.d')
        directory.mkdir()
        (directory / 'nvidia.conf').write_text(DROP_IN.read_text())

    def test_exposure(self):
        # Nothing greater is open than that it talks to Placement.
        self.assertEqual(
            {'PrivateNetwork=', 'RestrictAddressFamilies=~AF_(INET|INET6)'},
            self.exposed(MAX_EXPOSURE),
        )

    def test_verify_for_nvidia(self):
        self.add_drop_in()
        self.assertEqual('', self.analyze('verify', '--man=no'))

    def test_exposure_for_nvidia(self):
        """The drop-in opens nothing but device nodes and /proc."""
        before = self.exposure(MAX_EXPOSURE)
        self.add_drop_in()
        after = self.exposure(MAX_EXPOSURE_NVIDIA)
        opened = {name for name in after if after[name] > before.get(name, 0)}
        # Not all versions count devices that ProtectClock= already names.
        self.assertEqual(
            {'PrivateDevices=', 'ProcSubset='}, opened - {'DeviceAllow='}
        )

    def test_user(self):
        self.assert_user_is_made()


class AnnotatorTest(UnitFileTestCase):
    """It could do a lot through libvirt, and can do nothing beside that."""

    SOURCE, MAKES_USER = ANNOTATOR, ANNOTATOR_USERS

    def test_verify(self):
        self.assertEqual('', self.analyze('verify', '--man=no'))

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
        users = self.MAKES_USER.read_text()
        (group,) = re.findall(
            '^SupplementaryGroups=(.+)$', self.SOURCE.read_text(), re.MULTILINE
        )
        self.assertRegex(users, f'(?m)^m {user} {group}$')
        self.assertNotIn(group, USERS.read_text())
