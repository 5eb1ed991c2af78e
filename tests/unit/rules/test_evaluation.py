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


def names(outcomes):
    return {name for outcome in outcomes for name in outcome.patterns}


def evaluate(own, *rules):
    """Return the names of all patterns, without what they start with."""
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

    def test_every_key(self):
        own = samples.with_facts(driver='550.54.14', mig='disabled')
        _, rules = samples.rules('every_key.yaml')
        self.assertEqual(
            sorted(
                [
                    *(
                        f'{product}__{mdev_type}__DRIVER_EQ_{driver}__ECC_IS_ON'
                        for product in ('10DE_2235', '10DE_20B5')
                        for mdev_type in ('NVIDIA_558', 'NVIDIA_559')
                        for driver in ('550_54_14', '535_161_05')
                    ),
                    '10DE_2235__NVIDIA_558',
                ]
            ),
            evaluate(own, *rules),
        )

    def test_ranges_with_own_values(self):
        _, rules = samples.rules('every_key.yaml')
        self.assertEqual(
            [
                '10DE_ANY__ANY__DRIVER_GE_550_90_07_LT_570_NE_550_54_14_'
                'NE_550_90_07__KERNEL_EQ_5_14_0_427_EL9'
            ],
            evaluate(samples.A16, rules[1]),
        )

    @ddt.data(
        ((model.SAME,), (model.SAME,), '10DE_2235__NVIDIA_558'),
        ((model.ANY,), (model.SAME,), '10DE_ANY__NVIDIA_558'),
        ((model.SAME,), (model.ANY,), '10DE_2235__ANY'),
        (('10DE_20B5',), ('NVIDIA_1',), '10DE_20B5__NVIDIA_1'),
    )
    @ddt.unpack
    def test_words(self, products, types, expected):
        accepts = model.Accepts(products, types)
        self.assertEqual(
            [expected], evaluate(samples.A16, rule(accepts=accepts))
        )

    def test_any_product_of_a_subsystem_is_the_subsystem(self):
        own = identity.Identity.of('MTTY', 'mtty-2')
        accepts = model.Accepts((model.ANY,))
        self.assertEqual(
            ['MTTY__MTTY_2'], evaluate(own, rule(accepts=accepts))
        )

    def test_patterns_that_coincide_count_once(self):
        accepts = model.Accepts(facts={'ecc': one_of(OP.IS, 'same', 'ON')})
        self.assertEqual(
            ['10DE_2235__NVIDIA_558__ECC_IS_ON'],
            evaluate(samples.A16, rule(accepts=accepts)),
        )

    def test_the_order_of_outcomes_is_that_of_the_rules(self):
        rules = [
            dataclasses.replace(rule(), name=name, source=f'f:{line}')
            for line, name in enumerate(['first', 'second', 'third'])
        ]
        found = evaluation.evaluate(rules, samples.A16)
        self.assertEqual(
            [('first', 'f:0'), ('second', 'f:1'), ('third', 'f:2')],
            [(outcome.name, outcome.source) for outcome in found],
        )


