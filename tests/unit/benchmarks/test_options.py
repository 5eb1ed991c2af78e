# SPDX-License-Identifier: Apache-2.0
"""The arguments, the report and the exit status that benchmarks share."""

import contextlib
import io
import json
import pathlib

import ddt
import fixtures
import testtools
import yaml

from tests.benchmarks import budgets
from tests.benchmarks import options
from tests.benchmarks import results

RATIO = results.Ratio('a-ratio', 'of one to another', (1.0, 2.0, 9.0))
SIZES = (
    options.Size('hosts', (100, 1000), (10,), 'how many'),
    options.Size('at-once', 5, 3, 'how often'),
)


@ddt.ddt
class BenchmarkTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.given = {}
        self.budgets = {}
        self.useFixture(
            fixtures.MonkeyPatch(
                'tests.benchmarks.budgets.load', lambda: self.budgets
            )
        )
        self.benchmark = options.Benchmark(
            'one', 'a title', SIZES, self.measure
        )

    def measure(self, **sizes):
        self.given.update(sizes)
        return results.Found(
            (results.Measurement('a case', 's', (1.0,)),), (RATIO,)
        )

    def run_it(self, *argv):
        self.out = io.StringIO()
        with contextlib.redirect_stdout(self.out):
            return self.benchmark.main(argv)

    @ddt.unpack
    @ddt.data(
        ((), (100, 1000), 5),
        (('--quick',), (10,), 3),
        (('--hosts', '7,8'), (7, 8), 5),
        (('--quick', '--hosts', '7', '--at-once', '1'), (7,), 1),
    )
    def test_sizes(self, argv, hosts, at_once):
        self.run_it(*argv)
        self.assertEqual({'hosts': hosts, 'at_once': at_once}, self.given)

    @ddt.unpack
    @ddt.data(
        ({}, 0, 'no budget'),
        ({'a-ratio': 2.0}, 0, 'within'),
        ({'a-ratio': 1.9}, 1, 'OVER'),
    )
    def test_status(self, given, status, word):
        self.budgets.update(given)
        self.assertEqual(status, self.run_it())
        self.assertIn(f'a-ratio: 2, {word}', self.out.getvalue())

    def test_document(self):
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'x')
        self.run_it('--json', str(path))
        (section,) = json.loads(path.read_text())['benchmarks']
        self.assertEqual(
            ('one', [RATIO.as_json()]), (section['name'], section['ratios'])
        )


class TableTest(testtools.TestCase):
    def test_small_and_large_numbers(self):
        text = options.table(
            'a title',
            results.Found(
                (
                    results.Measurement('small', 's', (0.000123456,)),
                    results.Measurement(
                        'large', 'requests', (12345.0,), {'hosts': 10000}
                    ),
                ),
                (),
            ),
        )
        self.assertIn('0.0001235', text)
        self.assertIn('12,345', text)
        self.assertIn('10,000 hosts', text)


class InFileTest(testtools.TestCase):
    def test_budgets_are_numbers_above_the_first_run(self):
        for name, one in yaml.safe_load(budgets.FILE.read_text()).items():
            self.assertGreaterEqual(one['at_most'], one['first_run'], name)
