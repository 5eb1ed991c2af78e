# SPDX-License-Identifier: Apache-2.0
"""What the collector costs its host, and Placement."""

import json
import subprocess
import sys

from tests.benchmarks import collector_passes
from tests.benchmarks import options
from tests.benchmarks import results
from tests.benchmarks import timing

#: One pass a minute, in simulated time: no pass waits for the next.
QUIET_HOUR = 60


def measure(parents, passes):
    """Measure hosts with so many parents.

    :param passes: in a quiet hour
    """
    found = {number: _measure(number, passes) for number in parents}
    return results.Found(
        tuple(
            one
            for number, cases in found.items()
            for case in cases.values()
            for one in _told(number, case)
        ),
        tuple(_ratios(found)),
    )


def _measure(parents, passes):
    """Return what passes of a host cost, by case."""
    timing.say(f'{parents} parents')
    # In a process of its own: memory at most never shrinks.
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'tests.benchmarks.collector_passes',
            str(parents),
            str(passes),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {one['case']: one for one in json.loads(done.stdout)}


def _told(parents, cost):
    for unit, value in (
        ('CPU ms a pass', cost['cpu_s'] * 1e3),
        ('requests a pass', cost['requests']),
        ('MiB at most', cost['peak_mib'] * cost['passes']),
    ):
        yield results.Measurement(
            cost['case'],
            unit,
            (value / cost['passes'],),
            {'parents': parents, 'passes': cost['passes']},
        )


def _ratios(found):
    cpu = {
        (parents, case): cost['cpu_s'] / cost['passes']
        for parents, cases in found.items()
        for case, cost in cases.items()
    }
    few, *more = found
    for parents in found:
        yield results.paired(
            f'collector-cost-{parents}-of-naive',
            'CPU time of a quiet pass, of that of one that remembers nothing',
            [cpu[parents, collector_passes.QUIET]],
            [cpu[parents, collector_passes.NAIVE]],
        )
    for parents in more:
        yield results.paired(
            f'collector-cost-{parents}-of-{few}',
            f'CPU time of a quiet pass with {parents} parents, of that with '
            f'{few}',
            [cpu[parents, collector_passes.QUIET]],
            [cpu[few, collector_passes.QUIET]],
        )


BENCHMARK = options.Benchmark(
    'collector_cost',
    'what a compute host pays',
    (
        options.Size(
            'parents', (2, 256), (2, 32), 'how many a host has, at most 256'
        ),
        options.Size('passes', QUIET_HOUR, 10, 'in a quiet hour'),
    ),
    measure,
)

if __name__ == '__main__':
    sys.exit(BENCHMARK.main())
