# SPDX-License-Identifier: Apache-2.0
"""Print the results of the functional tests with each release, as a table.

The arguments are numbers of Novas; tools/release.sh has left the results in
``.matrix/results-<number>``. The exit status is 0 only if every release has
tests and all of them passed; a skipped test has not passed.
"""

import pathlib
import sys
import textwrap

import prettytable
import releases
import test_totals
import yaml

FIELDS = ('release', 'Nova', 'Placement', 'passed', 'failed', 'differences')
DIFFERENCES = releases.DIRECTORY / 'differences.yaml'


def count(number: int) -> tuple[int, int]:
    """Return how many tests passed with a Nova, and how many did not."""
    results = pathlib.Path(f'.matrix/results-{number}/functional.subunit')
    outcomes = [
        test_totals.outcome(test) for test in test_totals.tests(results)
    ]
    passed = outcomes.count('passed')
    return passed, len(outcomes) - passed


def main(args: list[str]) -> int:
    differences = yaml.safe_load(DIFFERENCES.read_text('utf-8'))
    known = releases.releases()
    table = prettytable.PrettyTable(FIELDS, align='l')
    counts = {int(arg): count(int(arg)) for arg in args}
    for number, (passed, failed) in counts.items():
        name, pins = known[number]
        names = [
            item['name'] for item in differences if number in item['releases']
        ]
        table.add_row(
            [
                name,
                releases.version(pins, 'nova'),
                releases.version(pins, 'openstack-placement'),
                *(
                    (passed, failed)
                    if passed or failed
                    else ('none', 'no test ran')
                ),
                ', '.join(names) or 'none',
            ]
        )
    print(table)
    for item in differences:
        if counts.keys() & set(item['releases']):
            print(textwrap.fill(f'{item["name"]}: {item["reason"]}', 79))
    good = all(passed and not failed for passed, failed in counts.values())
    return 0 if counts and good else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
