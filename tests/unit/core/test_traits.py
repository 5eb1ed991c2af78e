# SPDX-License-Identifier: Apache-2.0

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import identity as ident
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.core import traits
from tests.unit import strategies

OP = pat.Op
ACCEPT = 'CUSTOM_MDEV_ACCEPT_'
A16 = (
    'CUSTOM_MDEV_V1',
    'CUSTOM_MDEV_PARENT_10DE_2235',
    'CUSTOM_MDEV_TYPE_NVIDIA_558',
)


PARENT_AND_TYPE = 'does not read as ACCEPT_PARENT__TYPE'
FACT_OP_VALUE = 'does not read as FACT_OP_VALUE'


def pattern(*conditions, parent='10DE_2235', mdev_type='NVIDIA_558'):
    return pat.Pattern(
        parent, mdev_type, tuple(pat.Condition(*item) for item in conditions)
    )


@ddt.ddt
class PatternTest(testtools.TestCase):
    @ddt.data(
        (pattern(), '10DE_2235__NVIDIA_558'),
        (pattern(parent='10DE_ANY', mdev_type='ANY'), '10DE_ANY__ANY'),
        (pattern(parent='MTTY', mdev_type='MTTY_2'), 'MTTY__MTTY_2'),
        (
            pattern(
                ('driver', OP.LE, '550_90_07'),
                ('driver', OP.GE, '535'),
                ('driver', OP.NE, '535_54_3'),
                ('ecc', OP.IS, 'ON'),
            ),
            '10DE_2235__NVIDIA_558__DRIVER_GE_535_LE_550_90_07_NE_535_54_3'
            '__ECC_IS_ON',
        ),
        (
            pattern(
                ('kernel', OP.GT, '5'),
                ('kernel', OP.LT, '6_12_0_EL10'),
                ('driver', OP.EQ, '550'),
            ),
            '10DE_2235__NVIDIA_558__DRIVER_EQ_550__KERNEL_GT_5_LT_6_12_0_EL10',
        ),
        (pattern(('is', OP.IS, 'A_B')), '10DE_2235__NVIDIA_558__IS_IS_A_B'),
    )
    @ddt.unpack
    def test_encode_and_decode(self, value, expected):
        self.assertEqual(ACCEPT + expected, traits.encode_pattern(value))
        self.assertEqual(value, traits.decode_pattern(ACCEPT + expected))

    @ddt.data(('GE', 'GE'), ('A_NE', 'NE'), ('IS_B', 'IS'), ('A_GT_B', 'GT'))
    @ddt.unpack
    def test_operator_word_in_a_value(self, value, word):
        exc = self.assertRaises(
            traits.TraitError,
            traits.encode_pattern,
            pattern(('os', OP.IS, value)),
        )
        self.assertEqual(
            f'os {value}: a trait cannot tell {word} in a value '
            'from an operator',
            str(exc),
        )

    def test_length_limit(self):
        room = 255 - len(ACCEPT + '10DE_2235__NVIDIA_558__OS_IS_')
        fits = traits.encode_pattern(pattern(('os', OP.IS, 'X' * room)))
        self.assertEqual(255, len(fits))
        exc = self.assertRaises(
            traits.TraitError,
            traits.encode_pattern,
            pattern(('os', OP.IS, 'X' * (room + 1))),
        )
        self.assertIn('has 256 characters, Placement takes 255', str(exc))

    @ddt.data(
        ('CUSTOM_MDEV_TYPE_X', 'is not an accept pattern'),
        (ACCEPT, PARENT_AND_TYPE),
        (ACCEPT + 'MTTY', PARENT_AND_TYPE),
        (ACCEPT + '__MTTY_2', PARENT_AND_TYPE),
        (ACCEPT + 'MTTY__MTTY_2__', PARENT_AND_TYPE),
        (ACCEPT + 'MTTY___MTTY_2', PARENT_AND_TYPE),
        (ACCEPT + 'mtty__mtty_2', PARENT_AND_TYPE),
        (ACCEPT + 'A__B__ECC', f'ECC {FACT_OP_VALUE}'),
        (ACCEPT + 'A__B__ECC_ON', 'no operator after ECC'),
        (ACCEPT + 'A__B__ECC_IS', f'ECC_IS {FACT_OP_VALUE}'),
        (ACCEPT + 'A__B__ECC_GE_LE_5', FACT_OP_VALUE),
        (ACCEPT + 'A__B__2X_IS_ON', "'2x' is not a fact name"),
    )
    @ddt.unpack
    def test_no_pattern(self, name, why):
        exc = self.assertRaises(traits.TraitError, traits.decode_pattern, name)
        self.assertIn(name, str(exc))
        self.assertIn(why, str(exc))

    @hypothesis.given(strategies.patterns())
    def test_decode_undoes_encode(self, value):
        self.assertEqual(
            value, traits.decode_pattern(traits.encode_pattern(value))
        )

    @hypothesis.given(strategies.patterns(strategies.any_values, 12))
    def test_encode_gives_a_right_trait_or_an_error(self, value):
        try:
            name = traits.encode_pattern(value)
        except traits.TraitError as exc:
            self.assertRegex(str(exc), 'characters, Placement|operator')
        else:
            self.assertRegex(name, '^CUSTOM_MDEV_[A-Z0-9_]{1,243}$')
            self.assertEqual(value, traits.decode_pattern(name))

    @hypothesis.given(strategies.patterns(), strategies.identities)
    def test_judges_the_same_after_a_trip_through_its_name(
        self, value, source
    ):
        came_back = traits.decode_pattern(traits.encode_pattern(value))
        self.assertEqual(value.judge(source), came_back.judge(source))


