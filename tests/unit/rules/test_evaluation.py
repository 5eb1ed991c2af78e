# SPDX-License-Identifier: Apache-2.0

import dataclasses

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import verdict
from nova_mdev_compat.core import versions
from nova_mdev_compat.rules import evaluation
from nova_mdev_compat.rules import model
from tests.unit.rules import builders
from tests.unit import samples
from tests.unit import strategies

OP = pat.Op
PREFIX = 'CUSTOM_MDEV_ACCEPT_'


def rule(target=None, accepts=None):
    return model.Rule(
        'a rule',
        'some.yaml:4',
        target or model.Target(),
        accepts or model.Accepts(),
    )


def one_of(op, *values):
    return tuple((model.Operand(op, value),) for value in values)


MANY = one_of(OP.IS, *map(str, range(1000)))


def names(outcomes):
    return {name for outcome in outcomes for name in outcome.patterns}


def evaluate(own, *rules):
    """Return the names of all patterns, without their prefix."""
    return sorted(
        name.removeprefix(PREFIX)
        for name in names(evaluation.evaluate(rules, own))
    )


@ddt.ddt
class PatternsTest(testtools.TestCase):
    def test_the_example_of_the_design(self):
        _, rules = samples.rules('design_example.yaml')
        self.assertEqual(
            [
                '10DE_2235__NVIDIA_558__DRIVER_GE_535_LE_550_90_07_NE_535_54_3'
                '__ECC_IS_ON'
            ],
            evaluate(samples.A16, *rules),
        )
        self.assertEqual(
            [], evaluate(samples.with_facts(driver='540'), *rules)
        )

    def test_every_key(self):
        own = samples.with_facts(driver='550.54.14', mig='disabled')
        _, rules = samples.rules('every_key.yaml')
        lists = [
            f'{product}__{mdev_type}__DRIVER_EQ_{driver}__ECC_IS_ON'
            for product in ('10DE_2235', '10DE_20B5')
            for mdev_type in ('NVIDIA_558', 'NVIDIA_559')
            for driver in ('550_54_14', '535_161_05')
        ]
        self.assertEqual(
            sorted([*lists, '10DE_2235__NVIDIA_558']), evaluate(own, *rules)
        )
        self.assertEqual(
            [
                '10DE_ANY__ANY__DRIVER_GE_550_90_07_LT_570_NE_550_54_14_'
                'NE_550_90_07__KERNEL_EQ_5_14_0_427_EL9'
            ],
            evaluate(samples.A16, rules[1]),
        )

    @ddt.data(
        ('product: same, type: same', '10DE_2235__NVIDIA_558'),
        ('product: any', '10DE_ANY__NVIDIA_558'),
        ('type: any', '10DE_2235__ANY'),
        ('product: ["20b5"], type: [nvidia-1]', '10DE_20B5__NVIDIA_1'),
        # Patterns that coincide count once.
        ('facts: {ecc: [same, on]}', '10DE_2235__NVIDIA_558__ECC_IS_ON'),
    )
    @ddt.unpack
    def test_accepts(self, accepts, expected):
        some = builders.rule(f'accepts: {{{accepts}}}')
        self.assertEqual([expected], evaluate(samples.A16, some))

    def test_any_product_of_a_subsystem_is_the_subsystem(self):
        own = identity.Identity.of('MTTY', 'mtty-2')
        some = builders.rule('accepts: {product: any}')
        self.assertEqual(['MTTY__MTTY_2'], evaluate(own, some))

    def test_the_order_of_outcomes_is_that_of_the_rules(self):
        rules = builders.read(*['accepts: {}'] * 3).rules
        self.assertEqual(
            [(f'r{n}', f'f.yaml:{n + 4}') for n in range(3)],
            [
                (outcome.name, outcome.source)
                for outcome in evaluation.evaluate(rules, samples.A16)
            ],
        )


