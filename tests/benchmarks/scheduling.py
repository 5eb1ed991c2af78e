# SPDX-License-Identifier: Apache-2.0
"""What the filter adds to the scheduling of a live migration.

Nova's own scheduler, in this process, takes the request that the conductor
makes, asks Placement for allocation candidates and claims the first one of
the host that it has chosen.
"""

import dataclasses
import sys
import time

from nova import conf as nova_conf
from nova import context as nova_context
from nova import objects
from nova.scheduler import manager as scheduler_manager

from nova_mdev_compat.scheduler import compat_filter
from tests.benchmarks import bulk
from tests.benchmarks import moves
from tests.benchmarks import naive
from tests.benchmarks import options
from tests.benchmarks import results
from tests.benchmarks import stack
from tests.benchmarks import timing

CONF = nova_conf.CONF

WITHOUT = 'without the filter'
COLD = 'with the filter, cold cache'
WARM = 'with the filter, warm cache'
NAIVE = 'with the naive filter'

CACHE = {COLD: 'cold', WARM: 'warm'}

#: Nova's own limit of candidates, and one that no cloud here reaches.
LIMIT, NO_LIMIT = 1000, 1_000_000
NAIVE_ROUNDS = ALL_ROUNDS = 2
#: No cache ends before the benchmark does.
TTL = 3600


class Stopwatch:
    """Measures what a filter takes of each request.

    :ivar found: seconds, and the number of hosts, of each request
    """

    def __init__(self, host_filter):
        self._filter_all = host_filter.filter_all
        host_filter.filter_all = self._measured
        self.found = []

    def _measured(self, hosts, spec):
        # Earlier filters are lazy: what they have still to do is theirs.
        hosts = list(hosts)
        start = time.perf_counter()
        found = list(self._filter_all(hosts, spec))
        self.found.append((time.perf_counter() - start, len(hosts)))
        return found


class Scheduler:
    """Nova's scheduler, with one filter or another.

    :param client: of Placement
    """

    def __init__(self, cloud, client):
        self._cloud, self._client = cloud, client
        self._manager = scheduler_manager.SchedulerManager()
        self._hosts = self._manager.host_manager
        self._common = list(self._hosts.enabled_filters)
        CONF.set_override('cache_ttl', TTL, 'mdev_compat')
        self.filters = {
            WITHOUT: None,
            COLD: compat_filter.MdevCompatFilter(),
            WARM: compat_filter.MdevCompatFilter(),
            NAIVE: naive.NaiveFilter(),
        }
        self.watches = {
            label: Stopwatch(one) for label, one in self.filters.items() if one
        }

    def know_hosts(self, size):
        """Tell the scheduler that hosts are empty, as nova-compute does."""
        context = nova_context.get_admin_context()
        for number in range(size + 1):
            self._manager.update_instance_info(
                context,
                bulk.host_name(number),
                objects.InstanceList(objects=[]),
            )

    def case(self, label, move):
        """Return a case: the same migration, with or without a filter."""
        return timing.Case(
            label,
            lambda: self._manager.select_destinations(
                nova_context.get_admin_context(),
                spec_obj=self._spec,
                instance_uuids=[move.instance],
                return_objects=True,
            ),
            lambda: self._prepare(label, move),
            lambda found: self._check(label, found[0][0]),
        )

    def _prepare(self, label, move):
        self._client.forget(move.instance)
        self._spec = self._cloud.request(move)
        one = self.filters[label]
        self._hosts.enabled_filters = self._common + ([one] if one else [])
        if label == COLD:
            one.advertised.forget()

    def _check(self, label, selection):
        if self.filters[label] and not self._cloud.accepts(selection):
            raise AssertionError(f'{label}: {selection} does not accept')


@dataclasses.dataclass(frozen=True)
class Turns:
    """What some rounds have taken, by case.

    :ivar requests: seconds of whole requests
    :ivar filters: seconds of the filter in them
    :ivar hosts: how many the filter was given
    """

    requests: dict[str, list[float]]
    filters: dict[str, list[float]]
    hosts: int