@ddt.ddt
class SkippedTest(testtools.TestCase):
    def skipped(self, some, own=samples.A16):
        (outcome,) = evaluation.evaluate([some], own)
        self.assertEqual({}, outcome.patterns)
        return list(map(str, outcome.reasons))

    @ddt.data(
        (
            model.Target(products=frozenset({'10DE_20B5'})),
            ['it does not apply to device 10de:2235'],
        ),
        (
            model.Target(types=frozenset({'NVIDIA_557'})),
            ['it does not apply to type nvidia-558'],
        ),
        (
            model.Target(facts={'ecc': one_of(OP.IS, 'OFF')}),
            ['ecc on is not equal to off'],
        ),
        (
            model.Target(facts={'driver': one_of(OP.EQ, '535_1', '535_2')}),
            [
                'driver 550.90.07 is not version 535.1',
                'driver 550.90.07 is not version 535.2',
            ],
        ),
        (
            model.Target(
                facts={
                    'driver': (
                        (
                            model.Operand(OP.GE, '535'),
                            model.Operand(OP.LT, '550'),
                        ),
                    )
                }
            ),
            ['driver 550.90.07 is not below 550'],
        ),
        (
            model.Target(facts={'mig': one_of(OP.IS, 'OFF')}),
            ['mig of the target is unknown'],
        ),
    )
    @ddt.unpack
    def test_a_target_that_is_somebody_else(self, target, reasons):
        self.assertEqual(reasons, self.skipped(rule(target)))

    @ddt.data(
        model.Target(products=frozenset({'10DE_2235', '10DE_20B5'})),
        model.Target(types=frozenset({'NVIDIA_557', 'NVIDIA_558'})),
        model.Target(
            facts={
                'ecc': one_of(OP.IS, 'OFF', 'ON'),
                'driver': one_of(OP.GE, '535'),
            }
        ),
    )
    def test_a_target_that_is_us(self, target):
        self.assertEqual(
            ['10DE_2235__NVIDIA_558'], evaluate(samples.A16, rule(target))
        )

    def test_own_value_that_is_unknown(self):
        accepts = model.Accepts(
            facts={
                'mig': one_of(OP.IS, 'same', 'OFF'),
                'ecc': one_of(OP.IS, 'ON'),
            }
        )
        (outcome,) = evaluation.evaluate([rule(accepts=accepts)], samples.A16)
        self.assertEqual(
            (
                verdict.Reason(
                    verdict.Cause.MISSING, 'mig of the target is unknown'
                ),
            ),
            outcome.reasons,
        )

    @ddt.data(
        (None, model.Accepts(facts={'mig': one_of(OP.IS, 'same')})),
        (model.Target(facts={'mig': one_of(OP.IS, 'OFF')}), None),
    )
    @ddt.unpack
    def test_why_an_own_value_is_unknown(self, target, accepts):
        some = rule(target, accepts)
        for unknown, why in (
            ({'mig': 'load nvidia.ko', 'ecc': 'no'}, ': load nvidia.ko'),
            # Facts whose names only begin alike.
            ({'mi': 'no', 'migmode': 'no'}, ''),
            ({}, ''),
            (None, ''),
        ):
            (outcome,) = evaluation.evaluate([some], samples.A16, unknown)
            self.assertEqual({}, outcome.patterns)
            self.assertEqual(
                (
                    verdict.Reason(
                        verdict.Cause.MISSING,
                        f'mig of the target is unknown{why}',
                    ),
                ),
                outcome.reasons,
            )

    def test_each_unknown_value_has_its_reason(self):
        accepts = model.Accepts(
            facts={
                name: one_of(OP.IS, 'same') for name in ('mig', 'gsp', 'ecc')
            }
        )
        (outcome,) = evaluation.evaluate(
            [rule(accepts=accepts)],
            samples.A16,
            {'mig': 'load nvidia.ko', 'gsp': 'too old a driver'},
        )
        self.assertEqual(
            [
                'gsp of the target is unknown: too old a driver',
                'mig of the target is unknown: load nvidia.ko',
            ],
            list(map(str, outcome.reasons)),
        )

    def test_a_value_that_is_known_needs_no_reason(self):
        target = model.Target(facts={'ecc': one_of(OP.IS, 'OFF')})
        (outcome,) = evaluation.evaluate(
            [rule(target)], samples.A16, {'ecc': 'must not be seen'}
        )
        self.assertEqual(
            ['ecc on is not equal to off'], list(map(str, outcome.reasons))
        )

    def test_what_is_unknown_and_not_asked_for_does_not_matter(self):
        (outcome,) = evaluation.evaluate(
            [rule()], samples.A16, {'mig': 'load nvidia.ko'}
        )
        self.assertEqual((), outcome.reasons)

    def test_own_value_that_is_below_the_range(self):
        _, rules = samples.rules('design_example.yaml')
        accepts = rules[0].accepts
        own = samples.with_facts(driver='470.1')
        self.assertEqual(
            ['no value meets its conditions'],
            self.skipped(rule(accepts=accepts), own),
        )

    @ddt.data(OP.GE, OP.GT, OP.LE, OP.LT, OP.NE)
    def test_own_value_that_is_no_version_makes_no_range(self, op):
        own = samples.with_facts(driver='unsupported')
        accepts = model.Accepts(
            facts={
                'driver': (
                    (model.Operand(OP.GE, '535'), model.Operand(op, 'same')),
                )
            }
        )
        self.assertEqual(
            [
                'driver unsupported of the target is not a version and cannot '
                'bound a range'
            ],
            self.skipped(rule(accepts=accepts), own),
        )

    def test_own_value_that_is_no_version_beside_one_that_is(self):
        own = samples.with_facts(driver='unsupported')
        accepts = model.Accepts(
            facts={
                'driver': (
                    (model.Operand(OP.GE, 'same'),),
                    (model.Operand(OP.EQ, 'same'),),
                    (model.Operand(OP.EQ, '550'),),
                )
            }
        )
        self.assertEqual(
            [
                '10DE_2235__NVIDIA_558__DRIVER_EQ_550',
                '10DE_2235__NVIDIA_558__DRIVER_EQ_UNSUPPORTED',
            ],
            evaluate(own, rule(accepts=accepts)),
        )


