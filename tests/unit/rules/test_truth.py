# SPDX-License-Identifier: Apache-2.0
"""The truth table of the documentation is true."""

import csv

import ddt
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import recorded
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import parser
from tests.unit import samples

TABLE = samples.ROOT / 'doc/source/operator/rules-truth.csv'
FILE = """
schema_version: "1.0"
vendor: "10de"
rules: [{name: a, accepts: {facts: {%s}}}]
"""
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


@ddt.ddt
class TruthTest(testtools.TestCase):
    @ddt.data(*ROWS)
    @ddt.unpack
    def test_row(self, says, own, found, accepted):
        demand = says.strip('`')
        text = FILE % demand
        read = parser.parse('x', text.encode())
        self.assertEqual((), read.errors)
        parent = samples.parent(facts=facts(demand, own))
        target = host_traits.describe(
            parent, model.RuleSet({'10DE': read.rules})
        )
        answer = recorded.explain(
            target,
            identity.Identity.of(
                parent.parent_id, parent.target_type, facts(demand, found)
            ),
        )
        self.assertEqual(
            accepted == 'yes',
            answer.kind is verdict.Status.COMPATIBLE,
            str(answer),
        )

    def test_there_are_both(self):
        self.assertEqual({'yes', 'no'}, {row[-1] for row in ROWS})