@ddt.ddt
class SkippedTest(testtools.TestCase):
    def skipped(self, text, own=samples.A16, unknown=None):
        (outcome,) = evaluation.evaluate([builders.rule(text)], own, unknown)
        self.assertEqual({}, outcome.patterns)
        return [(one.cause, str(one)) for one in outcome.reasons]

    @ddt.data(
        (
            'product: ["20b5"]',
            (verdict.Cause.PARENT, 'it does not apply to device 10de:2235'),
        ),
        (
            'type: [nvidia-557]',
            (verdict.Cause.TYPE, 'it does not apply to type nvidia-558'),
        ),
        (
            'facts: {ecc: off}',
            (verdict.Cause.FACT, 'ecc on is not equal to off'),
        ),
        (
            'facts: {driver: [535.1, 535.2]}',
            (verdict.Cause.FACT, 'driver 550.90.07 is not version 535.1'),
            (verdict.Cause.FACT, 'driver 550.90.07 is not version 535.2'),
        ),
        (
            'facts: {driver: {at_least: 535, below: 550}}',
            (verdict.Cause.FACT, 'driver 550.90.07 is not below 550'),
        ),
        (
            'facts: {mig: off}',
            (verdict.Cause.MISSING, 'mig of the target is unknown'),
        ),
    )
    @ddt.unpack
    def test_another_target(self, target, *reasons):
        self.assertEqual(
            [*reasons], self.skipped(f'target: {{{target}}}, accepts: {{}}')
        )

    @ddt.data(
        'product: ["2235", "20b5"]',
        'type: [nvidia-557, nvidia-558]',
        'facts: {ecc: [off, on], driver: {at_least: 535}}',
    )
    def test_this_target(self, target):
        some = builders.rule(f'target: {{{target}}}, accepts: {{}}')
        self.assertEqual(
            ['10DE_2235__NVIDIA_558'], evaluate(samples.A16, some)
        )

    @ddt.data(
        'accepts: {facts: {mig: same}}',
        'accepts: {facts: {mig: [same, off], ecc: on}}',
        'target: {facts: {mig: off}}, accepts: {}',
    )
    def test_why_a_value_of_the_target_is_unknown(self, text):
        for unknown, why in (
            ({'mig': 'load nvidia.ko', 'ecc': 'no'}, ': load nvidia.ko'),
            # Facts whose names only begin alike.
            ({'mi': 'no', 'migmode': 'no'}, ''),
            (None, ''),
        ):
            self.assertEqual(
                [
                    (
                        verdict.Cause.MISSING,
                        f'mig of the target is unknown{why}',
                    )
                ],
                self.skipped(text, unknown=unknown),
            )

    def test_each_unknown_value_has_its_reason(self):
        unknown = {'mig': 'load nvidia.ko', 'gsp': 'too old a driver'}
        self.assertEqual(
            [
                'gsp of the target is unknown: too old a driver',
                'mig of the target is unknown: load nvidia.ko',
            ],
            [
                text
                for _, text in self.skipped(
                    'accepts: {facts: {mig: same, gsp: same, ecc: same}}',
                    unknown=unknown,
                )
            ],
        )

    def test_why_is_added_only_to_an_unknown_value(self):
        self.assertEqual(
            [(verdict.Cause.FACT, 'ecc on is not equal to off')],
            self.skipped(
                'target: {facts: {ecc: off}}, accepts: {}',
                unknown={'ecc': 'must not be seen', 'mig': 'no'},
            ),
        )
        (outcome,) = evaluation.evaluate(
            [rule()], samples.A16, {'mig': 'load nvidia.ko'}
        )
        self.assertEqual((), outcome.reasons)

    def test_own_value_that_is_below_the_range(self):
        self.assertEqual(
            [(verdict.Cause.FACT, 'no value meets its conditions')],
            self.skipped(
                'accepts: {facts: {driver: {at_least: 535, at_most: same}}}',
                samples.with_facts(driver='470.1'),
            ),
        )

    @ddt.data(OP.GE, OP.GT, OP.LE, OP.LT, OP.NE)
    def test_own_value_that_is_not_a_version_makes_no_range(self, op):
        own = samples.with_facts(driver='unsupported')
        operands = model.Operand(OP.GE, '535'), model.Operand(op, 'same')
        some = rule(accepts=model.Accepts(facts={'driver': (operands,)}))
        (outcome,) = evaluation.evaluate([some], own)
        self.assertEqual({}, outcome.patterns)
        self.assertEqual(
            [
                'driver unsupported of the target is not a version and cannot '
                'bound a range'
            ],
            list(map(str, outcome.reasons)),
        )

    def test_own_value_that_is_not_a_version_beside_one_that_is(self):
        own = samples.with_facts(driver='unsupported')
        driver = (
            (model.Operand(OP.GE, 'same'),),
            *one_of(OP.EQ, 'same', '550'),
        )
        self.assertEqual(
            [
                '10DE_2235__NVIDIA_558__DRIVER_EQ_550',
                '10DE_2235__NVIDIA_558__DRIVER_EQ_UNSUPPORTED',
            ],
            evaluate(
                own, rule(accepts=model.Accepts(facts={'driver': driver}))
            ),
        )