@ddt.ddt
class ForDeviceTest(testtools.TestCase):
    """Whose rules speak for a device."""

    scope = model.Target(facts={'module': one_of(OP.IS, 'IDXD')})
    other = model.Target(facts={'module': one_of(OP.IS, 'QAT', 'QATV2')})
    default = dataclasses.replace(rule(), name='default')

    def names(self, own, *devices, default=True, facts=None):
        rules = {
            '10DE': tuple(
                dataclasses.replace(rule(one), name=f'own {number}')
                for number, one in enumerate(devices)
            )
        }
        if default:
            rules[model.EVERY_VENDOR] = (self.default,)
        found = evaluation.for_device(
            model.RuleSet(
                rules, {'10DE': devices} if None not in devices else {}
            ),
            own,
        )
        return [one.name for one in found]

    @ddt.data(
        # The vendor's files name all devices, these, and others.
        ((None,), 'I915', ['own 0']),
        ((scope,), 'IDXD', ['own 0']),
        ((scope,), 'I915', ['default']),
        ((scope, other), 'QAT', ['own 0', 'own 1']),
        ((scope, other), 'I915', ['default']),
        ((scope, None), 'I915', ['own 0', 'own 1']),
        # Not known whether: the default, which may be milder, is silent.
        ((scope,), None, ['own 0']),
        ((scope, other), None, ['own 0', 'own 1']),
    )
    @ddt.unpack
    def test_names(self, devices, module, expected):
        own = samples.with_facts(module=module)
        self.assertEqual(expected, self.names(own, *devices))

    def test_what_is_known_to_be_no_device_of_it(self):
        """By its product, though its module is not known."""
        scope = dataclasses.replace(
            self.scope, products=frozenset({'10DE_20B5'})
        )
        self.assertEqual(
            ['default'], self.names(samples.with_facts(module=None), scope)
        )

    def test_without_a_default(self):
        self.assertEqual(
            [],
            self.names(
                samples.with_facts(module='i915'), self.scope, default=False
            ),
        )

    def test_no_rule_of_a_file_speaks_for_other_devices(self):
        """Nor for one of which it is not known what it is."""
        for module in ('i915', None):
            own = samples.with_facts(module=module)
            (outcome,) = evaluation.evaluate([rule(self.scope)], own)
            self.assertEqual({}, outcome.patterns)

    def test_another_vendor(self):
        own = identity.Identity.of('MTTY', 'mtty-2', {'module': 'idxd'})
        self.assertEqual(['default'], self.names(own, self.scope))


class ErrorTest(testtools.TestCase):
    def test_a_value_that_no_trait_carries_names_the_rule(self):
        accepts = model.Accepts(facts={'os': one_of(OP.IS, 'LT_2')})
        exc = self.assertRaises(
            evaluation.EvaluationError,
            evaluation.evaluate,
            [rule(accepts=accepts)],
            samples.A16,
        )
        self.assertEqual(
            "rule 'a rule' (some.yaml:4): os LT_2: a trait cannot tell LT in "
            'a value from an operator',
            str(exc),
        )

    def test_as_many_patterns_as_there_may_be(self):
        types = tuple(f'T{n}' for n in range(evaluation.MAX_PATTERNS))
        found = evaluate(samples.A16, rule(accepts=model.Accepts(types=types)))
        self.assertEqual(evaluation.MAX_PATTERNS, len(found))

    def test_one_pattern_too_many(self):
        types = tuple(f'T{n}' for n in range(evaluation.MAX_PATTERNS + 1))
        exc = self.assertRaises(
            evaluation.EvaluationError,
            evaluate,
            samples.A16,
            rule(accepts=model.Accepts(types=types)),
        )
        self.assertEqual(
            "rule 'a rule' (some.yaml:4): its lists make more than 64 accept "
            'patterns; split the rule or use at_least and at_most',
            str(exc),
        )

    def test_lists_that_multiply_are_not_multiplied_out(self):
        many = one_of(OP.IS, *map(str, range(1000)))
        accepts = model.Accepts(facts={f'f{n}': many for n in range(20)})
        self.assertRaises(
            evaluation.EvaluationError,
            evaluate,
            samples.A16,
            rule(accepts=accepts),
        )


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
        accepts = model.Accepts(
            facts={
                name: one_of(
                    data.draw(
                        st.sampled_from(
                            [*ops, OP.GE, OP.LE]
                            if versions.is_version(value)
                            else ops
                        )
                    ),
                    model.SAME,
                )
                for name, value in own.facts
            }
        )
        found = names(self.evaluate([rule(accepts=accepts)], own))
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
