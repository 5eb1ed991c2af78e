# SPDX-License-Identifier: Apache-2.0

import dataclasses

import ddt
import hypothesis
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import recorded
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import evaluation
from nova_mdev_compat.rules import model
from tests.unit import samples
from tests.unit import strategies

OP = pattern.Op
COMPATIBLE = verdict.Status.COMPATIBLE
INCOMPATIBLE = verdict.Status.INCOMPATIBLE
UNKNOWN = verdict.Status.UNKNOWN


def one_of(op, *values):
    return tuple((model.Operand(op, value),) for value in values)


def rule(name, products=(model.SAME,), target=None, **facts):
    return model.Rule(
        name,
        f'some.yaml:{len(name)}',
        target or model.Target(),
        model.Accepts(products, facts=facts),
    )


def target(*rules, **changes):
    return host_traits.describe(
        samples.parent(**changes), model.RuleSet({'10DE': rules})
    )


def answer(some, source=samples.A16):
    found = recorded.explain(some, source)
    return found.kind, str(found)


@ddt.ddt
class AnswerTest(testtools.TestCase):
    def test_the_rule_that_allows_it(self):
        some = target(
            rule('no', ecc=one_of(OP.IS, 'OFF')), rule('yes'), rule('also')
        )
        found = recorded.explain(some, samples.A16)
        self.assertIs(COMPATIBLE, found.kind)
        self.assertEqual(
            (recorded.RuleVerdict('yes', 'some.yaml:3'),), found.said
        )
        self.assertEqual("'yes'", str(found))

    def test_what_each_rule_has_against_it(self):
        some = target(
            rule('ecc', ecc=one_of(OP.IS, 'OFF')),
            rule('os', os=one_of(OP.IS, 'RHEL_10_0')),
        )
        self.assertEqual(
            (
                INCOMPATIBLE,
                "'ecc': ecc on is not equal to off; "
                "'os': os rhel-9.6 is not equal to rhel-10.0",
            ),
            answer(some),
        )

    def test_the_first_condition_of_several(self):
        some = target(rule('all', ('10DE_20B5',), ecc=one_of(OP.IS, 'OFF')))
        self.assertEqual(
            (INCOMPATIBLE, "'all': device 10de:2235 is not 10de:20b5"),
            answer(some),
        )

    def test_alternatives_that_come_as_far(self):
        """And not those that fail sooner."""
        some = target(
            rule(
                'lists',
                ('10DE_20B5', model.SAME),
                os=one_of(OP.IS, 'RHEL_9_4', 'RHEL_10_0'),
            )
        )
        self.assertEqual(
            (
                INCOMPATIBLE,
                "'lists': os rhel-9.6 is not equal to rhel-9.4, "
                'os rhel-9.6 is not equal to rhel-10.0',
            ),
            answer(some),
        )

    def test_a_rule_for_another_target(self):
        some = target(
            rule('other', target=model.Target(types=frozenset({'NVIDIA_557'})))
        )
        self.assertEqual(
            (INCOMPATIBLE, "'other': it does not apply to type nvidia-558"),
            answer(some),
        )

    def test_what_is_missing_on_the_source(self):
        some = target(rule('mig', mig=one_of(OP.IS, 'ON')))
        self.assertEqual(
            (UNKNOWN, "'mig': mig of the source is unknown"), answer(some)
        )
        found = recorded.explain(
            some, samples.A16, {'mig': 'the driver is not loaded', 'ecc': 'no'}
        )
        self.assertEqual(
            "'mig': mig of the source is unknown: the driver is not loaded",
            str(found),
        )

    def test_what_is_missing_on_the_target(self):
        some = target(
            rule('mig', mig=one_of(OP.IS, model.SAME)),
            unknown={'mig': 'the driver is not loaded'},
        )
        self.assertEqual(
            (
                UNKNOWN,
                "'mig': mig of the target is unknown: the driver is "
                'not loaded',
            ),
            answer(some),
        )

    def test_what_is_wrong_counts_more_than_what_is_missing(self):
        some = target(
            rule('both', mig=one_of(OP.IS, 'ON'), ecc=one_of(OP.IS, 'OFF')),
            rule('too', mig=one_of(OP.IS, 'ON'), subsystem=one_of(OP.IS, 'X')),
        )
        self.assertEqual(
            (
                INCOMPATIBLE,
                "'both': ecc on is not equal to off; "
                "'too': subsystem 10de:1482 is not equal to x",
            ),
            answer(some),
        )

    def test_unknown_as_long_as_one_rule_might_allow_it(self):
        some = target(
            rule('wrong', ecc=one_of(OP.IS, 'OFF')),
            rule('missing', mig=one_of(OP.IS, 'ON')),
        )
        self.assertIs(UNKNOWN, answer(some)[0])

    def test_the_type_floor(self):
        """A rule may accept any type; Nova does not."""
        some = target(
            model.Rule(
                'any', 'f:1', model.Target(), model.Accepts(types=(model.ANY,))
            )
        )
        source = dataclasses.replace(samples.A16, type='NVIDIA_557')
        self.assertEqual(
            (
                INCOMPATIBLE,
                'does not serve type nvidia-557, and Nova takes no other',
            ),
            answer(some, source),
        )

    def test_another_vendor(self):
        source = dataclasses.replace(samples.A16, parent='8086_0BD5')
        self.assertEqual(
            (
                INCOMPATIBLE,
                'device 8086:0bd5 is of another vendor than 10de:2235',
            ),
            answer(target(rule('a')), source),
        )

    @ddt.data(
        (
            {'target_type': None},
            'Nova uses no mdev type that this device offers',
        ),
        (
            {'device_api': 'vfio-ccw'},
            'device API vfio-ccw cannot be live-migrated',
        ),
    )
    @ddt.unpack
    def test_no_rule_was_asked(self, changes, expected):
        self.assertEqual(
            (INCOMPATIBLE, expected), answer(target(rule('a'), **changes))
        )

    def test_an_old_recording_of_a_device_that_cannot_migrate(self):
        """It has a pattern that accepts, and a note that says why."""
        floor = pattern.Pattern('10DE_2235', 'NVIDIA_558')
        some = host_traits.ParentTraits(
            samples.parent(device_api='vfio-ccw'),
            frozenset(),
            {'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_558': floor},
            note='device API vfio-ccw needs no check',
        )
        self.assertEqual(
            (INCOMPATIBLE, 'device API vfio-ccw cannot be live-migrated'),
            answer(some),
        )

    def test_no_rule_speaks(self):
        some = host_traits.describe(samples.parent(), model.RuleSet({}))
        self.assertEqual(
            (INCOMPATIBLE, 'no rule file covers vendor 10DE'), answer(some)
        )

    def test_a_plugin_answered(self):
        some = host_traits.describe(
            samples.parent(),
            model.RuleSet({}),
            host_traits.VendorAnswer(
                'acme', frozenset({pattern.Pattern('10DE_ANY', 'ANY')})
            ),
        )
        self.assertEqual((COMPATIBLE, "'vendor plugin acme'"), answer(some))

    def test_a_plugin_accepts_nothing(self):
        some = host_traits.describe(
            samples.parent(),
            model.RuleSet({}),
            host_traits.VendorAnswer('acme', frozenset()),
        )
        self.assertEqual(
            (INCOMPATIBLE, "'vendor plugin acme': it accepts nothing here"),
            answer(some),
        )

    @hypothesis.given(
        strategies.rules, strategies.identities, strategies.identities
    )
    def test_says_what_the_published_patterns_say(self, some, own, source):
        """With the two floors, vendor and type, that Nova adds to them."""
        parent = samples.parent(
            parent_id=own.parent,
            target_type=own.type,
            offered=(own.type,),
            facts=dict(own.facts),
        )
        vendor = identity.vendor_of(own.parent)
        try:
            described = host_traits.describe(
                parent, model.RuleSet({vendor: (some,)})
            )
        except host_traits.PublicationError:
            hypothesis.reject()
        found = recorded.explain(described, source)
        accepted = (
            source.type == own.type
            and identity.vendor_of(source.parent) == vendor
            and any(one.judge(source) for one in described.accepts.values())
        )
        self.assertIs(accepted, found.kind is COMPATIBLE)
        self.assertNotEqual(accepted, any(one.reasons for one in found.said))


class FirstFailuresTest(testtools.TestCase):
    @hypothesis.given(
        strategies.rules, strategies.identities, strategies.identities
    )
    def test_nothing_exactly_where_a_pattern_accepts(self, some, own, source):
        try:
            (outcome,) = evaluation.evaluate([some], own)
        except evaluation.EvaluationError:
            hypothesis.reject()
        hypothesis.assume(outcome.patterns)
        found = matching.first_failures(outcome.patterns.values(), source)
        self.assertEqual(
            any(one.judge(source) for one in outcome.patterns.values()),
            not found,
        )
