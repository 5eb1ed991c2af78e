# SPDX-License-Identifier: Apache-2.0

import json
import pathlib

import ddt
import fixtures
import testtools

from nova_mdev_compat.common import files
from nova_mdev_compat.daemons import state as collector_state

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
    @ddt.data(0, 59, 299, -59)
    def test_none(self, later):
        """A few passes may be missed, and a clock may be corrected."""
        self.assertEqual([], a_state().trouble(NOW + later))

    @ddt.data(300, 301, 1e9)
    def test_no_pass_for_a_while(self, later):
        """Or the clock has jumped forwards."""
        self.assertEqual(STALE, a_state().trouble(NOW + later))

    @ddt.data(60, 3600, NOW)
    def test_clock_jumped_backwards(self, earlier):
        self.assertEqual(STALE, a_state().trouble(NOW - earlier))

    @ddt.data(1, -1)
    def test_the_next_pass_puts_it_right(self, direction):
        state = a_state()
        now = NOW + direction * 1e6
        self.assertEqual(STALE, state.trouble(now))
        state.last_pass = now
        self.assertEqual([], state.trouble(now))

    def test_long_interval(self):
        state = a_state(interval=3600.0)
        self.assertEqual([], state.trouble(NOW + 4 * 3600))

    def test_no_pass_yet(self):
        self.assertEqual(
            ['nothing has been published yet', *STALE],
            collector_state.State(60.0).trouble(NOW),
        )

    def test_remarks_are_none(self):
        """Remarks are not trouble."""
        self.assertEqual([], a_state(remarks=['one thing']).trouble(NOW))

    def test_a_file_without_remarks(self):
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path) / 'x'
        collector_state.write(path, a_state())
        fields = json.loads(path.read_text())
        del fields['remarks']
        path.write_text(json.dumps(fields))
        self.assertEqual(a_state(), collector_state.read(path))

    def test_failures(self):
        self.assertEqual(
            ['4 passes have failed: no', 'older rules are in force: bad'],
            a_state(failures=4, error='no', rules_error='bad').trouble(NOW),
        )


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
            collector_state.State(60), collector_state.read(self.path)
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
