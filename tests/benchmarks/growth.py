# SPDX-License-Identifier: Apache-2.0
"""A straight line through samples that were taken at equal distances. Pure."""

from collections.abc import Sequence
import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Line:
    """What a quantity does, as straight as can be.

    :ivar start: where the line is at the first sample
    :ivar slope: what it adds from one sample to the next
    :ivar samples: how many there were
    """

    start: float
    slope: float
    samples: int

    @property
    def growth(self) -> float:
        """What it adds from the first sample to the last, as a part of start.

        Negative where it shrinks.
        """
        return self.slope * (self.samples - 1) / self.start


def fit(samples: Sequence[float]) -> Line:
    """Return the line of least squares.

    :raises statistics.StatisticsError: there are fewer than two samples
    """
    found = statistics.linear_regression(range(len(samples)), samples)
    return Line(found.intercept, found.slope, len(samples))
