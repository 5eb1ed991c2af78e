# SPDX-License-Identifier: Apache-2.0

import unittest

from nova_mdev_compat.core.identity import Identity
from nova_mdev_compat.core import offer
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core.pattern import Condition
from nova_mdev_compat.core.pattern import Op
from nova_mdev_compat.core.pattern import Pattern
from nova_mdev_compat.core.verdict import Status

TYPE = 'NVIDIA_558'
A40 = Pattern('10DE_2235', 'ANY')
A40_NEW = Pattern('10DE_2235', 'ANY', (Condition('driver', Op.GE, '550'),))
L40S = Pattern('10DE_26B9', 'ANY')
SOURCE = Identity.of('10DE_2235', TYPE, {'driver': '550'})
NO_FACTS = Identity.of('10DE_2235', TYPE, {})
NOT_SERVED = offer.not_served(TYPE)


def make(*accepts, serves=(TYPE,)):
    return Offer(frozenset(accepts), frozenset(serves))


class JudgeTest(unittest.TestCase):
    def check(self, offered, status, *reasons, source=SOURCE):
        found = offered.judge(source)
        self.assertIs(status, found.kind)
        self.assertEqual([*reasons], [str(one) for one in found.reasons])

    def test_judge(self):
        other = ['NVIDIA_557']
        for offered, status, *reasons in (
            (make(L40S, A40), Status.COMPATIBLE),
            (make(), Status.INCOMPATIBLE, 'publishes no accepted sources'),
            # The type has to be served, whatever patterns accept.
            (make(A40, serves=other), Status.INCOMPATIBLE, str(NOT_SERVED)),
            # Another parent is reported before another type.
            (
                make(L40S, serves=other),
                Status.INCOMPATIBLE,
                'device 10de:2235 is not 10de:26b9',
            ),
        ):
            self.check(offered, status, *reasons)

    def test_missing_data(self):
        self.check(
            make(A40_NEW, L40S),
            Status.UNKNOWN,
            'driver of the source is unknown',
            source=NO_FACTS,
        )


class DifferencesTest(unittest.TestCase):
    """What keeps an offer from accepting, all of it."""

    def check(self, offered, *reasons, source=SOURCE):
        self.assertEqual(
            [*reasons], [str(one) for one in offered.differences(source)]
        )
        self.assertEqual(bool(offered.judge(source)), not reasons)

    def test_all_of_the_nearest_pattern(self):
        newer = Condition('driver', Op.GE, '570')
        ecc = Condition('ecc', Op.IS, 'ON')
        source = Identity.of(
            '10DE_2235', TYPE, {'driver': '550', 'ecc': 'off'}
        )
        too_old = 'driver 550 is not at least 570'
        off = 'ecc off is not equal to on'
        strict = Pattern('10DE_2235', 'ANY', (newer, ecc))
        self.check(make(strict, L40S), too_old, off, source=source)
        # It fails as late as possible, and then as little as possible.
        self.check(
            make(strict, Pattern('10DE_2235', 'ANY', (newer,))),
            too_old,
            source=source,
        )
        self.check(
            make(strict, Pattern('10DE_2235', 'ANY', (ecc,))),
            off,
            source=source,
        )

    def test_another_product_stands_alone(self):
        other = Pattern(
            '10DE_26B9', 'NVIDIA_1', (Condition('driver', Op.LT, '1'),)
        )
        self.check(make(other), 'device 10de:2235 is not 10de:26b9')
        self.check(make(), 'publishes no accepted sources')
        self.check(make(A40))

    def test_missing_data(self):
        """A pattern that may accept is nearer than one that refuses."""
        late = Pattern('10DE_2235', 'ANY', (Condition('psid', Op.IS, 'A'),))
        source = Identity.of('10DE_2235', TYPE, {'psid': 'b'})
        self.check(
            make(late, A40_NEW),
            'driver of the source is unknown',
            source=source,
        )

    def test_type_that_is_not_served(self):
        newer = Pattern(
            '10DE_2235', TYPE, (Condition('driver', Op.GE, '570'),)
        )
        self.check(
            make(newer, serves=['NVIDIA_557']),
            str(NOT_SERVED),
            'driver 550 is not at least 570',
        )


class FloorTest(unittest.TestCase):
    def test_served(self):
        self.assertIsNone(make(serves=['NVIDIA_557', TYPE]).floor(SOURCE))

    def test_another_type_is_decided(self):
        offered = make(A40, serves=['NVIDIA_557', TYPE])
        self.assertEqual(
            NOT_SERVED, offered.for_type('NVIDIA_557').floor(SOURCE)
        )


class OfHostTest(unittest.TestCase):
    def test_one_offer_suffices(self):
        self.assertTrue(
            offer.judge(frozenset({make(L40S), make(A40)}), SOURCE)
        )

    def test_pattern_and_type_of_different_parents(self):
        found = offer.judge(
            frozenset({make(A40, serves=['NVIDIA_557']), make(L40S)}), SOURCE
        )
        self.assertEqual(
            (Status.INCOMPATIBLE, (NOT_SERVED,)), (found.kind, found.reasons)
        )

    def test_no_offer(self):
        self.assertEqual(
            (offer.ACCEPTS_NOTHING,), offer.judge(frozenset(), SOURCE).reasons
        )