@ddt.ddt
class ForDeviceTest(testtools.TestCase):
    """Which rules are for a device."""

    scope = model.Target(facts={'module': one_of(OP.IS, 'IDXD')})
    other = model.Target(facts={'module': one_of(OP.IS, 'QAT', 'QATV2')})
    default = dataclasses.replace(rule(), name='default')

    def names(self, own, *devices, default=True):
        rules = {
            '10DE': tuple(
                dataclasses.replace(rule(one), name=f'own {number}')
                for number, one in enumerate(devices)
            )
        }
        if default:
            rules[model.EVERY_VENDOR] = (self.default,)
        limits = {} if None in devices else {'10DE': devices}
        found = evaluation.for_device(model.RuleSet(rules, limits), own)
        return [one.name for one in found]

    @ddt.data(
        # The vendor's files name all devices, these, and others.
        ((None,), 'I915', ['own 0']),
        ((scope,), 'IDXD', ['own 0']),
        ((scope,), 'I915', ['default']),
        ((scope, other), 'QAT', ['own 0', 'own 1']),
        ((scope, other), 'I915', ['default']),
        ((scope, None), 'I915', ['own 0', 'own 1']),
        # It is unknown: the default, which may be milder, does not apply.
        ((scope,), None, ['own 0']),
        ((scope, other), None, ['own 0', 'own 1']),
    )
    @ddt.unpack
    def test_names(self, devices, module, expected):
        own = samples.with_facts(module=module)
        self.assertEqual(expected, self.names(own, *devices))

    def test_another_product_whose_module_is_unknown(self):
        scope = dataclasses.replace(
            self.scope, products=frozenset({'10DE_20B5'})
        )
        self.assertEqual(
            ['default'], self.names(samples.with_facts(module=None), scope)
        )

    def test_without_a_default(self):
        own = samples.with_facts(module='i915')
        self.assertEqual([], self.names(own, self.scope, default=False))

    @ddt.data('i915', None)
    def test_no_rule_of_a_file_applies_to_other_devices(self, module):
        own = samples.with_facts(module=module)
        self.assertEqual([], evaluate(own, rule(self.scope)))

    def test_another_vendor(self):
        own = identity.Identity.of('MTTY', 'mtty-2', {'module': 'idxd'})
        self.assertEqual(['default'], self.names(own, self.scope))


@ddt.ddt
class ErrorTest(testtools.TestCase):
    @ddt.data(
        (
            model.Accepts(facts={'os': one_of(OP.IS, 'LT_2')}),
            'os LT_2: a trait cannot tell LT in a value from an operator',
        ),
        (
            model.Accepts(types=tuple(f'T{n}' for n in range(65))),
            evaluation.TOO_MANY,
        ),
        # These lists are not multiplied out.
        (
            model.Accepts(facts={f'f{n}': MANY for n in range(20)}),
            'its lists make more than 64 accept patterns; split the rule or '
            'use at_least and at_most',
        ),
    )
    @ddt.unpack
    def test_message(self, accepts, expected):
        exc = self.assertRaises(
            evaluation.EvaluationError,
            evaluate,
            samples.A16,
            rule(accepts=accepts),
        )
        self.assertEqual(f"rule 'a rule' (some.yaml:4): {expected}", str(exc))

    def test_as_many_patterns_as_there_may_be(self):
        types = tuple(f'T{n}' for n in range(evaluation.MAX_PATTERNS))
        found = evaluate(samples.A16, rule(accepts=model.Accepts(types=types)))
        self.assertEqual(evaluation.MAX_PATTERNS, len(found))


class PropertyTest(testtools.TestCase):
    def evaluate(self, rules, own):
        try:
            return evaluation.evaluate(rules, own)
        except evaluation.EvaluationError as exc:
            self.assertIn(rules[0].source, str(exc))
            hypothesis.reject()

    @hypothesis.given(
        st.lists(strategies.rules, min_size=1, max_size=3),
        strategies.rules,
        strategies.identities,
    )
    def test_a_further_rule_takes_nothing_away(self, rules, more, own):
        before = names(self.evaluate(rules, own))
        self.assertLessEqual(before, names(self.evaluate([*rules, more], own)))
        self.assertLessEqual(before, names(self.evaluate([more, *rules], own)))

    @hypothesis.given(strategies.identities, st.data())
    def test_same_takes_what_is_the_same(self, own, data):
        ops = [OP.IS, OP.EQ]
        facts = {}
        for name, value in own.facts:
            more = [OP.GE, OP.LE] if versions.is_version(value) else []
            op = data.draw(st.sampled_from([*ops, *more]))
            facts[name] = one_of(op, model.SAME)
        some = rule(accepts=model.Accepts(facts=facts))
        found = names(self.evaluate([some], own))
        self.assertTrue(
            all(traits.decode_pattern(name).judge(own) for name in found)
        )
        self.assertEqual(1, len(found))

    @hypothesis.given(
        strategies.rules, strategies.identities, strategies.identities
    )
    def test_what_is_published_judges_as_what_was_meant(
        self, some, own, source
    ):
        (outcome,) = self.evaluate([some], own)
        self.assertNotEqual(bool(outcome.patterns), bool(outcome.reasons))
        for name, pattern in outcome.patterns.items():
            self.assertEqual(
                pattern.judge(source),
                traits.decode_pattern(name).judge(source),
            )

    @hypothesis.given(
        strategies.rules, strategies.identities, strategies.parents
    )
    def test_another_vendor_is_never_accepted(self, some, own, parent):
        vendor = identity.vendor_of(own.parent)
        source = dataclasses.replace(own, parent=parent)
        products = tuple(
            name
            for name in some.accepts.products
            if name in (model.SAME, model.ANY)
            or identity.vendor_of(name) == vendor
        )
        accepts = model.Accepts(
            products or (model.ANY,), some.accepts.types, some.accepts.facts
        )
        (outcome,) = self.evaluate([rule(some.target, accepts)], own)
        accepted = any(
            pattern.judge(source) for pattern in outcome.patterns.values()
        )
        self.assertFalse(
            accepted and identity.vendor_of(source.parent) != vendor
        )
