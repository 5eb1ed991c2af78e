# SPDX-License-Identifier: Apache-2.0
"""Growth of memory: a line through samples."""

import statistics

import hypothesis
from hypothesis import strategies as st
import testtools

from tests.benchmarks import growth

SIZES = st.floats(1e3, 1e9)


class GrowthTest(testtools.TestCase):
    @hypothesis.given(SIZES, st.floats(-0.5, 5), st.integers(2, 300))
    def test_straight_line(self, start, part, number):
        """What grows evenly by a part of itself is told so."""
        line = growth.fit(
            [
                start * (1 + part * index / (number - 1))
                for index in range(number)
            ]
        )
        self.assertAlmostEqual(part, line.growth, places=6)

    @hypothesis.given(SIZES, st.integers(2, 300))
    def test_no_growth(self, size, number):
        self.assertAlmostEqual(0, growth.fit([size] * number).growth, places=9)

    def test_steps_up_and_down_even_out(self):
        line = growth.fit([100, 104] * 50)
        self.assertLess(abs(line.growth), 0.01)

    def test_one_sample_says_nothing(self):
        self.assertRaises(statistics.StatisticsError, growth.fit, [1.0])
