# SPDX-License-Identifier: Apache-2.0

import collections

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.rules import evaluation
from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import parser
from nova_mdev_compat.rules import subsumption
from tests.unit import strategies

OP = pat.Op


def rule(text):
    """Return the rule that a file would have: ``accepts: {type: any}``."""
    raw = (
        '{schema_version: "1.0", vendor: "10de", '
        f'rules: [{{name: some, {text}}}]}}'
    )
    found = parser.parse('some.yaml', raw.encode())
    (some,) = found.rules
    return some


def driver(text, target=''):
    """Return a rule from what its driver must be, and the target's."""
    demand = f'facts: {{driver: {target}}}' if target else ''
    return rule(
        f'target: {{{demand}}}, accepts: {{facts: {{driver: {text}}}}}'
    )


def modelled(*operands):
    """Return a rule that no file can say."""
    return model.Rule(
        'some',
        'some.yaml:1',
        model.Target(),
        model.Accepts(
            facts={'driver': (tuple(model.Operand(*one) for one in operands),)}
        ),
    )


def accepted(some, targets):
    """Return what a rule accepts of each target's like, whatever its facts.

    :return: pairs of target and source
    """
    found = set()
    for own in targets:
        patterns = [
            pattern
            for outcome in evaluation.evaluate([some], own)
            for pattern in outcome.patterns.values()
        ]
        found |= {
            (own, source)
            for source in strategies.near_sources(own)
            if any(pattern.judge(source) for pattern in patterns)
        }
    return found


