# SPDX-License-Identifier: Apache-2.0
"""Say how the functional tests went with each release, as a table.

The arguments are numbers of Novas; tools/release.sh has left the results in
``.matrix/results-<number>``. The exit status is 0 only when every release has
tests and all of them passed; a skipped one did not.
"""

import pathlib
import sys
import textwrap
from typing import TypedDict

import prettytable
import releases
import test_totals
import yaml

FIELDS = ('release', 'Nova', 'Placement', 'passed', 'failed', 'differences')
DIFFERENCES = releases.DIRECTORY / 'differences.yaml'
RESULTS = pathlib.Path('.matrix')


class Difference(TypedDict):
    """What some Novas do otherwise, as it stands in the file."""

    name: str
    releases: list[int]
    reason: str


def differences(numbers: set[int]) -> list[Difference]:
    """Return the documented differences of some Novas."""
    found: list[Difference] = yaml.safe_load(DIFFERENCES.read_text('utf-8'))
    return [item for item in found if numbers & set(item['releases'])]


def count(number: int) -> tuple[int, int]:
    """Return how many tests passed with a Nova, and how many did not."""
    results = RESULTS / f'results-{number}/functional.subunit'
    outcomes = [
        test_totals.outcome(test) for test in test_totals.tests(results)
    ]
    passed = outcomes.count('passed')
    return passed, len(outcomes) - passed


def row(number: int, passed: int, failed: int) -> list[str]:
    """Return a Nova's line of the table."""
    name, pins = releases.releases()[number]
    counts = (
        [f'{passed}', f'{failed}']
        if passed or failed
        else ['none', 'no test ran']
    )
    names = [item['name'] for item in differences({number})]
    return [
        name,
        releases.version(pins, releases.NOVA),
        releases.version(pins, releases.PLACEMENT),
        *counts,
        ', '.join(names) or 'none',
    ]


def main(args: list[str]) -> int:
    counts = {int(arg): count(int(arg)) for arg in args}
    table = prettytable.PrettyTable(FIELDS, align='l')
    table.add_rows(
        [row(number, *numbers) for number, numbers in counts.items()]
    )
    print(table)
    for item in differences(set(counts)):
        print(textwrap.fill(f'{item["name"]}: {item["reason"]}', 79))
    good = all(passed and not failed for passed, failed in counts.values())
    return 0 if counts and good else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