def measure(hosts, rounds, everything):
    """Measure clouds of several sizes.

    :param hosts: their numbers of hosts
    :param rounds: how often
    :param everything: from how many hosts on also without Nova's limit
    """
    found = results.NOTHING
    with stack.Stack() as the_stack:
        cloud = moves.Cloud(the_stack, the_stack.configure_nova())
        (move,) = cloud.begin(1)
        scheduler = Scheduler(cloud, the_stack.client)
        for size in hosts:
            cloud.grow(size)
            scheduler.know_hosts(size)
            found += _measure(
                scheduler, move, size, rounds, size >= everything
            )
    return found


def _measure(scheduler, move, size, rounds, everything):
    """Measure a cloud of some size."""
    CONF.set_override('max_placement_results', LIMIT, 'scheduler')
    # It takes longer, and differs less from round to round.
    rounds = max(3, rounds * 1000 // max(size, 1000))
    what = f'{size:,} hosts, {LIMIT:,} candidates at most'
    ours = _take_turns(scheduler, move, (WITHOUT, COLD, WARM), rounds, what)
    theirs = _take_turns(
        scheduler,
        move,
        (COLD, NAIVE),
        NAIVE_ROUNDS,
        f'{what}: the naive filter',
        warm_up=0,
    )
    name = f'scheduling-{size}'
    found = _ours(name, {'hosts': size}, ours) + _naive(name, size, theirs)
    if everything:
        CONF.set_override('max_placement_results', NO_LIMIT, 'scheduler')
        found += _ours(
            f'{name}-all',
            {'hosts': size},
            _take_turns(
                scheduler,
                move,
                (WITHOUT, COLD, WARM),
                ALL_ROUNDS,
                f'{size:,} hosts, all candidates',
                warm_up=0,
            ),
        )
    return found


def _take_turns(scheduler, move, labels, rounds, what, warm_up=1):
    timing.say(what)
    for watch in scheduler.watches.values():
        watch.found.clear()
    seconds = timing.take_turns(
        [scheduler.case(label, move) for label in labels],
        rounds,
        what,
        collecting=True,
        warm_up=warm_up,
    )
    taken = {
        label: scheduler.watches[label].found[warm_up:]
        for label in labels
        if label in scheduler.watches
    }
    return Turns(
        seconds,
        {
            label: [seconds for seconds, _ in some]
            for label, some in taken.items()
        },
        max(hosts for some in taken.values() for _, hosts in some),
    )


def _ours(name, sizes, turns):
    """Return what requests took with our filter and without."""
    sizes = {**sizes, 'candidate hosts': turns.hosts}
    without = turns.requests[WITHOUT]
    found = [
        results.Measurement(f'request {label}', 's', tuple(some), sizes)
        for label, some in turns.requests.items()
    ]
    found += [
        results.Measurement(
            f'the filter itself, {CACHE[label]} cache', 's', tuple(some), sizes
        )
        for label, some in turns.filters.items()
    ]
    return results.Found(
        tuple(found),
        tuple(
            results.paired(
                f'{name}-{CACHE[label]}',
                f"the filter's time, {CACHE[label]} cache, of the request's without",
                some,
                without,
            )
            for label, some in turns.filters.items()
        ),
    )


def _naive(name, size, turns):
    """Return what the naive filter took, and ours of that."""
    return results.Found(
        (
            results.Measurement(
                'the naive filter itself',
                's',
                tuple(turns.filters[NAIVE]),
                {'hosts': size, 'candidate hosts': turns.hosts},
            ),
        ),
        (
            results.paired(
                f'{name}-of-naive',
                "the filter's time, cold cache, of the naive filter's",
                turns.filters[COLD],
                turns.filters[NAIVE],
            ),
        ),
    )


BENCHMARK = options.Benchmark(
    'scheduling',
    'scheduling a live migration: Nova, Placement, MariaDB',
    (
        options.Size(
            'hosts',
            (100, 1000, 10000),
            (100, 300),
            'sizes of the cloud, ascending',
        ),
        options.Size(
            'rounds',
            9,
            3,
            'how often each case is measured; less often in a large cloud',
        ),
        options.Size(
            'everything',
            10000,
            300,
            "from how many hosts on also without Nova's limit of candidates",
        ),
    ),
    measure,
)

if __name__ == '__main__':
    sys.exit(BENCHMARK.main())
