# SPDX-License-Identifier: Apache-2.0

import ddt
import hypothesis
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern as pat
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
    def test_a_value_without_version_is_never_in_a_range(self, op):
        self.assertFalse(condition(f'driver {op} 550').holds('N_A'))
        self.assertFalse(condition(f'driver {op} N_A').holds('550'))

    @ddt.data(
        ('EQ', True),
        ('GE', False),
        ('LE', False),
        ('GT', False),
        ('LT', False),
        ('NE', False),
    )
    @ddt.unpack
    def test_a_value_without_version_equals_itself(self, op, expected):
        """And is in no range, not even in one that it bounds itself."""
        self.assertIs(expected, condition(f'driver {op} N_A').holds('N_A'))
        self.assertFalse(condition(f'driver {op} N_A').holds('X'))

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

    def test_missing_fact(self):
        reason = condition('mig IS off').reason(samples.A16)
        self.assertEqual(verdict.Cause.MISSING, reason.cause)
        self.assertEqual('mig of the source is unknown', str(reason))

    def test_missing_fact_of_somebody_else(self):
        reason = condition('mig IS off').reason(samples.A16, 'the target')
        self.assertEqual('mig of the target is unknown', str(reason))


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
        self.assertIs(
            verdict.Status.INCOMPATIBLE
            if reasons
            else verdict.Status.COMPATIBLE,
            found.kind,
        )

    def test_only_data_missing_is_unknown_and_not_compatible(self):
        found = pattern('mig IS off').judge(samples.A16)
        self.assertIs(verdict.Status.UNKNOWN, found.kind)
        self.assertFalse(found)

    def test_data_missing_beside_a_contradiction_is_incompatible(self):
        found = pattern('mig IS off', 'ecc IS off').judge(samples.A16)
        self.assertIs(verdict.Status.INCOMPATIBLE, found.kind)

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
        {'parent': '10de_2235'},
        {'parent': ''},
        {'parent': 'A__B'},
        {'type': 'NVIDIA-558'},
        {'type': 'A_'},
        {'conditions': (pat.Condition('my_fact', pat.Op.IS, 'X'),)},
        {'conditions': (pat.Condition('Os', pat.Op.IS, 'A'),)},
        {'conditions': (pat.Condition('os', pat.Op.IS, 'on'),)},
        {'conditions': (pat.Condition('os', pat.Op.IS, ''),)},
        {'conditions': (pat.Condition('os', pat.Op.IS, 'A__B'),)},
    )
    def test_not_canonical_is_refused(self, changes):
        parts = {'parent': '10DE_2235', 'type': 'NVIDIA_558', **changes}
        self.assertRaises(identity.IdentityError, pat.Pattern, **parts)

    @ddt.data(
        {'parent': None},
        {'parent': ['10DE_2235']},
        {'type': b'NVIDIA_558'},
        {'conditions': 'os'},
        {'conditions': None},
        {'conditions': (('os', pat.Op.IS, 'X'),)},
        {'conditions': (pat.Condition('os', 'IS', 'X'),)},
        {'conditions': (pat.Condition('ecc', pat.Op.IS, True),)},
        {'conditions': (pat.Condition(5, pat.Op.IS, 'X'),)},
    )
    def test_parts_of_another_type_are_refused(self, changes):
        parts = {'parent': '10DE_2235', 'type': 'NVIDIA_558', **changes}
        self.assertRaises(
            (AttributeError, KeyError, TypeError), pat.Pattern, **parts
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
        self.assertTrue(pat.is_empty(pattern(*conditions).conditions))
        self.assertTrue(
            pat.is_empty(pattern(*reversed(conditions)).conditions)
        )

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
        self.assertFalse(pat.is_empty(pattern(*conditions).conditions))

    @hypothesis.given(
        strategies.version_ops,
        strategies.versions,
        strategies.version_ops,
        strategies.versions,
        strategies.versions,
    )
    def test_nothing_fits_an_empty_one(self, op, low, other_op, high, found):
        some = pat.Pattern(
            'MTTY',
            'ANY',
            (
                pat.Condition('driver', op, low),
                pat.Condition('driver', other_op, high),
            ),
        )
        source = identity.Identity('MTTY', 'X', frozenset({('driver', found)}))
        self.assertFalse(pat.is_empty(some.conditions) and some.judge(source))
