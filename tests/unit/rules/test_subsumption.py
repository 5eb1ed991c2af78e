# SPDX-License-Identifier: Apache-2.0

import collections

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import subsumption
from tests.unit.rules import builders
from tests.unit import strategies

OP = pat.Op
#: Whether the left rule covers the right one, and the right one the left.
COVERS = {
    '=': (True, True),
    '>': (True, False),
    '<': (False, True),
    '<>': (False, False),
}
#: Two rules, each as ``TARGET -> ACCEPTS`` or ``ACCEPTS``.
RULES = """
    # A missing key is same.
    {}                      =   {product: same, type: same}
    {product: any}          >   {}
    {type: any}             >   {}
    {product: any}          >   {product: [2235]}
    {type: any}             >   {type: [a]}
    {product: any}          <>  {type: any}
    {product: [2235, 2236]}  >  {product: [2235]}
    {type: [a, b]}          >   {type: [b]}
    {type: [a, b]}          =   {type: [b, A]}
    {type: [a, b]}          <>  {type: [b, c]}
    # A list beside same, which depends on the target.
    {product: same}         <>  {product: [2235]}
    {product: same}         >   {product: [2235]} -> {product: [2235]}
    {product: same}         <>  {product: [2235, 2236]} -> {product: [2235]}
    {type: [a, b]}          >   {type: [a, b]} -> {}
    {type: [a, b]}          <>  {type: [a, c]} -> {}
    {type: [a]} -> {type: [a]}  =  {type: [a]} -> {type: same}
    # Targets.
    {}                      >   {product: [2235]} -> {}
    {type: [a, b]} -> {}    >   {type: [a]} -> {}
    {type: [a]} -> {}       <>  {type: [b]} -> {}
    {type: [a]} -> {type: any}  <>  {type: [a, b]} -> {}
    {}                      >   {facts: {ecc: on}} -> {}
    {facts: {ecc: on}} -> {}  <>  {facts: {mig: on}} -> {}
    # Facts.
    {}                      >   {facts: {ecc: on}}
    {facts: {ecc: same}}    >   {facts: {ecc: same, os: same}}
    {facts: {ecc: same}}    <>  {facts: {os: same}}
    {facts: {ecc: [on, off]}}  >  {facts: {ecc: on}}
    {facts: {ecc: same}}    <>  {facts: {ecc: on}}
    {facts: {ecc: same}}    >   {facts: {ecc: on}} -> {facts: {ecc: on}}
    # A rule with same does not apply to a target whose value is unknown.
    {facts: {ecc: [same, on]}}  <>  {facts: {ecc: on}}
    {facts: {ecc: [same, on]}}  >  {facts: {ecc: [on, off]}} -> {facts: {ecc: on}}
    {facts: {ecc: [same, on]}}  >  {facts: {ecc: same}}
    # Tokens are texts, even where they look like versions.
    {facts: {os: 9}}        <>  {facts: {os: 9.0}}
"""
#: The same for a driver.
DRIVERS = """
    {at_least: 535}         >   {at_least: 550}
    {at_least: 535}         >   {above: 535}
    {at_least: 535}         =   {at_least: 535.0}
    {at_least: 535}         <>  {at_most: 550}
    {at_least: 535}         >   {at_least: 535, below: 550}
    {at_least: 535}         >   535
    {at_least: 535}         >   [535, 550]
    {at_least: 535}         <>  [535, 470]
    {above: 535}            <>  535
    {at_most: 550}          >   {below: 550}
    {at_most: 550}          >   550-rc1
    550                     =   550.0
    [535, 550]              >   535
    {except: [540]}         >   {above: 540}
    {except: [540]}         <>  {at_least: 535}
    {except: [540]}         =   {except: [540.0]}
    {above: 535, below: 550}  >  {at_least: 540, at_most: 545}
    {at_least: 535, except: [540]}  >  {at_least: 535, except: [540, 541]}
    # A range without its lower end.
    {above: 535}            =   {at_least: 535, except: [535]}
    535                     =   {at_least: 535, at_most: 535}
    # same accepts N/A if the target has it; N/A is in no range.
    {at_least: same}        <>  same
    {at_most: same}         <>  same
    {at_least: same}        >   {above: same}
    {at_most: same}         >   {below: same}
    {except: [same]}        >   {below: same}
    same                    >   {at_least: same, at_most: same}
    {at_least: same}        <>  {at_most: same}
    {at_least: 535}         >   {at_least: 535, at_most: same}
    {at_least: same}        >   {at_least: 535, above: same}
    {at_least: same}        <>  {at_least: 550}
    # A value that is not a version is not even above the least one.
    {at_least: 0-alpha}     <>  same
    {at_least: 535}         <>  [same, 550]
    # The target has at least, or just, this.
    {at_least: 535}         >   {at_least: 550} -> {at_least: same}
    {at_most: same}         >   {at_least: 550} -> {at_most: 550}
    {at_most: same}         <>  {at_least: 535} -> {at_most: 550}
    same                    >   550.0 -> 550
    {at_least: 535} -> same  >  {above: 535} -> same
    # The targets of the right rule alone accept nothing.
    {below: 550} -> {at_least: same, below: 550}  =  {at_least: same, below: 550}
"""


