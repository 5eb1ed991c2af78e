# SPDX-License-Identifier: Apache-2.0
"""A rule and the traits made from it decide the same.

accepts() below implements the rule language a second time, from its
documentation and without patterns. It is compared with the patterns that trait
names carry.
"""

import collections

import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import versions
from nova_mdev_compat.rules import evaluation
from nova_mdev_compat.rules import model
from tests.unit import strategies

OP = pattern.Op


def accepts(rule, own, source):
    """Return whether a rule lets a source land on a parent."""
    return (
        _applies(rule.target, own)
        and all(
            own.fact(name) is not None for name in _own_facts(rule.accepts)
        )
        and _product(rule.accepts.products, own, source)
        and _type(rule.accepts.types, own, source)
        and all(
            _fact(alternatives, own.fact(name), source.fact(name))
            for name, alternatives in rule.accepts.facts.items()
        )
    )


def _applies(target, own):
    return (
        (target.products is None or own.parent in target.products)
        and (target.types is None or own.type in target.types)
        and all(
            _fact(alternatives, None, own.fact(name))
            for name, alternatives in target.facts.items()
        )
    )


def _own_facts(accepted):
    return [
        name
        for name, alternatives in accepted.facts.items()
        for operands in alternatives
        for operand in operands
        if operand.value == model.SAME
    ]


def _product(products, own, source):
    if products == (model.SAME,):
        return source.parent == own.parent
    if products == (model.ANY,):
        return identity.vendor_of(source.parent) == identity.vendor_of(
            own.parent
        )
    return source.parent in products


def _type(types, own, source):
    return (
        types == (model.ANY,)
        or source.type in types
        or (types == (model.SAME,) and source.type == own.type)
    )


def _fact(alternatives, own, found):
    return found is not None and any(
        all(
            _compare(
                operand.op,
                own if operand.value == model.SAME else operand.value,
                found,
            )
            for operand in operands
        )
        for operands in alternatives
    )


def _compare(op, wanted, found):
    if op is OP.IS:
        return found == wanted
    if not (wanted[:1].isdigit() and found[:1].isdigit()):
        return op is OP.EQ and found == wanted
    left, right = versions.key(found), versions.key(wanted)
    return {
        OP.GE: left >= right,
        OP.GT: left > right,
        OP.LE: left <= right,
        OP.LT: left < right,
        OP.EQ: left == right,
        OP.NE: left != right,
    }[op]


class MeaningTest(testtools.TestCase):
    def test_traits_decide_as_the_rule_does(self):
        seen = collections.Counter()

        @hypothesis.given(strategies.near_rules, st.data())
        def check(rule, data):
            own = data.draw(strategies.targets_of(rule))
            (outcome,) = evaluation.evaluate([rule], own)
            patterns = list(map(traits.decode_pattern, outcome.patterns))
            for source in strategies.near_sources(own):
                decided = any(one.judge(source) for one in patterns)
                self.assertEqual(accepts(rule, own, source), decided, source)
                seen[decided] += 1

        check()
        # Both answers were often at stake.
        self.assertGreater(seen[True], 500, seen)
        self.assertGreater(seen[False], 500, seen)
