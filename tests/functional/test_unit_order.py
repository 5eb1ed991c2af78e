# SPDX-License-Identifier: Apache-2.0
"""The collector's unit beside nova-compute's, under a real systemd.

Both services are stand-ins. Our unit and the drop-ins of the installation
guide decide when they start and restart.
"""

import pathlib
import re
import textwrap

import testtools

from tests.functional import systemd
from tests import waiting

ROOT = pathlib.Path(__file__).parents[2]
UNIT = ROOT / 'etc/systemd/nova-mdev-collector.service'
GUIDE = ROOT / 'doc/source/install/service.rst'

COLLECTOR, COMPUTE = 'nova-mdev-collector.service', 'nova-compute.service'
#: Options of our unit that matter here: not its sandbox, not its user.
KEPT = {
    'Type',
    'NotifyAccess',
    'TimeoutStartSec',
    'TimeoutStopSec',
    'KillMode',
    'Restart',
    'RestartSec',
    'RestartPreventExitStatus',
    'WatchdogSec',
}
#: A collector with valid or invalid rules, and with or without Placement.
STAND_IN = """\
#!/bin/sh
cd /run/home
echo >> collector-starts
[ ! -e wrong-rules ] || exit 2
until [ -e placement ]; do sleep 0.1; done
echo published > published
systemd-notify --ready
exec sleep infinity
"""
UNITS = {
    'boot.target': f"""\
        [Unit]
        DefaultDependencies=no
        Wants={COLLECTOR} {COMPUTE}
        """,
    COMPUTE: """\
        [Unit]
        DefaultDependencies=no
        [Service]
        ExecStart=/bin/sh -c 'cd /run/home; \\
          cat published >> compute-starts || echo old >> compute-starts; \\
          exec sleep infinity'
        Restart=on-failure
        """,
    'nova-mdev-published.service.d/00-test.conf': """\
        [Unit]
        DefaultDependencies=no
        """,
    # With shorter times.
    f'{COLLECTOR}.d/00-test.conf': """\
        [Unit]
        DefaultDependencies=no
        [Service]
        ExecStart=/run/home/collector
        TimeoutStartSec=3s
        RestartSec=1s
        """,
}


def unit():
    """Return our unit with the options in KEPT."""
    return ''.join(
        f'{line}\n'
        for line in UNIT.read_text().splitlines()
        if line.startswith('[')
        or line.partition('=')[0] in KEPT
        or re.match('(After|Before|Wants|StartLimit.*)=', line)
    )


def documented():
    """Return the files in the guide, by name, in their order."""
    blocks = re.findall(
        r'^   # /etc/systemd/system/(\S+)\n((?:   .*\n|\n)+)',
        GUIDE.read_text(),
        re.MULTILINE,
    )
    return {name: textwrap.dedent(text) for name, text in blocks}


class OrderTestCase(testtools.TestCase):
    #: Names of documented files that are installed.
    INSTALLED = ()

    def setUp(self):
        super().setUp()
        units = {name: textwrap.dedent(text) for name, text in UNITS.items()}
        found = documented()
        self.systemd = self.useFixture(
            systemd.Systemd(
                {
                    **units,
                    COLLECTOR: unit(),
                    **{name: found[name] for name in self.INSTALLED},
                }
            )
        )
        self.home = self.systemd.home
        (self.home / 'collector').write_text(STAND_IN)
        (self.home / 'collector').chmod(0o755)

    def boot(self, *files):
        """Start both, as at boot.

        :param files: ``placement`` if Placement answers, ``wrong-rules``
        """
        for name in files:
            (self.home / name).touch()
        self.systemd.systemctl('start', '--no-block', 'boot.target')

    def placement_is_back(self):
        (self.home / 'placement').touch()
        self.systemd.wait_for(COLLECTOR, 'active')

    def lines(self, name):
        path = self.home / name
        return path.read_text().split('\n')[:-1] if path.exists() else []

    def collector_starts(self, count):
        """Wait until the collector has been started this often."""
        waiting.wait_for(
            lambda: len(self.lines('collector-starts')) >= count,
            'the collector is not started again',
        )

    def assert_compute(self, *starts):
        """nova-compute runs.

        :param starts: for each start of it, ``published`` if this host's
            traits were published by then, otherwise ``old``
        """
        self.systemd.wait_for(COMPUTE, 'active')
        waiting.wait_for(
            lambda: len(self.lines('compute-starts')) >= len(starts),
            'nova-compute does not run',
        )
        self.assertEqual(list(starts), self.lines('compute-starts'))

    def kill(self):
        """Kill the collector, and wait until it runs again."""
        starts = len(self.lines('collector-starts'))
        self.systemd.systemctl('kill', '--signal=KILL', COLLECTOR)
        self.collector_starts(starts + 1)
        self.systemd.wait_for(COLLECTOR, 'active')

    def correct_rules(self):
        (self.home / 'wrong-rules').unlink()
        self.systemd.systemctl('start', COLLECTOR)


