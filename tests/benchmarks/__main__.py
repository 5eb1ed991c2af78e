# SPDX-License-Identifier: Apache-2.0
"""All benchmarks, one after the other: ``python -m tests.benchmarks``.

Each in a process of its own, since Nova's configuration is one a process.
The exit status is 1 when a ratio is over its budget, 2 when a benchmark did
not end.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from tests.benchmarks import budgets
from tests.benchmarks import options
from tests.benchmarks import results
from tests.benchmarks import timing

#: Modules of this package, in the order in which they run.
NAMES = (
    'scheduling',
    'savings',
    'fleet',
    'scheduler_process',
    'filter_overhead',
    'target_list',
    'candidates_cost',
    'collector_cost',
    'guard_cost',
)


def main(argv=None):
    args = _parse(argv)
    machine, start, found = results.machine(), time.monotonic(), {}
    for number, name in enumerate(args.names, 1):
        timing.say(f'{name}, {number} of {len(args.names)}')
        found[name] = _run(name, args.quick)
    document = results.document(filter(None, found.values()), machine)
    if args.json:
        options.write(args.json, document)
    broken = [name for name, section in found.items() if section is None]
    return _tell(document, broken, time.monotonic() - start)


def _parse(argv):
    parser = argparse.ArgumentParser(
        prog='python -m tests.benchmarks', description=__doc__
    )
    parser.add_argument(
        'names',
        nargs='*',
        metavar='NAME',
        help=f'one of {", ".join(NAMES)}; all by default',
    )
    options.add_common(parser)
    args = parser.parse_args(argv)
    args.names = args.names or NAMES
    for name in args.names:
        if name not in NAMES:
            parser.error(f'there is no benchmark {name}')
    return args


def _run(name, quick):
    """Run one benchmark; return its part of the document, None if it broke."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, 'found.json')
        subprocess.run(
            [
                sys.executable,
                '-m',
                f'tests.benchmarks.{name}',
                '--json',
                path,
                *(['--quick'] if quick else []),
            ],
            check=False,
        )
        if not path.exists():
            return None
        (section,) = json.loads(path.read_text())['benchmarks']
        return section


def _tell(document, broken, seconds):
    """Say what is over its budget; return the exit status."""
    over = [
        one
        for section in document['benchmarks']
        for one in budgets.judge(section['ratios'], budgets.load())
        if one.over
    ]
    print(f'{len(document["benchmarks"])} benchmarks in {seconds:.0f} s')
    for one in over:
        print(f'{one.name}: {one}')
    for name in broken:
        print(f'{name} did not end')
    return 2 if broken else int(bool(over))


if __name__ == '__main__':
    sys.exit(main())
