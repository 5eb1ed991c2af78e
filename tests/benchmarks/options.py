# SPDX-License-Identifier: Apache-2.0
"""What all benchmarks share: arguments, tables, the document, the budgets."""

import argparse
from collections.abc import Callable
import dataclasses
import json
import pathlib
import time

import prettytable

from tests.benchmarks import budgets
from tests.benchmarks import results
from tests.benchmarks import timing


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is measured: a number, or several of them.

    :ivar full: by default
    :ivar quick: with --quick
    """

    name: str
    full: int | tuple[int, ...]
    quick: int | tuple[int, ...]
    help: str

    def add_to(self, parser):
        several = isinstance(self.full, tuple)
        parser.add_argument(
            f'--{self.name}',
            type=_numbers if several else int,
            metavar='N,N…' if several else 'N',
            help=f'{self.help} ({_text(self.full)}; quick: '
            f'{_text(self.quick)})',
        )

    def value(self, args):
        given = getattr(args, self.name.replace('-', '_'))
        if given is not None:
            return given
        return self.quick if args.quick else self.full


def _numbers(text):
    return tuple(int(word) for word in text.split(','))


def _text(value):
    return ','.join(map(str, value)) if isinstance(value, tuple) else value


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """One benchmark, a module of this package.

    :ivar name: of the module
    :ivar measure: takes the sizes, by name; returns results.Found
    """

    name: str
    title: str
    sizes: tuple[Size, ...]
    measure: Callable[..., results.Found]

    def main(self, argv=None):
        """Run it; return 1 if a ratio is over its budget."""
        args = self.parser().parse_args(argv)
        sizes = {
            size.name.replace('-', '_'): size.value(args)
            for size in self.sizes
        }
        machine, start = results.machine(), time.monotonic()
        found = self.measure(**sizes)
        timing.progress('')
        section = results.section(
            self.name, self.title, sizes, time.monotonic() - start, found
        )
        print(table(self.title, found), flush=True)
        if args.json:
            write(args.json, results.document([section], machine))
        return report(budgets.judge(section['ratios'], budgets.load()))

    def parser(self):
        parser = argparse.ArgumentParser(
            prog=f'python -m tests.benchmarks.{self.name}',
            description=self.title,
        )
        add_common(parser)
        for size in self.sizes:
            size.add_to(parser)
        return parser


def add_common(parser):
    """Add what every benchmark has, and all of them together."""
    parser.add_argument(
        '--json',
        type=pathlib.Path,
        metavar='FILE',
        help='write the numbers here, too',
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help='small sizes, to see that it works',
    )


def write(path, document):
    path.write_text(json.dumps(document, indent=1) + '\n')


def table(title, found):
    """Return what was measured, for people."""
    shown = prettytable.PrettyTable(
        ['case', 'sizes', 'rounds', 'min', 'median', 'max', 'unit'],
        title=title,
        align='r',
    )
    shown.align['case'] = shown.align['sizes'] = shown.align['unit'] = 'l'
    for one in found.measurements:
        sizes = ', '.join(
            f'{number:,} {name}' for name, number in one.sizes.items()
        )
        shown.add_row(
            [
                one.case,
                sizes,
                len(one.values),
                *(
                    f'{value:,.4g}' if abs(value) < 1000 else f'{value:,.0f}'
                    for value in (min(one.values), one.median, max(one.values))
                ),
                one.unit,
            ]
        )
    return shown.get_string()


def report(verdicts):
    """Say what the budgets say; return the exit status."""
    for one in verdicts:
        print(f'{one.name}: {one}', flush=True)
    return int(any(one.over for one in verdicts))
