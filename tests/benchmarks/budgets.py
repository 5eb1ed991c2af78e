# SPDX-License-Identifier: Apache-2.0
"""Which ratios are too high: budgets.yaml, and what it says of a run.

The median of a ratio's rounds counts. A ratio says the same on a slow machine
and, since its two sides are measured in turns, on one that does other things
meanwhile. ``python -m tests.benchmarks.budgets FILE`` proposes budgets for
what --json has written.
"""

from collections.abc import Iterable, Mapping
import dataclasses
import json
import math
import pathlib
import sys
from typing import Any

import yaml

#: A budget is so many times what the first run gave.
MARGIN = 1.6
FILE = pathlib.Path(__file__).with_name('budgets.yaml')


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A ratio and its budget.

    :ivar at_most: the budget; None where there is none
    """

    name: str
    median: float
    at_most: float | None

    @property
    def over(self) -> bool:
        return self.at_most is not None and self.median > self.at_most

    def __str__(self) -> str:
        if self.at_most is None:
            return f'{self.median:.4g}, no budget'
        return (
            f'{self.median:.4g}, {"OVER" if self.over else "within"} '
            f'the budget of {self.at_most:.4g}'
        )


def load(path: pathlib.Path = FILE) -> dict[str, float]:
    """Return the budgets, by the ratio's name."""
    return {
        name: float(item['at_most'])
        for name, item in yaml.safe_load(path.read_text()).items()
    }


def judge(
    ratios: Iterable[Mapping[str, Any]], budgets: Mapping[str, float]
) -> list[Verdict]:
    """Return what the budgets say to some ratios, as a document has them."""
    return [
        Verdict(one['name'], one['median'], budgets.get(one['name']))
        for one in ratios
    ]


def propose(ratios: Iterable[Mapping[str, Any]]) -> str:
    """Return what budgets.yaml would say after a first run."""
    return ''.join(
        f'{one["name"]}: {{first_run: {one["median"]:.3g}, '
        f'at_most: {_two_digits(one["median"] * MARGIN):.2g}}}\n'
        for one in ratios
    )


def _two_digits(value: float) -> float:
    """Return the next number with two digits that is not less."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit) * unit


if __name__ == '__main__':
    sys.stdout.write(
        propose(
            ratio
            for section in json.loads(pathlib.Path(sys.argv[1]).read_text())[
                'benchmarks'
            ]
            for ratio in section['ratios']
        )
    )
