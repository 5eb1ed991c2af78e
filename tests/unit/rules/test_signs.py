# SPDX-License-Identifier: Apache-2.0
"""Values whose signs a trait drops: which are read, and which refused."""

import csv
import re

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.rules import model
from tests.unit.rules import builders
from tests.unit import samples
from tests.unit import strategies

TABLE = samples.ROOT / 'doc/source/operator/rules-values.csv'
with TABLE.open(encoding='utf-8', newline='') as stream:
    ROWS = list(csv.reader(stream))[1:]
#: Where a value of a fact can stand in a rule.
PLACES = (
    'accepts: {facts: {FACT: "VALUE"}}',
    'accepts: {facts: {FACT: [same, "VALUE"]}}',
    'target: {facts: {FACT: "VALUE"}}, accepts: {}',
    'target: {facts: {FACT: ["1.0", "VALUE"]}}, accepts: {}',
)
#: And one of a version.
RANGES = (
    'accepts: {facts: {FACT: {at_most: "VALUE"}}}',
    'accepts: {facts: {FACT: {except: ["1.0", "VALUE"]}}}',
    'target: {facts: {FACT: {at_least: "VALUE"}}}, accepts: {}',
)
TYPES = (
    'accepts: {type: ["VALUE"]}',
    'target: {type: ["VALUE"]}, accepts: {}',
)
#: As people write them elsewhere.
SIGNS = [*r'<>=!~^*?|&%$,;@\[]#≥', '>=', '<=', '==', '!=', '~=']


def values(rule):
    """Return all values that a rule has."""
    found = {*(rule.target.types or ()), *rule.accepts.types}
    for facts in (rule.target.facts, rule.accepts.facts):
        for alternatives in facts.values():
            found |= {one.value for one in model.operands(alternatives)}
    return found - {model.SAME}


def places(of):
    if of == 'type':
        return TYPES
    more = RANGES if identity.is_version_fact(of) else ()
    return [text.replace('FACT', of) for text in (*PLACES, *more)]


@ddt.ddt
class TableTest(testtools.TestCase):
    """The table of the documentation is true."""

    @ddt.data(*ROWS)
    @ddt.unpack
    def test_row(self, cell, of, expected):
        text, of = cell.strip('`'), of.strip('`')
        for place in places(of):
            found = builders.read(place.replace('VALUE', text))
            if not expected.startswith('refused'):
                self.assertEqual((), found.errors)
                self.assertIn(
                    identity.canonical(expected), values(found.rules[0]), place
                )
                continue
            (error,) = found.errors
            self.assertIn(repr(text), str(error))
            if place in PLACES[:1] or of == 'type':
                right = expected.removeprefix('refused: ').strip('`')
                self.assertIn(right, error.text)

    def test_there_are_both(self):
        refused = [row for row in ROWS if row[-1].startswith('refused')]
        self.assertGreater(len(refused), 10)
        self.assertGreater(len(ROWS) - len(refused), 10)


class PropertyTest(testtools.TestCase):
    @hypothesis.given(
        st.sampled_from(SIGNS),
        strategies.versions,
        st.sampled_from(['driver', 'kernel', 'fwversion']),
    )
    def test_no_sign_is_lost(self, sign, version, fact):
        """Before a version, after it, and between two parts of it."""
        text = version.replace('_', '.')
        for wrong in (sign + text, text + sign, f'{text}{sign}9'):
            if sign == '~' and wrong.endswith('~9'):
                continue  # it separates the parts of a package's version
            self.assertRaises(
                identity.SignError, identity.literal, wrong, fact
            )

    @hypothesis.given(
        strategies.versions,
        st.sampled_from(['driver', 'kernel', 'fwversion']),
        st.sampled_from(['.', '_']),
    )
    def test_canonical_values_can_be_written(self, version, fact, separator):
        """Whatever a device has: as a trait has it, or with dots."""
        text = version.replace('_', separator)
        self.assertEqual(version, identity.literal(text, fact))

    @hypothesis.given(strategies.values)
    def test_canonical_tokens_can_be_written(self, value):
        self.assertEqual(value, identity.literal(value, 'os'))
        self.assertEqual(value, identity.literal(value.lower()))

    @hypothesis.given(
        st.text(max_size=30), st.sampled_from(['', 'os', 'driver', 'kernel'])
    )
    def test_what_is_read_is_canonical(self, text, fact):
        try:
            value = identity.literal(text, fact)
        except identity.IdentityError:
            return
        self.assertEqual(identity.canonical(text), value)
        self.assertFalse(re.search(r'[<>=!*?|&^%]', text), text)

    @hypothesis.given(
        st.integers(1, 999),
        st.integers(1, 999),
        st.sampled_from(['-', '..', ' - ', ' to ', '\u2013', '~']),
    )
    def test_a_range_of_branches(self, low, high, joint):
        text = f'{low}{joint}{high}'
        expected = (str(low), str(high)) if low < high < 10 * low else None
        self.assertEqual(expected, identity.version_range(text, 'driver'))
        self.assertEqual(expected, identity.version_range(text, 'kernel'))
