# SPDX-License-Identifier: Apache-2.0
"""The truth table of the documentation is true."""

import csv

import ddt
import testtools

from nova_mdev_compat.core.identity import Identity
from nova_mdev_compat.rules import evaluation
from tests.unit.rules import builders
from tests.unit import samples

TABLE = samples.ROOT / 'doc/source/operator/rules-truth.csv'
with TABLE.open(encoding='utf-8', newline='') as stream:
    ROWS = list(csv.reader(stream))[1:]


def facts(demand, cell):
    """Return facts from a cell: of one demand a value, of more with names."""
    names = [
        part.split(':')[0].strip()
        for part in demand.split(', ')
        if ': ' in part and not part.startswith(('at_', 'except'))
    ]
    words = cell.split()
    if len(names) == 1:
        return {names[0]: cell} if cell else {}
    return dict(zip(words[::2], words[1::2], strict=True))


def identity(facts):
    return Identity.of('10DE_2235', 'nvidia-558', facts)


@ddt.ddt
class TruthTest(testtools.TestCase):
    @ddt.data(*ROWS)
    @ddt.unpack
    def test_row(self, demand, own, found, accepted):
        demand = demand.strip('`')
        rule = builders.rule(f'accepts: {{facts: {{{demand}}}}}')
        (outcome,) = evaluation.evaluate([rule], identity(facts(demand, own)))
        source = identity(facts(demand, found))
        self.assertEqual(
            accepted == 'yes',
            any(one.judge(source) for one in outcome.patterns.values()),
        )

    def test_there_are_both(self):
        self.assertEqual({'yes', 'no'}, {row[-1] for row in ROWS})
