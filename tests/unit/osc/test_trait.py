# SPDX-License-Identifier: Apache-2.0
import ddt
from hypothesis import given
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.core import traits
from nova_mdev_compat.osc import trait
from tests.unit import strategies


@ddt.ddt
class DecodeTest(testtools.TestCase):
    """One trait of each kind is decoded in tests/functional."""

    @ddt.data(
        ('10DE_2235__NVIDIA_558', 'from device 10de:2235, type nvidia-558'),
        (
            '10DE_ANY__NVIDIA_558',
            'from any device of vendor 10de, type nvidia-558',
        ),
        ('10DE_2235__ANY', 'from device 10de:2235, any type'),
        ('MTTY__MTTY_2', 'from device mtty, type mtty-2'),
        (
            '10DE_2235__ANY__DRIVER_GE_535_LE_550_54_14',
            'from device 10de:2235, any type, driver at least 535 and at most '
            '550.54.14',
        ),
        (
            '10DE_2235__ANY__DRIVER_GT_535_LT_560_NE_550_1',
            'from device 10de:2235, any type, driver above 535 and below 560 '
            'and other than 550.1',
        ),
        (
            '10DE_2235__ANY__ECC_IS_ON__KERNEL_EQ_5_14',
            'from device 10de:2235, any type, ecc equal to on, kernel version '
            '5.14',
        ),
    )
    @ddt.unpack
    def test_accept_pattern(self, name, words):
        found = trait.decode(traits.ACCEPT + name)
        self.assertEqual(('accept pattern', words), (found.kind, found.words))

    @ddt.data(
        '',
        'CUSTOM_FOO',
        'CUSTOM_MDEV',
        'CUSTOM_MDEVX_V1',
        'custom_mdev_v1',
        'COMPUTE_NODE',
        ' CUSTOM_MDEV_V1',
    )
    def test_not_ours(self, name):
        error = self.assertRaises(traits.TraitError, trait.decode, name)
        self.assertEqual(
            f'{name!r} is not a trait of ours, which begin with CUSTOM_MDEV_',
            str(error),
        )

    @ddt.data(
        '',
        'V2',
        'V11',
        'HOST_',
        'MIXED_1',
        'TYPE',
        'TYPE_',
        'TYPE__A',
        'PARENT_',
        'INUSE_A_',
        'OTHER_1',
        'TYPE_a',
        'V1 ',
    )
    def test_invalid(self, name):
        name = traits.PREFIX + name
        error = self.assertRaises(traits.TraitError, trait.decode, name)
        self.assertIn(f'{name} is invalid', str(error))

    @ddt.data(
        'FACT_',
        'FACT_DRIVER',
        'FACT_1_2',
        'FACT_DRIVER__2',
        'ACCEPT_',
        'ACCEPT_A',
        'ACCEPT_A__B__',
        'ACCEPT_A__B__DRIVER_5',
        'ACCEPT_A__B__DRIVER_GE',
        'ACCEPT_A__B__GE_5',
    )
    def test_half_a_fact_or_pattern(self, name):
        name = traits.PREFIX + name
        error = self.assertRaises(traits.TraitError, trait.decode, name)
        self.assertIn(name, str(error))


class RoundTripTest(testtools.TestCase):
    """The values of a meaning are complete: the trait follows from them."""

    @given(strategies.patterns())
    def test_patterns(self, pattern):
        name = traits.encode_pattern(pattern)
        self.assertEqual(
            name,
            traits.encode_pattern(_pattern(trait.decode(name).values)),
        )

    @given(strategies.patterns())
    def test_words_have_every_condition(self, pattern):
        words = trait.decode(traits.encode_pattern(pattern)).words
        for one in pattern.conditions:
            shown = identity.display(one.fact, one.value)
            self.assertRegex(
                words, rf', {one.fact} .*{one.op.value} {shown}\b'
            )

    @given(strategies.fact_names, strategies.values)
    def test_facts(self, fact, value):
        name = traits.encode_fact(fact, value)
        values = trait.decode(name).values
        self.assertEqual(
            name,
            traits.encode_fact(
                values['fact'], identity.canonical(values['value'])
            ),
        )

    @given(strategies.parents)
    def test_parents(self, parent):
        name = traits.encode_value(traits.PARENT, parent)
        values = trait.decode(name).values
        self.assertEqual(parent, identity.canonical(values['parent']))

    @given(st.sampled_from([traits.TYPE, traits.INUSE]), strategies.types)
    def test_types(self, prefix, mdev_type):
        found = trait.decode(traits.encode_value(prefix, mdev_type))
        self.assertEqual(
            (mdev_type, {traits.TYPE: 'type', traits.INUSE: 'in use'}[prefix]),
            (identity.canonical(found.values['type']), found.kind),
        )

    @given(st.text('ABCV1_0GET', max_size=30).map(traits.PREFIX.__add__))
    def test_meaning_or_error(self, name):
        """Any name has a meaning, or an error that names it."""
        try:
            found = trait.decode(name)
        except traits.TraitError as exc:
            self.assertIn(name, str(exc))
        else:
            self.assertTrue(found.kind and found.words)


def _pattern(values):
    return pat.Pattern(
        identity.canonical(values['parent']),
        identity.canonical(values['type']),
        tuple(
            pat.Condition(
                one['fact'],
                pat.Op[one['op']],
                identity.canonical(one['value']),
            )
            for one in values['conditions']
        ),
    )
