# SPDX-License-Identifier: Apache-2.0
"""Writes what the documentation shows of a run: a picture, and tables.

One file has all numbers, another one those that an operator plans with.

::

    make bench ARGS='--json tests/benchmarks/last-run.json'
    tools/cloud.sh -- -m tests.benchmarks.report
"""

import json
import pathlib

from tests.benchmarks import budgets
from tests.benchmarks import picture
from tests.benchmarks import sizing
from tests.benchmarks import tables

LAST = pathlib.Path(__file__).with_name('last-run.json')
HOME = pathlib.Path(__file__).parents[2] / 'doc/source/contributor'
TABLES = HOME / 'benchmarks-numbers.inc'
PICTURE = HOME / 'images/benchmarks.svg'


def everything(document):
    """Return the tables, in reStructuredText, with labels of their own."""
    return '\n'.join(
        [
            '.. Written by python -m tests.benchmarks.report.',
            '',
            f'Measured {document["created"][:10]}: {tables.machine(document)}.',
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
            *(tables.number(one[key]) for key in ('min', 'median', 'max')),
            one['unit'],
        ]
        for one in section['measurements']
    ]
    return tables.table(
        ['case', 'sizes', 'rounds', 'min', 'median', 'max', 'unit'], rows
    )


def _sizes(measurement):
    return ', '.join(
        f'{size:,} {name}' for name, size in measurement['sizes'].items()
    )


def _ratios(section):
    known = budgets.load()
    return tables.table(
        ['ratio', 'min', 'median', 'max', 'budget'],
        [
            [
                f'{one["name"]}: {one["meaning"]}',
                *(tables.number(one[key]) for key in ('min', 'median', 'max')),
                tables.number(known.get(one['name'])),
            ]
            for one in section['ratios']
        ],
    )


def main():
    document = json.loads(LAST.read_text())
    TABLES.write_text(everything(document))
    sizing.PATH.write_text(sizing.sizing(document))
    picture.write(PICTURE, document)


if __name__ == '__main__':
    main()
