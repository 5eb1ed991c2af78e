# SPDX-License-Identifier: Apache-2.0

import json
import pathlib

import ddt
import fixtures
import testtools

from nova_mdev_compat.common import files
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.daemons import state as collector_state
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import model
from tests.unit import samples

NOW = 1_800_000_000.0
STALE = ['the service has not run for a while, or the clock has jumped']


def a_state(**changes):
    values = {
        'interval': 60.0,
        'host': 'host1',
        'last_pass': NOW,
        'last_success': NOW,
        **changes,
    }
    return collector_state.State(**values)


@ddt.ddt
class TroubleTest(testtools.TestCase):
    @ddt.data(
        # A few passes may be missed, and a clock may be corrected.
        *((a_state(), later, []) for later in (0, 59, 299, -59)),
        (a_state(interval=3600.0), 4 * 3600, []),
        (a_state(remarks=['one thing']), 0, []),
        # No pass for a while, or the clock has jumped.
        *((a_state(), later, STALE) for later in (300, 301, 1e9)),
        *((a_state(), later, STALE) for later in (-60, -3600, -NOW)),
        (
            collector_state.State(60.0),
            0,
            ['nothing has been published yet', *STALE],
        ),
        (
            a_state(failures=4, error='no', rules_error='bad'),
            0,
            ['4 passes have failed: no', 'older rules are in force: bad'],
        ),
    )
    @ddt.unpack
    def test_trouble(self, state, later, expected):
        self.assertEqual(expected, state.trouble(NOW + later))

    @ddt.data(1, -1)
    def test_next_pass_corrects_it(self, direction):
        state = a_state()
        now = NOW + direction * 1e6
        self.assertEqual(STALE, state.trouble(now))
        state.last_pass = now
        self.assertEqual([], state.trouble(now))


def host(*unread):
    """Return a host with two parents, some of them unreadable."""
    return host_traits.HostSnapshot(
        'host1',
        tuple(
            host_traits.unreadable(
                samples.parent(name), exceptions.Failure('x')
            )
            if name in unread
            else host_traits.describe(samples.parent(name), model.RuleSet({}))
            for name in ('pci_0', 'pci_1')
        ),
    )


class ExpiryTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.state = collector_state.State(60.0)

    def expired(self, found, later, max_age=600):
        return {
            item.parent.name
            for item in self.state.mark_expired(
                found, max_age, NOW + later
            ).parents
            if item.expired
        }

    def test_after_a_while(self):
        for later, expected in ((0, set()), (599, set()), (600, {'pci_0'})):
            self.assertEqual(expected, self.expired(host('pci_0'), later))

    def test_each_device_expires_by_itself(self):
        self.expired(host('pci_0'), 0)
        self.expired(host('pci_0', 'pci_1'), 500)
        self.assertEqual({'pci_0'}, self.expired(host('pci_0', 'pci_1'), 600))

    def test_one_good_read_resets_it(self):
        self.expired(host('pci_0'), 0)
        self.expired(host(), 300)
        self.assertEqual({}, self.state.unread_since)
        self.assertEqual(set(), self.expired(host('pci_0'), 700))

    def test_at_once(self):
        self.assertEqual({'pci_0'}, self.expired(host('pci_0'), 0, 0))

    def test_a_clock_that_was_set_back(self):
        self.expired(host('pci_0'), 0)
        self.expired(host('pci_0'), -3600)
        self.assertEqual({'pci_0': NOW - 3600}, self.state.unread_since)
        self.assertEqual({'pci_0'}, self.expired(host('pci_0'), -3000))

    def test_host(self):
        for later, expected in ((0, False), (599, False), (600, True)):
            self.assertEqual(
                expected, self.state.host_expired(600, NOW + later)
            )
        self.expired(host('pci_0'), 700)
        self.assertIsNone(self.state.host_unread_since)
        self.assertFalse(self.state.host_expired(600, NOW + 800))

    def test_device_before_and_after_the_host(self):
        self.expired(host('pci_0'), 0)
        self.state.host_expired(600, NOW + 100)
        self.assertEqual({'pci_0'}, self.expired(host('pci_0'), 600))


@ddt.ddt
class StateOnDiskTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = self.directory / 'state.json'

    def test_as_written(self):
        for state in (
            collector_state.State(1.0),
            a_state(
                failures=1,
                error='„no“',
                rules_error='x',
                published={'host1': ['CUSTOM_MDEV_V1']},
                remarks=['one thing'],
            ),
        ):
            collector_state.write(self.path, state)
            self.assertEqual(state, collector_state.read(self.path))
        self.assertEqual(0o644, self.path.stat().st_mode & 0o777)

    def test_missing(self):
        self.assertRaisesRegex(
            files.FileError,
            'state.json is not there',
            collector_state.read,
            self.path,
        )

    @ddt.data(
        {'schema_version': 'one'},
        {'schema_version': None},
        {'schema_version': 1},
        {'interval': 'soon'},
        {'interval': None},
        {'last_pass': -1},
        {'last_pass': 1e300},
        {'last_pass': float('nan')},
        {'last_success': float('inf')},
        {'host': 7},
        {'failures': 0.5},
        {'error': ['no']},
        {'published': ['host1']},
        {'published': {'host1': 'one'}},
        {'remarks': 'one'},
        {'remarks': [1]},
    )
    def test_invalid(self, changes):
        collector_state.write(self.path, a_state())
        self.change(**changes)
        self.assertRaisesRegex(
            files.FileError,
            'state.json is (invalid|not JSON): ',
            collector_state.read,
            self.path,
        )

    def change(self, **changes):
        fields = json.loads(self.path.read_text())
        self.path.write_text(json.dumps({**fields, **changes}))

    @ddt.data('1.0', '1.1', '1.999')
    def test_other_minor_version(self, version):
        """Unknown keys are ignored."""
        state = a_state(failures=2, error='no')
        collector_state.write(self.path, state)
        self.change(schema_version=version, more={'new': 1}, healthy='yes')
        self.assertEqual(state, collector_state.read(self.path))

    def test_oldest(self):
        """The keys that the first version required are enough."""
        self.path.write_text('{"schema_version": "1.0", "interval": 60}')
        self.assertEqual(
            collector_state.State(60, remarks=[]),
            collector_state.read(self.path),
        )

    def test_other_major_version(self):
        collector_state.write(self.path, a_state())
        self.change(schema_version='2.0', interval='soon')
        self.assertRaisesRegex(
            files.FileError,
            'state.json: schema_version 2.0 '
            r'cannot be read: this nova-mdev-compat reads 1.x. Upgrade it '
            'here$',
            collector_state.read,
            self.path,
        )

    @ddt.data(b'', b'{"schema_ver', b'null', b'\xff', b'[' * 5000)
    def test_not_a_state(self, raw):
        self.path.write_bytes(raw)
        self.assertRaisesRegex(
            files.FileError,
            'state.json is (invalid|not JSON): ',
            collector_state.read,
            self.path,
        )

    def test_when(self):
        self.assertEqual('never', collector_state.when(None))
        self.assertRegex(
            collector_state.when(NOW),
            r'^2027-01-1\d \d\d:\d\d:\d\d[+-]\d\d:\d\d$',
        )
