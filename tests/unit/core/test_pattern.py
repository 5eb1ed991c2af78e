# SPDX-License-Identifier: Apache-2.0

import ddt
import hypothesis
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import verdict
from tests.unit import samples
from tests.unit import strategies

OP = pat.Op


def condition(text):
    """Return a condition from ``driver GE 535``."""
    fact, op, value = text.split()
    return pat.Condition(fact, OP[op], identity.canonical(value))


def pattern(*conditions, parent='10DE_2235', mdev_type='NVIDIA_558'):
    return pat.Pattern(parent, mdev_type, tuple(map(condition, conditions)))


@ddt.ddt
class ConditionTest(testtools.TestCase):
    @ddt.data(
        ('driver GE 535', '550.90.07', True),
        ('driver GE 550.90.07', '550.90.7', True),
        ('driver GE 550.127', '550.90.07', False),
        ('driver GT 550', '550.0', False),
        ('driver GT 550', '550.1', True),
        ('driver LE 550', '550.0.0', True),
        ('driver LE 550', '550.1', False),
        ('driver LT 550', '550-rc1', True),
        ('driver LT 550', '550', False),
        ('driver EQ 535.54.3', '535.54.03', True),
        ('driver EQ 535.54.3', '535.54.30', False),
        ('driver NE 535.54.3', '535.54.03', False),
        ('driver NE 535.54.3', '535.54.4', True),
        ('ecc IS on', 'ON', True),
        ('ecc IS on', 'off', False),
        ('os IS rhel-9.6', 'rhel-9.06', False),
    )
    @ddt.unpack
    def test_holds(self, text, found, expected):
        self.assertIs(
            expected, condition(text).holds(identity.canonical(found))
        )

    @ddt.data('GE', 'GT', 'LE', 'LT', 'EQ', 'NE')
    def test_a_value_that_is_not_a_version(self, op):
        """It equals itself, and is not even in a range that it bounds."""
        self.assertFalse(condition(f'driver {op} 550').holds('N_A'))
        self.assertFalse(condition(f'driver {op} N_A').holds('550'))
        self.assertFalse(condition(f'driver {op} N_A').holds('X'))
        self.assertIs(op == 'EQ', condition(f'driver {op} N_A').holds('N_A'))

    def test_no_reason(self):
        self.assertIsNone(condition('ecc IS on').reason(samples.A16))

    @ddt.data(
        ('driver GE 570', 'driver 550.90.07 is not at least 570'),
        ('driver GT 550.90.7', 'driver 550.90.07 is not above 550.90.7'),
        ('driver LE 535.1', 'driver 550.90.07 is not at most 535.1'),
        ('driver LT 535.1', 'driver 550.90.07 is not below 535.1'),
        ('driver EQ 535.1', 'driver 550.90.07 is not version 535.1'),
        ('driver NE 550.90.7', 'driver 550.90.07 is not other than 550.90.7'),
        ('ecc IS off', 'ecc on is not equal to off'),
    )
    @ddt.unpack
    def test_reason_in_words(self, text, expected):
        reason = condition(text).reason(samples.A16)
        self.assertEqual(verdict.Reason(verdict.Cause.FACT, expected), reason)

    @ddt.data([], ['the target'])
    def test_missing_fact(self, who):
        reason = condition('mig IS off').reason(samples.A16, *who)
        self.assertEqual(verdict.Cause.MISSING, reason.cause)
        expected = f'mig of {(who or ["the source"])[0]} is unknown'
        self.assertEqual(expected, str(reason))


