# SPDX-License-Identifier: Apache-2.0
"""What the collectors of a large cloud cost Placement.

The collectors' publishers are real and all in this process; what they find
on their hosts is always the same, and is not read from libvirt.
"""

from concurrent import futures
import dataclasses
import random
import sys
import time

import requests

from nova_mdev_compat.cmd import collector
from nova_mdev_compat.placement import client as pl
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication import placement as publisher
from tests.benchmarks import bulk
from tests.benchmarks import moves
from tests.benchmarks import options
from tests.benchmarks import placement_client
from tests.benchmarks import results
from tests.benchmarks import stack
from tests.benchmarks import timing
from tests.benchmarks import trees

#: Of so many hosts, what remembers nothing is measured.
NAIVE_HOSTS = 50
#: How many collectors may be at it at once in the minute that is measured.
AT_ONCE = 8
NAMES = [bulk.device_name(slot) for slot in range(4)]

CONFIG = """
[DEFAULT]
state_path = {home}/collector
[placement]
auth_type = admin_token
token = admin
endpoint = {endpoint}
"""


class Host:
    """A compute host's collector, without what it reads there."""

    def __init__(self, number, conf, endpoint):
        self._conf, self._endpoint = conf, endpoint
        self._host = host_traits.HostSnapshot(
            bulk.host_name(number),
            trees.describe(moves.BOARDS[number % len(moves.BOARDS)], NAMES),
        )
        self.forget()

    def forget(self):
        """Go on with a collector that remembers nothing."""
        self._publisher = publisher.PlacementPublisher(self._conf)

    def one_pass(self):
        """Publish; return the number of requests."""
        # A server does not keep a connection for the minute between two.
        with requests.Session() as session:
            client = placement_client.Client(self._endpoint, session)
            self._publisher._placement = pl.Placement(client.send)
            summary = self._publisher.publish(self._host)
        if len(summary.published) != 1 + len(NAMES):
            raise AssertionError(f'{self._host.name}: {summary}')
        return client.count

    def naive_pass(self):
        self.forget()
        return self.one_pass()


@dataclasses.dataclass(frozen=True)
class Cost:
    """What passes of some hosts cost.

    :ivar placement: CPU seconds of its process
    :ivar database: of MariaDB's
    """

    hosts: int
    requests: int
    placement: float
    database: float
    seconds: float


class Meter:
    """Measures what passes cost.

    :param the_stack: stack.Stack
    """

    def __init__(self, the_stack):
        self._processes = the_stack.placement, the_stack.database

    def all_of(self, passes):
        """Make passes, one right after the other; return their Cost."""
        return self._measure(len(passes), lambda: sum(one() for one in passes))

    def spread(self, passes, seconds):
        """Make passes at any time within some seconds; return their Cost."""
        return self._measure(
            len(passes), lambda: sum(self._spread(passes, seconds))
        )

    def _measure(self, hosts, run):
        before, start = self._cpu(), time.perf_counter()
        count = run()
        seconds = time.perf_counter() - start
        placement, database = (
            after - earlier
            for after, earlier in zip(self._cpu(), before, strict=True)
        )
        return Cost(hosts, count, placement, database, seconds)

    def _cpu(self):
        return [
            one.cpu_times().user + one.cpu_times().system
            for one in self._processes
        ]

    @staticmethod
    def _spread(passes, seconds):
        chance = random.Random(len(passes))  # noqa: S311
        due = sorted(chance.uniform(0, seconds) for _ in passes)
        start = time.monotonic()
        with futures.ThreadPoolExecutor(AT_ONCE) as pool:
            some = []
            for when, one in zip(due, passes, strict=True):
                time.sleep(max(0, start + when - time.monotonic()))
                some.append(pool.submit(one))
            time.sleep(max(0, start + seconds - time.monotonic()))
        return [one.result() for one in some]