@ddt.ddt
class ValueTest(testtools.TestCase):
    @ddt.data(traits.PARENT, traits.TYPE, traits.INUSE)
    def test_value(self, prefix):
        self.assertEqual(f'{prefix}MTTY', traits.encode_value(prefix, 'MTTY'))

    def test_any_names_no_device(self):
        exc = self.assertRaises(
            traits.TraitError, traits.encode_value, traits.TYPE, 'ANY'
        )
        self.assertEqual('ANY is reserved and cannot name a device', str(exc))

    @ddt.data((traits.encode_value, traits.TYPE), (traits.encode_fact, 'os'))
    @ddt.unpack
    def test_too_long(self, encode, first):
        exc = self.assertRaises(traits.TraitError, encode, first, 'X' * 250)
        self.assertIn('Placement takes 255', str(exc))

    @hypothesis.given(strategies.fact_names, strategies.any_values)
    def test_fact_there_and_back(self, name, value):
        self.assertEqual(
            (name, value), traits.decode_fact(traits.encode_fact(name, value))
        )

    @ddt.data(
        'CUSTOM_MDEV_FACT_',
        'CUSTOM_MDEV_FACT_ECC',
        'CUSTOM_MDEV_FACT_ECC_',
        'CUSTOM_MDEV_FACT_2X_ON',
        'CUSTOM_MDEV_FACT_ECC__ON',
        'CUSTOM_MDEV_TYPE_ECC_ON',
    )
    def test_no_fact(self, name):
        exc = self.assertRaises(traits.TraitError, traits.decode_fact, name)
        self.assertIn(name, str(exc))


ANY_TEXT = st.text(max_size=30)
ALMOST_OURS = st.builds(
    str.__add__,
    st.sampled_from(
        [
            *(traits.PREFIX, traits.PARENT, traits.TYPE, traits.INUSE),
            *(traits.FACT, traits.ACCEPT, traits.ACCEPT + 'A__B__C_'),
        ]
    ),
    st.one_of(ANY_TEXT, st.text('AB_0GEIS', max_size=30)),
)


@ddt.ddt
class DescribeTest(testtools.TestCase):
    def test_parent(self):
        accept = ACCEPT + '10DE_2235__NVIDIA_558'
        found = traits.describe(
            [
                *A16,
                *(accept, 'CUSTOM_MDEV_INUSE_NVIDIA_557'),
                *(
                    'CUSTOM_MDEV_FACT_DRIVER_550_90_07',
                    'CUSTOM_MDEV_FACT_ECC_ON',
                ),
                *('OWNER_NOVA', 'CUSTOM_GOLD', 'CUSTOM_MDEVICE'),
            ]
        )
        facts = frozenset({('driver', '550_90_07'), ('ecc', 'ON')})
        self.assertEqual({accept: pattern()}, found.accepts)
        self.assertEqual((), found.unreadable)
        self.assertEqual(
            {
                ident.Identity('10DE_2235', mdev_type, facts)
                for mdev_type in ('NVIDIA_557', 'NVIDIA_558')
            },
            found.identities(),
        )

    def test_root(self):
        found = traits.describe(
            [*A16, 'CUSTOM_MDEV_PARENT_MTTY', traits.HOST, traits.MIXED]
        )
        self.assertTrue(found.managed)
        self.assertEqual({'10DE_2235', 'MTTY'}, found.parents)
        self.assertEqual((), found.unreadable)
        self.assertEqual(frozenset(), found.identities())

    @ddt.data(
        (),
        ('CUSTOM_GOLD',),
        A16[1:],
        A16[:1] + A16[2:],
        # It serves no type.
        A16[:2],
        (*A16, 'CUSTOM_MDEV_V2'),
        (*A16, ACCEPT + 'NO_PATTERN'),
        (*A16, 'CUSTOM_MDEV_FACT_ECC'),
        (*A16, 'CUSTOM_MDEV_TYPE_'),
        (*A16, 'CUSTOM_MDEV_FACT_ECC_ON', 'CUSTOM_MDEV_FACT_ECC_OFF'),
    )
    def test_no_identity(self, names):
        self.assertEqual(frozenset(), traits.describe(names).identities())

    def test_managed_in_our_schema_alone(self):
        other = 'CUSTOM_MDEV_V2'
        self.assertTrue(traits.describe(A16).managed)
        for names in (A16[1:], [*A16[1:], other], [*A16, other]):
            self.assertFalse(traits.describe(names).managed, names)

    def test_other_schemas(self):
        ours = [traits.SCHEMA, traits.HOST, 'CUSTOM_MDEV_V', 'CUSTOM_MDEV_V2X']
        other = ['CUSTOM_MDEV_V0', 'CUSTOM_MDEV_V12']
        self.assertEqual(other, traits.other_schemas(other[::-1] + ours))

    @hypothesis.given(st.sets(st.one_of(ANY_TEXT, ALMOST_OURS), max_size=5))
    def test_never_raises_and_accounts_for_all_of_ours(self, names):
        found = traits.describe(names)
        ours = set(filter(traits.is_ours, names))
        self.assertLessEqual(set(found.unreadable) | set(found.accepts), ours)
        for name in ours - set(found.unreadable) - set(found.accepts):
            self.assertTrue(
                name.startswith(
                    (traits.FACT, traits.PARENT, traits.TYPE, traits.INUSE)
                )
                or name in (traits.SCHEMA, traits.HOST, traits.MIXED)
            )

    @hypothesis.given(strategies.identities)
    def test_identity_there_and_back(self, identity):
        names = [
            traits.SCHEMA,
            traits.encode_value(traits.PARENT, identity.parent),
            traits.encode_value(traits.TYPE, identity.type),
        ]
        names += [traits.encode_fact(*fact) for fact in identity.facts]
        self.assertEqual({identity}, traits.describe(names).identities())
