# SPDX-License-Identifier: Apache-2.0
"""A rule and the traits made from it decide the same.

accepts() below is the rule language over again, as its documentation words
it, and knows nothing of patterns: what goes through patterns and their trait
names is compared with it.
"""

import collections
import dataclasses

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
    """Say whether a rule lets a source land on a parent."""
    return (
        _speaks_for(rule.target, own)
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


def _speaks_for(target, own):
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


_literals = st.lists(
    st.lists(
        st.one_of(
            st.builds(
                model.Operand, strategies.version_ops, strategies.versions
            ),
            st.builds(model.Operand, st.just(OP.IS), strategies.values),
        ),
        min_size=1,
        max_size=2,
    ).map(tuple),
    min_size=1,
    max_size=2,
).map(tuple)


@st.composite
def cases(draw):
    """Return a rule, a parent and a source that have much to do together."""
    own = draw(strategies.identities)
    facts = dict(own.facts)
    changes = draw(
        st.dictionaries(
            st.sampled_from(sorted(facts) or ['driver']),
            strategies.versions,
            max_size=1,
        )
    )
    source = identity.Identity(
        draw(
            st.sampled_from([own.parent, own.parent, draw(strategies.parents)])
        ),
        draw(st.sampled_from([own.type, own.type, draw(strategies.types)])),
        frozenset({**facts, **changes}.items()),
    )
    rule = draw(strategies.rules)
    names = st.sampled_from(sorted(facts) or ['driver'])
    target = model.Target(
        draw(
            st.sampled_from(
                [None, frozenset({own.parent}), rule.target.products]
            )
        ),
        draw(
            st.sampled_from([None, frozenset({own.type}), rule.target.types])
        ),
        draw(st.dictionaries(names, _literals, max_size=1)),
    )
    wanted = draw(
        st.dictionaries(
            names,
            st.one_of(
                _literals,
                st.builds(
                    lambda op: ((model.Operand(op, model.SAME),),),
                    st.sampled_from(list(OP)),
                ),
            ),
            max_size=2,
        )
    )
    return (
        dataclasses.replace(
            rule,
            target=target,
            accepts=dataclasses.replace(
                rule.accepts,
                facts={**rule.accepts.facts, **wanted}
                if draw(st.booleans())
                else wanted,
            ),
        ),
        own,
        source,
    )


class MeaningTest(testtools.TestCase):
    def decide(self, rule, own, source):
        """Return what the published traits say."""
        try:
            (outcome,) = evaluation.evaluate([rule], own)
        except evaluation.EvaluationError:
            hypothesis.reject()
        return any(
            traits.decode_pattern(name).judge(source)
            for name in outcome.patterns
        )

    def test_traits_decide_as_the_rule_does(self):
        seen = collections.Counter()

        @hypothesis.settings(max_examples=600)
        @hypothesis.given(cases())
        def check(case):
            decided = self.decide(*case)
            self.assertEqual(accepts(*case), decided)
            seen[decided] += 1

        check()
        # Both answers were often at stake.
        self.assertGreater(seen[True], 50, seen)
        self.assertGreater(seen[False], 50, seen)

    @hypothesis.given(strategies.identities)
    def test_same_is_reflexive(self, own):
        """Whatever a device is, it may go to one that is the same."""
        same = model.Rule(
            'same',
            'f:1',
            model.Target(),
            model.Accepts(
                facts={
                    name: (
                        (
                            model.Operand(
                                OP.EQ if versions.is_version(value) else OP.IS,
                                model.SAME,
                            ),
                        ),
                    )
                    for name, value in own.facts
                }
            ),
        )
        self.assertTrue(self.decide(same, own, own))
        self.assertTrue(accepts(same, own, own))