@ddt.ddt
class ExampleTest(testtools.TestCase):
    def check(self, wide, narrow, forth, back):
        self.assertEqual(
            (forth, back),
            (
                subsumption.covers(wide, narrow),
                subsumption.covers(narrow, wide),
            ),
        )

    @ddt.data(
        # What is left out is same.
        ('accepts: {}', 'accepts: {product: same, type: same}', True, True),
        ('accepts: {product: any}', 'accepts: {}', True, False),
        ('accepts: {type: any}', 'accepts: {}', True, False),
        (
            'accepts: {product: any}',
            'accepts: {product: ["2235"]}',
            True,
            False,
        ),
        ('accepts: {type: any}', 'accepts: {type: [a]}', True, False),
        ('accepts: {product: any}', 'accepts: {type: any}', False, False),
        (
            'accepts: {product: ["2235", "2236"]}',
            'accepts: {product: ["2235"]}',
            True,
            False,
        ),
        ('accepts: {type: [a, b]}', 'accepts: {type: [b]}', True, False),
        ('accepts: {type: [a, b]}', 'accepts: {type: [b, A]}', True, True),
        ('accepts: {type: [a, b]}', 'accepts: {type: [b, c]}', False, False),
        # A list beside same, which depends on the target.
        (
            'accepts: {product: same}',
            'accepts: {product: ["2235"]}',
            False,
            False,
        ),
        (
            'accepts: {product: same}',
            'target: {product: ["2235"]}, accepts: {product: ["2235"]}',
            True,
            False,
        ),
        (
            'accepts: {product: same}',
            'target: {product: ["2235", "2236"]}, accepts: {product: ["2235"]}',
            False,
            False,
        ),
        (
            'accepts: {type: [a, b]}',
            'target: {type: [a, b]}, accepts: {}',
            True,
            False,
        ),
        (
            'accepts: {type: [a, b]}',
            'target: {type: [a, c]}, accepts: {}',
            False,
            False,
        ),
        (
            'target: {type: [a]}, accepts: {type: [a]}',
            'target: {type: [a]}, accepts: {type: same}',
            True,
            True,
        ),
        # Targets.
        (
            'accepts: {}',
            'target: {product: ["2235"]}, accepts: {}',
            True,
            False,
        ),
        (
            'target: {type: [a, b]}, accepts: {}',
            'target: {type: [a]}, accepts: {}',
            True,
            False,
        ),
        (
            'target: {type: [a]}, accepts: {}',
            'target: {type: [b]}, accepts: {}',
            False,
            False,
        ),
        (
            'target: {type: [a]}, accepts: {type: any}',
            'target: {type: [a, b]}, accepts: {}',
            False,
            False,
        ),
        (
            'accepts: {}',
            'target: {facts: {ecc: "on"}}, accepts: {}',
            True,
            False,
        ),
        (
            'target: {facts: {driver: {at_least: "535"}}}, accepts: {}',
            'target: {facts: {driver: {above: "535"}}}, accepts: {}',
            True,
            False,
        ),
        (
            'target: {facts: {ecc: "on"}}, accepts: {}',
            'target: {facts: {mig: "on"}}, accepts: {}',
            False,
            False,
        ),
        # Facts.
        ('accepts: {}', 'accepts: {facts: {ecc: "on"}}', True, False),
        (
            'accepts: {facts: {ecc: same}}',
            'accepts: {facts: {ecc: same, os: same}}',
            True,
            False,
        ),
        (
            'accepts: {facts: {ecc: same}}',
            'accepts: {facts: {os: same}}',
            False,
            False,
        ),
        (
            'accepts: {facts: {ecc: ["on", "off"]}}',
            'accepts: {facts: {ecc: "on"}}',
            True,
            False,
        ),
        (
            'accepts: {facts: {ecc: same}}',
            'accepts: {facts: {ecc: "on"}}',
            False,
            False,
        ),
        (
            'accepts: {facts: {ecc: same}}',
            'target: {facts: {ecc: "on"}}, accepts: {facts: {ecc: "on"}}',
            True,
            False,
        ),
        # Whose own value is not known, who only asks for on still speaks.
        (
            'accepts: {facts: {ecc: [same, "on"]}}',
            'accepts: {facts: {ecc: "on"}}',
            False,
            False,
        ),
        (
            'accepts: {facts: {ecc: [same, "on"]}}',
            'target: {facts: {ecc: ["on", "off"]}}, '
            'accepts: {facts: {ecc: "on"}}',
            True,
            False,
        ),
        (
            'accepts: {facts: {ecc: [same, "on"]}}',
            'accepts: {facts: {ecc: same}}',
            True,
            False,
        ),
        # Tokens are texts, even where they look like versions.
        (
            'accepts: {facts: {os: "9"}}',
            'accepts: {facts: {os: "9.0"}}',
            False,
            False,
        ),
    )
    @ddt.unpack
    def test_rules(self, wide, narrow, forth, back):
        self.check(rule(wide), rule(narrow), forth, back)

    @ddt.data(
        ('{at_least: "535"}', '{at_least: "550"}', True, False),
        ('{at_least: "535"}', '{above: "535"}', True, False),
        ('{at_least: "535"}', '{at_least: "535.0"}', True, True),
        ('{at_least: "535"}', '{at_most: "550"}', False, False),
        ('{at_least: "535"}', '{at_least: "535", below: "550"}', True, False),
        ('{at_least: "535"}', '"535"', True, False),
        ('{at_least: "535"}', '["535", "550"]', True, False),
        ('{at_least: "535"}', '["535", "470"]', False, False),
        ('{above: "535"}', '"535"', False, False),
        ('{at_most: "550"}', '{below: "550"}', True, False),
        ('{at_most: "550"}', '"550-rc1"', True, False),
        ('"550"', '"550.0"', True, True),
        ('["535", "550"]', '"535"', True, False),
        ('{except: ["540"]}', '{above: "540"}', True, False),
        ('{except: ["540"]}', '{at_least: "535"}', False, False),
        ('{except: ["540"]}', '{except: ["540.0"]}', True, True),
        (
            '{above: "535", below: "550"}',
            '{at_least: "540", at_most: "545"}',
            True,
            False,
        ),
        (
            '{at_least: "535", except: ["540"]}',
            '{at_least: "535", except: ["540", "541"]}',
            True,
            False,
        ),
        # A range without its lower end.
        ('{above: "535"}', '{at_least: "535", except: ["535"]}', True, True),
        ('"535"', '{at_least: "535", at_most: "535"}', True, True),
        # same takes N/A where the target has it, which is in no range.
        ('{at_least: same}', 'same', False, False),
        ('{at_most: same}', 'same', False, False),
        ('{at_least: same}', '{above: same}', True, False),
        ('{at_most: same}', '{below: same}', True, False),
        ('{except: [same]}', '{below: same}', True, False),
        ('same', '{at_least: same, at_most: same}', True, False),
        ('{at_least: same}', '{at_most: same}', False, False),
        ('{at_least: "535"}', '{at_least: "535", at_most: same}', True, False),
        ('{at_least: same}', '{at_least: "535", above: same}', True, False),
        ('{at_least: same}', '{at_least: "550"}', False, False),
        # A value that is no version is not even above the least one.
        ('{at_least: "0-alpha"}', 'same', False, False),
        ('{at_least: "535"}', '[same, "550"]', False, False),
    )
    @ddt.unpack
    def test_versions(self, wide, narrow, forth, back):
        self.check(driver(wide), driver(narrow), forth, back)

    @ddt.data(
        # What the target has is at least this.
        (
            '{at_least: "535"}',
            '',
            '{at_least: same}',
            '{at_least: "550"}',
            True,
        ),
        ('{at_most: same}', '', '{at_most: "550"}', '{at_least: "550"}', True),
        (
            '{at_most: same}',
            '',
            '{at_most: "550"}',
            '{at_least: "535"}',
            False,
        ),
        ('same', '', '"550"', '"550.0"', True),
        ('same', '{at_least: "535"}', 'same', '{above: "535"}', True),
        ('same', '{above: "535"}', 'same', '{at_least: "535"}', False),
        # Those for which only the other one speaks accept nothing.
        (
            '{at_least: same, below: "550"}',
            '{below: "550"}',
            '{at_least: same, below: "550"}',
            '',
            True,
        ),
    )
    @ddt.unpack
    def test_targets_that_are_known(
        self, wide, wide_target, narrow, narrow_target, expected
    ):
        self.assertIs(
            expected,
            subsumption.covers(
                driver(wide, wide_target), driver(narrow, narrow_target)
            ),
        )

    @ddt.data(
        ([(OP.EQ, '550')], [(OP.IS, '550')], True, False),
        ([(OP.EQ, '550')], [(OP.IS, '550_0')], True, False),
        ([(OP.GE, '535')], [(OP.IS, '550')], True, False),
        ([(OP.EQ, 'same')], [(OP.IS, 'same')], True, False),
        # N_A is neither below nor above anything, but equal to itself.
        ([(OP.LE, '550')], [(OP.EQ, 'N_A')], False, False),
        ([(OP.LE, 'N_A')], [(OP.EQ, 'N_A')], False, True),
        # Evaluation takes these for a contradiction.
        ([(OP.EQ, '550'), (OP.IS, '550_0')], [(OP.IS, '550_0')], False, True),
    )
    @ddt.unpack
    def test_what_no_file_says(self, wide, narrow, forth, back):
        self.check(modelled(*wide), modelled(*narrow), forth, back)