@ddt.ddt
class JudgeTest(testtools.TestCase):
    @ddt.data(
        (pattern(), ''),
        (pattern(parent='10DE_ANY'), ''),
        (pattern(mdev_type='ANY'), ''),
        (pattern('driver GE 535', 'driver LE 550.127.5', 'ecc IS on'), ''),
        (pattern(parent='10DE_2236'), 'device 10de:2235 is not 10de:2236'),
        (pattern(parent='8086_ANY'), 'device 10de:2235 is not 8086:any'),
        (pattern(mdev_type='NVIDIA_557'), 'type nvidia-558 is not nvidia-557'),
        (
            pattern('driver GE 535', 'driver LE 550', 'ecc IS off'),
            'driver 550.90.07 is not at most 550, ecc on is not equal to off',
        ),
    )
    @ddt.unpack
    def test_judge(self, accepting, reasons):
        found = accepting.judge(samples.A16)
        self.assertEqual(reasons, str(found))
        self.assertIs(not reasons, bool(found))
        status = verdict.Status
        self.assertIs(
            status.INCOMPATIBLE if reasons else status.COMPATIBLE, found.kind
        )

    @ddt.data(
        (['mig IS off'], verdict.Status.UNKNOWN),
        (['mig IS off', 'ecc IS off'], verdict.Status.INCOMPATIBLE),
    )
    @ddt.unpack
    def test_missing_data(self, conditions, expected):
        found = pattern(*conditions).judge(samples.A16)
        self.assertIs(expected, found.kind)
        self.assertFalse(found)

    @ddt.data(
        ('MTTY', 'MTTY', True),
        ('MTTY', 'MTTY_2', False),
        ('MTTY_ANY', 'MTTY', True),
        ('10DE_ANY', '10DE_2235', True),
        ('10DE_ANY', '10DE', True),
        ('ANY', '10DE_2235', False),
    )
    @ddt.unpack
    def test_takes_parent(self, accepting, parent, expected):
        self.assertIs(
            expected, pat.Pattern(accepting, 'ANY').takes_parent(parent)
        )

    @hypothesis.given(strategies.patterns(), strategies.identities)
    def test_all_conditions_must_hold_and_their_facts_be_there(
        self, some, source
    ):
        on_it = pat.Pattern(source.parent, source.type, some.conditions)
        facts = dict(source.facts)
        self.assertEqual(
            all(
                one.fact in facts and one.holds(facts[one.fact])
                for one in some.conditions
            ),
            bool(on_it.judge(source)),
        )

    @hypothesis.given(strategies.patterns(), strategies.identities)
    def test_compatible_has_no_reason_and_all_else_has_one(self, some, source):
        found = some.judge(source)
        self.assertNotEqual(bool(found), bool(found.reasons))


