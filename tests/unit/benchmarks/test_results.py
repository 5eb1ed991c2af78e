# SPDX-License-Identifier: Apache-2.0
"""The document of a run, and what is kept of the last full one."""

import json
import pathlib

import ddt
import jsonschema
import testtools
import yaml

from tests import benchmarks
from tests.benchmarks import budgets
from tests.benchmarks import results
from tests.benchmarks import sizing

HOME = pathlib.Path(benchmarks.__file__).parent
SCHEMA = yaml.safe_load((HOME / 'results-schema.yaml').read_text())
LAST = HOME / 'last-run.json'

MEASURED = results.Measurement('a case', 's', (3.0, 1.0, 2.5), {'hosts': 10})
RATIO = results.paired(
    'one-of-other', 'one, of the other', (1.0, 6.0, 2.0), (2.0, 4.0, 2.0)
)


class DocumentTest(testtools.TestCase):
    def document(self, *measurements):
        section = results.section(
            'name',
            'title',
            {'hosts': (10,)},
            1.23456,
            results.Found(measurements, (RATIO,)),
        )
        return json.loads(
            json.dumps(results.document([section], results.machine()))
        )

    def test_fits_its_schema(self):
        document = self.document(MEASURED)
        jsonschema.validate(document, SCHEMA)
        self.assertEqual(results.SCHEMA_VERSION, document['schema_version'])

    def test_rounds_are_told_by_three_values(self):
        (section,) = self.document(MEASURED)['benchmarks']
        self.assertEqual(
            [
                {
                    'case': 'a case',
                    'unit': 's',
                    'sizes': {'hosts': 10},
                    'rounds': 3,
                    'min': 1.0,
                    'median': 2.5,
                    'max': 3.0,
                }
            ],
            section['measurements'],
        )

    def test_series_is_told_whole(self):
        (section,) = self.document(
            results.Measurement('a case', 'MiB', (3.0, 1.0), series=True)
        )['benchmarks']
        (one,) = section['measurements']
        self.assertEqual([3.0, 1.0], one['values'])

    def test_ratio_is_of_pairs(self):
        """Not of medians: what was slow for both sides is no difference."""
        self.assertEqual((0.5, 1.5, 1.0), RATIO.values)
        self.assertEqual(1.0, RATIO.median)

    def test_pairs_are_complete(self):
        self.assertRaises(
            ValueError, results.paired, 'name', '', (1.0,), (1.0, 2.0)
        )

    def test_found_is_added_up(self):
        found = results.Found((MEASURED,), ()) + results.Found((), (RATIO,))
        self.assertEqual(results.Found((MEASURED,), (RATIO,)), found)
        self.assertEqual(found, found + results.NOTHING)


@ddt.ddt
class BudgetsTest(testtools.TestCase):
    @ddt.unpack
    @ddt.data(
        (1.5, False, '1.5, within the budget of 2'),
        (2.0, False, '2, within the budget of 2'),
        (2.1, True, '2.1, OVER the budget of 2'),
    )
    def test_median_counts(self, median, over, text):
        (verdict,) = budgets.judge(
            [{'name': 'a', 'min': 0, 'median': median, 'max': 99}], {'a': 2}
        )
        self.assertEqual((over, text), (verdict.over, str(verdict)))

    def test_without_a_budget(self):
        (verdict,) = budgets.judge([{'name': 'a', 'median': 9.0}], {})
        self.assertFalse(verdict.over)
        self.assertEqual('9, no budget', str(verdict))


class LastRunTest(testtools.TestCase):
    """The run that the documentation shows."""

    def setUp(self):
        super().setUp()
        self.document = json.loads(LAST.read_text())
        self.ratios = [
            one
            for section in self.document['benchmarks']
            for one in section['ratios']
        ]

    def test_fits_its_schema(self):
        jsonschema.validate(self.document, SCHEMA)

    def test_every_ratio_has_a_budget_and_keeps_it(self):
        verdicts = budgets.judge(self.ratios, budgets.load())
        self.assertEqual(
            [],
            [one.name for one in verdicts if one.at_most is None or one.over],
        )

    def test_the_page_about_sizing_has_its_numbers(self):
        """python -m tests.benchmarks.report writes them."""
        self.assertEqual(
            sizing.sizing(self.document), sizing.PATH.read_text('utf-8')
        )