def rule(text):
    target, _, accepts = text.rpartition(' -> ')
    return builders.rule(f'target: {target or "{}"}, accepts: {accepts}')


def driver(text):
    return rule(
        ' -> '.join(
            f'{{facts: {{driver: {one}}}}}' for one in text.split(' -> ')
        )
    )


def modelled(*operands):
    """Return a rule that no file can have."""
    facts = {'driver': (tuple(model.Operand(*one) for one in operands),)}
    return model.Rule(
        'some', 'some.yaml:1', model.Target(), model.Accepts(facts=facts)
    )


@ddt.ddt
class ExampleTest(testtools.TestCase):
    def check(self, left, sign, right):
        found = (
            subsumption.covers(left, right),
            subsumption.covers(right, left),
        )
        self.assertEqual(COVERS[sign.strip()], found)

    @ddt.data(*builders.rows(RULES))
    @ddt.unpack
    def test_rules(self, left, sign, right):
        self.check(rule(left), sign, rule(right))

    @ddt.data(*builders.rows(DRIVERS))
    @ddt.unpack
    def test_drivers(self, left, sign, right):
        self.check(driver(left), sign, driver(right))

    @ddt.data(
        ([(OP.EQ, '550')], '>', [(OP.IS, '550')]),
        ([(OP.EQ, '550')], '>', [(OP.IS, '550_0')]),
        ([(OP.GE, '535')], '>', [(OP.IS, '550')]),
        ([(OP.EQ, 'same')], '>', [(OP.IS, 'same')]),
        # N_A is neither below nor above anything, but equal to itself.
        ([(OP.LE, '550')], '<>', [(OP.EQ, 'N_A')]),
        ([(OP.LE, 'N_A')], '<', [(OP.EQ, 'N_A')]),
        # Evaluation takes these for a contradiction.
        ([(OP.EQ, '550'), (OP.IS, '550_0')], '<', [(OP.IS, '550_0')]),
    )
    @ddt.unpack
    def test_rules_that_no_file_can_have(self, left, sign, right):
        self.check(modelled(*left), sign, modelled(*right))

    @ddt.data(
        # Whether a target can have its value, and a source can.
        ('550 -> same', True, True),
        ('{at_least: 535} -> {at_least: same}', True, True),
        (
            '{at_least: 535, at_most: 535.0, except: [535]} -> {above: 1}',
            False,
            False,
        ),
        ('{at_least: 550} -> {at_least: same, below: 535}', True, False),
        ('{at_least: 534} -> {at_least: same, below: 535}', True, True),
        ('{at_least: same, at_most: same, except: [same]}', True, False),
        ('{above: same, below: same}', True, False),
        (
            '550.0 -> {at_least: same, at_most: same, except: [550]}',
            True,
            False,
        ),
    )
    @ddt.unpack
    def test_possible(self, text, applies, accepts):
        some = driver(text)
        self.assertIs(applies, subsumption.applies(some, 'driver'))
        self.assertIs(accepts, subsumption.accepts(some, 'driver'))
        # No rule here names it.
        self.assertTrue(subsumption.applies(some, 'ecc'))
        self.assertTrue(subsumption.accepts(some, 'ecc'))


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
            expected = [builders.accepted([narrow], own) for own in targets]
            count[covered, any(expected)] += 1
            if covered:
                for own, some in zip(targets, expected, strict=True):
                    self.assertLessEqual(some, builders.accepted([wide], own))

        check()
        # Both answers were often at stake.
        self.assertGreater(count[True, True], 20)
        self.assertGreater(count[False, True], 20)

    @hypothesis.given(strategies.near_rules, st.data())
    def test_what_is_tightened_is_covered(self, wide, data):
        narrow = data.draw(strategies.tightened(wide))
        self.assertTrue(subsumption.covers(wide, narrow))

    @hypothesis.given(strategies.rules)
    def test_a_rule_covers_itself(self, some):
        self.assertTrue(subsumption.covers(some, some))