@ddt.ddt
class PatternTest(testtools.TestCase):
    @ddt.data(
        ('10de_2235', 'X'),
        ('', 'X'),
        ('A__B', 'X'),
        ('MTTY', 'NVIDIA-558'),
        ('MTTY', 'A_'),
        ('MTTY', 'X', (pat.Condition('my_fact', OP.IS, 'X'),)),
        ('MTTY', 'X', (pat.Condition('Os', OP.IS, 'A'),)),
        ('MTTY', 'X', (pat.Condition('os', OP.IS, 'on'),)),
        ('MTTY', 'X', (pat.Condition('os', OP.IS, ''),)),
        ('MTTY', 'X', (pat.Condition('os', OP.IS, 'A__B'),)),
    )
    def test_not_canonical_is_refused(self, parts):
        self.assertRaises(identity.IdentityError, pat.Pattern, *parts)

    @ddt.data(
        (None, 'X'),
        (['MTTY'], 'X'),
        ('MTTY', b'X'),
        ('MTTY', 'X', 'os'),
        ('MTTY', 'X', None),
        ('MTTY', 'X', (('os', OP.IS, 'X'),)),
        ('MTTY', 'X', (pat.Condition('os', 'IS', 'X'),)),
        ('MTTY', 'X', (pat.Condition('ecc', OP.IS, True),)),
        ('MTTY', 'X', (pat.Condition(5, OP.IS, 'X'),)),
    )
    def test_parts_of_another_type_are_refused(self, parts):
        self.assertRaises(
            (AttributeError, KeyError, TypeError), pat.Pattern, *parts
        )

    def test_order_and_repetition_of_conditions_do_not_matter(self):
        one = pattern('ecc IS on', 'driver LE 550', 'driver GE 535')
        other = pattern(
            'driver GE 535', 'ecc IS on', 'driver LE 550', 'ecc IS on'
        )
        self.assertEqual(one, other)
        self.assertEqual(
            ['driver GE', 'driver LE', 'ecc IS'],
            [f'{item.fact} {item.op.name}' for item in one.conditions],
        )

    @ddt.data(
        ('driver GE 550', 'driver LE 535'),
        ('driver GT 550', 'driver LE 550.0'),
        ('driver GE 550', 'driver LT 550'),
        ('driver GT 550', 'driver LT 550'),
        ('driver EQ 550', 'driver NE 550.0'),
        ('driver EQ 550', 'driver EQ 535'),
        ('driver EQ 550', 'driver GT 550'),
        ('ecc IS on', 'ecc IS off'),
        ('driver EQ N_A', 'driver GE 535'),
        ('driver GE N_A',),
        ('driver LE N_A',),
        ('driver NE N_A',),
        ('driver GE 535', 'driver NE N_A'),
    )
    def test_empty(self, conditions):
        for ordered in (conditions, reversed(conditions)):
            self.assertTrue(pat.is_empty([*map(condition, ordered)]))

    @ddt.data(
        (),
        ('driver GE 550', 'driver LE 550.0'),
        ('driver GE 535', 'driver LT 550', 'driver NE 540'),
        ('driver GE 550', 'kernel LE 5'),
        ('driver EQ 550', 'driver GE 535', 'driver LE 550'),
        ('ecc IS on', 'mig IS off'),
        ('driver EQ N_A',),
        ('driver NE 550',),
    )
    def test_not_empty(self, conditions):
        self.assertFalse(pat.is_empty([*map(condition, conditions)]))

    @hypothesis.given(
        strategies.version_ops,
        strategies.versions,
        strategies.version_ops,
        strategies.versions,
        strategies.versions,
    )
    def test_nothing_matches_an_empty_one(
        self, op, low, other_op, high, found
    ):
        bounds = (
            pat.Condition('driver', op, low),
            pat.Condition('driver', other_op, high),
        )
        source = identity.Identity('MTTY', 'X', frozenset({('driver', found)}))
        self.assertFalse(
            pat.is_empty(bounds)
            and pat.Pattern('MTTY', 'ANY', bounds).judge(source)
        )


class FrameworkTest(testtools.TestCase):
    """Nothing is accepted across frameworks, whatever a rule has."""

    def setUp(self):
        super().setUp()
        self.mdev = identity.Identity.of('10DE_2235', 'nvidia-558')
        self.vfio = identity.Identity.of(
            '10DE_2235', 'nvidia-558', {'framework': 'vfio'}
        )
        self.pattern = pat.Pattern('10DE_2235', 'NVIDIA_558')

    def test_without_a_condition_it_accepts_mdevs_only(self):
        self.assertTrue(self.pattern.judge(self.mdev))
        verdict = self.pattern.judge(self.vfio)
        self.assertFalse(verdict)
        self.assertEqual(
            ['framework vfio is not mdev'], list(map(str, verdict.reasons))
        )

    def test_with_a_condition_it_accepts_that_framework_only(self):
        pattern = self.pattern.within(identity.VFIO)
        self.assertTrue(pattern.judge(self.vfio))
        verdict = pattern.judge(self.mdev)
        self.assertFalse(verdict)
        self.assertEqual(
            ['framework mdev is not vfio'], list(map(str, verdict.reasons))
        )

    def test_another_condition_on_it_does_not_count(self):
        condition = pat.Condition('framework', pat.Op.NE, '1')
        pattern = pat.Pattern('10DE_2235', 'NVIDIA_558', (condition,))
        self.assertTrue(pattern.judge(self.mdev))
        self.assertFalse(pattern.judge(self.vfio))
        self.assertEqual(
            self.pattern.within(identity.VFIO), pattern.within(identity.VFIO)
        )
        self.assertEqual(self.pattern, pattern.within(identity.MDEV))

    def test_in_a_trait(self):
        pattern = self.pattern.within(identity.VFIO)
        name = traits.encode_pattern(pattern)
        self.assertEqual(
            'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_558__FRAMEWORK_IS_VFIO', name
        )
        self.assertEqual(pattern, traits.decode_pattern(name))