def measure(hosts, rounds, interval):
    """Measure a fleet.

    :param rounds: passes of all hosts
    :param interval: seconds in which all hosts make one pass; 0: none
    """
    with stack.Stack(nova=False) as the_stack:
        fleet = _fleet(the_stack, hosts)
        meter = Meter(the_stack)
        timing.say(f'{hosts:,} hosts: first publication')
        first = meter.all_of([one.one_pass for one in fleet])
        the_stack.settle()
        timing.say(f'{hosts:,} hosts: quiet passes, and naive ones')
        turns = []
        for number in range(rounds):
            timing.progress(f'round {number}')
            turns.append(
                (
                    meter.all_of([one.one_pass for one in fleet]),
                    meter.all_of(
                        [one.naive_pass for one in fleet[:NAIVE_HOSTS]]
                    ),
                )
            )
        found = _found(hosts, first, turns)
        if interval:
            timing.say(f'{hosts:,} hosts: one pass each within {interval} s')
            found += _real(
                hosts,
                meter.spread([one.one_pass for one in fleet], interval),
                interval,
            )
    return found


def _fleet(the_stack, hosts):
    conf = collector.COMMAND.new_config()
    conf(['--config-file', str(the_stack.write('collector.conf', CONFIG))])
    timing.say(f'{hosts:,} hosts: writing them')
    bulk.Writer(the_stack.engine('placement')).write(
        [
            trees.Tree.of(moves.BOARDS[number % len(moves.BOARDS)])
            for number in range(hosts)
        ],
        silent=True,
    )
    return [Host(number, conf, the_stack.endpoint) for number in range(hosts)]


def _found(hosts, first, turns):
    quiet = [one for one, _ in turns]
    naive = [one for _, one in turns]
    return results.Found(
        (
            *_costs('first publication', [first]),
            *_costs('quiet pass of all', quiet),
            *_costs('naive: a pass that remembers nothing', naive),
        ),
        (
            results.Ratio(
                f'fleet-{hosts}-requests',
                'requests of a quiet pass, a host',
                tuple(one.requests / one.hosts for one in quiet),
            ),
            results.paired(
                f'fleet-{hosts}-of-naive',
                "Placement's CPU time for a quiet "
                'pass, of that for one that remembers nothing',
                [one.placement / one.hosts for one in quiet],
                [one.placement / one.hosts for one in naive],
            ),
            results.paired(
                f'fleet-{hosts}-first',
                "Placement's CPU time for the first "
                'publication, of that for a quiet pass',
                [first.placement] * len(quiet),
                [one.placement for one in quiet],
            ),
        ),
    )


def _costs(case, costs):
    """Return what some passes of the same hosts cost, by quantity."""
    sizes = {'hosts': costs[0].hosts}
    return [
        results.Measurement(case, unit, tuple(map(told, costs)), sizes)
        for unit, told in (
            ('requests', lambda one: one.requests),
            ('s', lambda one: one.seconds),
            ('CPU s of Placement', lambda one: one.placement),
            (
                'CPU ms of Placement a host',
                lambda one: one.placement / one.hosts * 1e3,
            ),
            ('CPU s of MariaDB', lambda one: one.database),
        )
    ]


def _real(hosts, cost, interval):
    """Return what an interval in steady state costs."""
    case, sizes = f'steady state, {interval} s', {'hosts': hosts}
    return results.Found(
        (
            results.Measurement(
                case,
                'requests a second',
                (cost.requests / cost.seconds,),
                sizes,
            ),
            results.Measurement(
                case, 'CPU s of Placement', (cost.placement,), sizes
            ),
            results.Measurement(
                case, 'CPU s of MariaDB', (cost.database,), sizes
            ),
        ),
        (
            results.Ratio(
                f'fleet-{hosts}-core',
                "Placement's and MariaDB's CPU time in "
                'steady state, of that of one core',
                ((cost.placement + cost.database) / cost.seconds,),
            ),
        ),
    )


BENCHMARK = options.Benchmark(
    'fleet',
    "the collectors' load on one Placement",
    (
        options.Size('hosts', 1000, 100, 'how many, of four parents'),
        options.Size('rounds', 5, 3, 'quiet passes of all hosts'),
        options.Size(
            'interval',
            60,
            6,
            'seconds of steady state, in which each host makes one pass',
        ),
    ),
    measure,
)

if __name__ == '__main__':
    sys.exit(BENCHMARK.main())
