# SPDX-License-Identifier: Apache-2.0
"""Writes what the documentation shows of a run: a picture, and tables.

::

    make bench ARGS='--json tests/benchmarks/last-run.json'
    tools/cloud.sh -- -m tests.benchmarks.report
"""

import json
import pathlib

from tests.benchmarks import budgets
from tests.benchmarks import picture

LAST = pathlib.Path(__file__).with_name('last-run.json')
HOME = pathlib.Path(__file__).parents[2] / 'doc/source/contributor'
TABLES = HOME / 'benchmarks-numbers.inc'
PICTURE = HOME / 'images/benchmarks.svg'


def tables(document):
    """Return the tables, in reStructuredText, with labels of their own."""
    return '\n'.join(
        [
            '.. Written by python -m tests.benchmarks.report.',
            '',
            f'Measured {document["created"][:10]}: {_machine(document)}.',
            '',
            *(
                line
                for section in document['benchmarks']
                for line in (
                    *_heading(section),
                    *_measurements(section),
                    *_ratios(section),
                )
            ),
        ]
    )


def _machine(document):
    machine = document['machine']
    versions = ', '.join(
        f'{name} {version}' for name, version in machine['versions'].items()
    )
    return (
        f'{machine["processors"]} processors ({machine["processor"]}), '
        f'{machine["memory_mib"] / 1024:.0f} GiB of memory, load '
        f'{machine["load_before"]:.1f} before; {versions}'
    )


def _heading(section):
    name = section['name']
    return [
        f'{name}: {section["title"]}',
        '-' * len(f'{name}: {section["title"]}'),
        '',
    ]


def _measurements(section):
    rows = [
        [
            one['case'],
            _sizes(one),
            one['rounds'],
            *(number(one[key]) for key in ('min', 'median', 'max')),
            one['unit'],
        ]
        for one in section['measurements']
    ]
    return _table(
        ['case', 'sizes', 'rounds', 'min', 'median', 'max', 'unit'], rows
    )


def _sizes(measurement):
    return ', '.join(
        f'{size:,} {name}' for name, size in measurement['sizes'].items()
    )


def _ratios(section):
    known = budgets.load()
    return _table(
        ['ratio', 'min', 'median', 'max', 'budget'],
        [
            [
                f'{one["name"]}: {one["meaning"]}',
                *(number(one[key]) for key in ('min', 'median', 'max')),
                number(known.get(one['name'])),
            ]
            for one in section['ratios']
        ],
    )


def number(value):
    """Return a number with as many digits as say something."""
    if value is None:
        return 'none'
    return f'{value:,.0f}' if abs(value) >= 1000 else f'{value:.3g}'


def _table(heads, rows):
    yield from ('.. list-table::', '   :header-rows: 1', '')
    for row in (heads, *rows):
        for index, cell in enumerate(row):
            yield f'   {"*" if not index else " "} - {cell}'
    yield ''


def main():
    document = json.loads(LAST.read_text())
    TABLES.write_text(tables(document))
    picture.write(PICTURE, document)


if __name__ == '__main__':
    main()
