# SPDX-License-Identifier: Apache-2.0
import pathlib
import subprocess
import sys

import ddt
import fixtures
from subunit import v2
import testtools

from nova_mdev_compat.checks import filter_enabled
from tests.unit import samples

TOOL = samples.ROOT / 'tools' / 'matrix_table.py'
OLDEST, NEWEST = filter_enabled.TESTED[0], filter_enabled.TESTED[-1]


@ddt.ddt
class MatrixTableTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def leave(self, number, *outcomes):
        """Leave what stestr leaves of tests with these outcomes."""
        path = self.home / f'.matrix/results-{number}/functional.subunit'
        path.parent.mkdir(parents=True)
        with path.open('wb') as stream:
            result = v2.StreamResultToBytes(stream)
            for index, outcome in enumerate(outcomes):
                for status in ('inprogress', outcome):
                    if status:
                        result.status(test_id=f't.{index}', test_status=status)

    def table(self, *numbers):
        """Return the exit status, the rows and what stands below them."""
        done = subprocess.run(
            [sys.executable, TOOL, *map(str, numbers)],
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual('', done.stderr)
        lines = done.stdout.splitlines()
        rows = [
            [cell.strip() for cell in line.strip('|').split('|')]
            for line in lines
            if line.startswith('|')
        ]
        return (
            done.returncode,
            rows[1:],
            '\n'.join(line for line in lines if line[0] not in '+|'),
        )

    def test_all_passed(self):
        self.leave(NEWEST, 'success', 'success', 'xfail')
        status, ((name, nova, placement, *others),), more = self.table(NEWEST)
        self.assertEqual((0, ['3', '0', 'none'], ''), (status, others, more))
        self.assertEqual('2026.2', name)
        self.assertTrue(nova.startswith(f'{NEWEST}.'))
        self.assertTrue(placement.startswith(f'{NEWEST - 18}.'))

    @ddt.data('fail', 'skip', 'uxsuccess', None)
    def test_one_did_not_pass(self, outcome):
        """None is one that never ended."""
        self.leave(NEWEST, 'success', outcome)
        status, (row,), _ = self.table(NEWEST)
        self.assertEqual((1, ['1', '1']), (status, row[3:5]))

    def test_no_test(self):
        """Neither a file without tests nor no file passes."""
        self.leave(OLDEST)
        status, rows, _ = self.table(OLDEST, NEWEST)
        self.assertEqual(
            (1, [['none', 'no test ran']] * 2),
            (status, [row[3:5] for row in rows]),
        )

    def test_nothing(self):
        self.assertEqual((1, [], ''), self.table())

    def test_differences(self):
        """Named with the release, and explained once."""
        self.leave(OLDEST, 'success')
        status, (row,), more = self.table(OLDEST)
        self.assertEqual(0, status)
        self.assertIn('one-allocation', row[5])
        self.assertEqual(1, more.count('one-allocation: '))