class ShippedTest(OrderTestCase):
    def test_after_the_first_publication(self):
        self.boot()
        self.collector_starts(1)
        self.assertEqual('inactive', self.systemd.state(COMPUTE))
        self.placement_is_back()
        self.assert_compute('published')

    def test_placement_away_for_long(self):
        """nova-compute starts without it, and is not restarted."""
        self.boot()
        self.assert_compute('old')
        self.collector_starts(2)
        self.placement_is_back()
        self.assert_compute('old')

    def test_collector_killed(self):
        self.boot('placement')
        self.assert_compute('published')
        self.kill()
        self.assert_compute('published')

    def test_status_2(self):
        """It is not restarted, and nova-compute starts at once."""
        self.boot('wrong-rules', 'placement')
        self.assert_compute('old')
        self.systemd.wait_for(COLLECTOR, 'failed')
        self.assertEqual(
            'NRestarts=0\nExecMainStatus=2',
            self.systemd.systemctl(
                'show', COLLECTOR, '--property=NRestarts,ExecMainStatus'
            ),
        )
        self.correct_rules()
        self.systemd.wait_for(COLLECTOR, 'active')
        self.assert_compute('old')


class LongerTest(OrderTestCase):
    """nova-compute waits for the configured time."""

    INSTALLED = ('nova-mdev-collector.service.d/longer.conf',)

    def test_placement_away_for_long(self):
        self.boot()
        self.collector_starts(1)
        self.assertEqual(
            'TimeoutStartUSec=15min',
            self.systemd.systemctl(
                'show', COLLECTOR, '--property=TimeoutStartUSec'
            ),
        )
        self.placement_is_back()
        self.assert_compute('published')

    def test_status_2(self):
        self.boot('wrong-rules')
        self.assert_compute('old')


class GateTest(OrderTestCase):
    """nova-compute waits without a limit."""

    INSTALLED = (
        'nova-mdev-published.service',
        'nova-compute.service.d/mdev.conf',
    )

    def test_placement_away_for_long(self):
        self.boot()
        self.collector_starts(2)
        self.assertEqual('inactive', self.systemd.state(COMPUTE))
        self.placement_is_back()
        self.assert_compute('published')

    def test_collector_killed(self):
        self.boot('placement')
        self.assert_compute('published')
        self.kill()
        self.assert_compute('published')

    def test_status_2(self):
        """It starts as soon as the rules are corrected."""
        self.boot('wrong-rules', 'placement')
        self.systemd.wait_for(COLLECTOR, 'failed')
        self.assertEqual('inactive', self.systemd.state(COMPUTE))
        self.correct_rules()
        self.assert_compute('published')


class RequiresTest(OrderTestCase):
    """Why the guide advises against Requires=."""

    def setUp(self):
        super().setUp()
        path = self.home / 'units' / f'{COMPUTE}.d/requires.conf'
        path.parent.mkdir()
        path.write_text(f'[Unit]\nRequires={COLLECTOR}\n')
        self.systemd.systemctl('daemon-reload')

    def test_placement_away_for_long(self):
        """nova-compute does not start again."""
        self.boot()
        self.collector_starts(2)
        self.placement_is_back()
        self.assertEqual('inactive', self.systemd.state(COMPUTE))
        self.assertEqual(
            '', self.systemd.systemctl('list-jobs', '--no-legend', '--plain')
        )

    def test_collector_killed(self):
        """nova-compute is restarted."""
        self.boot('placement')
        self.assert_compute('published')
        self.kill()
        self.assert_compute('published', 'published')
