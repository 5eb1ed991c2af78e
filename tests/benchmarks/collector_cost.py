# SPDX-License-Identifier: Apache-2.0
"""What the collector costs its host, and Placement."""

import argparse
import dataclasses
import json
import pathlib
import subprocess
import sys

import prettytable

from tests.benchmarks import collector_passes

#: One pass a minute, in simulated time: no pass waits for the next.
QUIET_HOUR = 60


@dataclasses.dataclass(frozen=True)
class Result:
    """What some passes cost.

    :ivar requests: to Placement, altogether
    :ivar cpu_s: seconds of the collector's process, altogether
    :ivar peak_mib: its memory at most, until then
    """

    parents: int
    case: str
    passes: int
    requests: int
    cpu_s: float
    wall_s: float
    peak_mib: float

    @property
    def cpu_ms_a_pass(self):
        return self.cpu_s / self.passes * 1e3


def measure(parents, passes):
    """Return the results of a host with some parents."""
    # In a process of its own: memory at most never shrinks.
    done = subprocess.run(
        [sys.executable, '-m', 'tests.benchmarks.collector_passes',
         str(parents), str(passes)],
        stdout=subprocess.PIPE, text=True, check=True)
    return [Result(**item) for item in json.loads(done.stdout)]


def table(results):
    """Return the results for people.

    CPU time is compared, pass by pass, with the first host's quiet hour.
    """
    quiet = next(item.cpu_ms_a_pass for item in results
                 if item.case == collector_passes.QUIET)
    found = prettytable.PrettyTable(
        ['parents', 'case', 'passes', 'requests', 'CPU, ms a pass',
         f'of quiet with {results[0].parents}', 'time, s', 'peak, MiB'],
        align='r', title='a collector, and a real Placement')
    found.align['case'] = 'l'
    for item in results:
        found.add_row([
            item.parents, item.case, item.passes, item.requests,
            f'{item.cpu_ms_a_pass:.1f}', f'{item.cpu_ms_a_pass / quiet:.2f}',
            f'{item.wall_s:.1f}', f'{item.peak_mib:.0f}'])
    return found.get_string()


def main(argv=None):
    args = _parser().parse_args(argv)
    results = [result for parents in args.parents
               for result in measure(parents, args.passes)]
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps(
            [dataclasses.asdict(item) for item in results], indent=1))
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog='python -m tests.benchmarks.collector_cost', description=__doc__)
    parser.add_argument(
        '--parents', default='2,256', help='how many a host has (at most 256)',
        type=lambda text: [int(word) for word in text.split(',')])
    parser.add_argument('--passes', type=int, default=QUIET_HOUR,
                        help='in a quiet hour')
    parser.add_argument('--json', type=pathlib.Path, metavar='FILE',
                        help='write the numbers here, too')
    return parser


if __name__ == '__main__':
    sys.exit(main())