@ddt.ddt
class PossibleTest(testtools.TestCase):
    @ddt.data(
        ('same', '"550"', True, True),
        ('{at_least: same}', '{at_least: "535"}', True, True),
        (
            '{at_least: same}',
            '{at_least: "535", at_most: "535.0", except: ["535"]}',
            False,
            False,
        ),
        ('{at_least: same, below: "535"}', '{at_least: "550"}', True, False),
        ('{at_least: same, below: "535"}', '{at_least: "534"}', True, True),
        ('{at_least: same, at_most: same, except: [same]}', '', True, False),
        ('{above: same, below: same}', '', True, False),
        (
            '{at_least: same, at_most: same, except: ["550"]}',
            '"550.0"',
            True,
            False,
        ),
    )
    @ddt.unpack
    def test_driver(self, text, target, speaks, accepts):
        some = driver(text, target)
        self.assertIs(speaks, subsumption.applies(some, 'driver'))
        self.assertIs(accepts, subsumption.accepts(some, 'driver'))

    def test_a_fact_that_is_not_named(self):
        some = rule('accepts: {}')
        self.assertTrue(subsumption.applies(some, 'driver'))
        self.assertTrue(subsumption.accepts(some, 'driver'))


class PropertyTest(testtools.TestCase):
    def test_what_is_covered_is_accepted(self):
        count = collections.Counter()

        @hypothesis.settings(max_examples=200)
        @hypothesis.given(strategies.near_rules, st.data())
        def check(wide, data):
            narrow = data.draw(
                st.one_of(strategies.tightened(wide), strategies.near_rules)
            )
            targets = data.draw(
                st.lists(strategies.targets_of(narrow), min_size=3, max_size=3)
            )
            covered = subsumption.covers(wide, narrow)
            expected = accepted(narrow, targets)
            count[covered, bool(expected)] += 1
            if covered:
                self.assertLessEqual(expected, accepted(wide, targets))

        check()
        # It says something about both answers.
        self.assertGreater(count[True, True], 20)
        self.assertGreater(count[False, True], 20)

    @hypothesis.given(strategies.near_rules, st.data())
    def test_what_is_tightened_is_covered(self, wide, data):
        narrow = data.draw(strategies.tightened(wide))
        self.assertTrue(subsumption.covers(wide, narrow))

    @hypothesis.given(strategies.rules)
    def test_a_rule_covers_itself(self, some):
        self.assertTrue(subsumption.covers(some, some))
