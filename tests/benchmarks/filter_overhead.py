# SPDX-License-Identifier: Apache-2.0
"""Time per host of the filter and of two of Nova's own, in one run."""

import collections
import dataclasses
import functools
import itertools
import re
import sys
import time

from nova.scheduler.filters import compute_filter
from nova.scheduler.filters import pci_passthrough_filter

from nova_mdev_compat.placement import client
from tests.benchmarks import answers
from tests.benchmarks import options
from tests.benchmarks import results
from tests.benchmarks import scheduler
from tests.benchmarks import timing
from tests.benchmarks import trees

#: How many accept patterns the rest of the cloud publishes.
PATTERNS = 50

Label = collections.namedtuple('Label', 'case candidates')
PCI = Label("Nova's PciPassthroughFilter", 1)
COMPUTE = Label("Nova's ComputeFilter", 1)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A request, and what the hosts publish.

    :ivar layouts: boards of the hosts, in turn
    :ivar accepting: the share of hosts that accept
    :ivar mdevs: how many the flavor asks for
    :ivar migrates: it is a live migration
    :ivar cached: the filter knows Placement's answers from the last request
    :ivar read: a later filter reads all remaining candidates of all hosts
    """

    name: str
    layouts: tuple = (trees.UNIFORM,)
    accepting: float = 1
    mdevs: int = 1
    migrates: bool = True
    cached: bool = True
    read: bool = False


SCENARIOS = [
    Scenario('passes: no mdev', mdevs=0),
    Scenario('passes: boot with an mdev', migrates=False),
    Scenario('decides: hosts of one kind'),
    Scenario(
        'decides: half are refused', (trees.UNIFORM, trees.REFUSING), 0.5
    ),
    Scenario('decides: all are refused', (trees.REFUSING,), 0),
    Scenario('decides: MIXED hosts', (trees.MIXED,)),
    Scenario('decides: mdevs of two types', (trees.TWO_TYPES,), mdevs=2),
    Scenario('decides: MIXED, all read', (trees.MIXED,), read=True),
    Scenario(
        'decides: two types, all read', (trees.TWO_TYPES,), mdevs=2, read=True
    ),
    Scenario('decides: one kind, cold cache', cached=False),
    Scenario('decides: MIXED, cold cache', (trees.MIXED,), cached=False),
]


class Cloud:
    """Hosts, and the cases to measure on them."""

    def __init__(self, size):
        self.trees = [trees.Tree.of() for _ in range(size)]
        self.hosts = [
            scheduler.host_state(number, tree.root)
            for number, tree in enumerate(self.trees)
        ]

    def nova(self):
        """Return the cases to compare with."""
        pci = pci_passthrough_filter.PciPassthroughFilter()
        compute = compute_filter.ComputeFilter()
        return [
            self._case(
                label,
                nova_filter,
                scheduler.live_migration(),
                self._candidates(1, 1),
                len(self.hosts),
            )
            for label, nova_filter in ((PCI, pci), (COMPUTE, compute))
        ]

    def ours(self, scenario, count):
        """Return the case of a scenario.

        :param count: of allocation candidates on each host
        """
        spec = (
            scheduler.live_migration()
            if scenario.migrates
            else scheduler.boot()
        )
        return self._case(
            Label(scenario.name, count),
            self._filter(scenario),
            spec,
            self._candidates(count, scenario.mdevs),
            int(len(self.hosts) * scenario.accepting),
            scenario.read,
        )

    def _filter(self, scenario):
        layouts = itertools.cycle(scenario.layouts)
        placement = answers.Answers(
            [
                dataclasses.replace(tree, boards=next(layouts))
                for tree in self.trees
            ],
            trees.Tree.of(trees.TWO_TYPES),
            scenario.mdevs,
            trees.patterns_of_others(PATTERNS),
        )
        return scheduler.our_filter(
            client.Placement(placement.send),
            answers.MIGRATION,
            scenario.cached,
        )

    @functools.lru_cache  # noqa: B019
    def _candidates(self, count, mdevs):
        return [tree.candidates(count, mdevs) for tree in self.trees]

    def _case(
        self, label, host_filter, spec, candidates, expected, read=False
    ):
        def run():
            found = list(host_filter.filter_all(self.hosts, spec))
            if read:
                for host in found:
                    list(host.allocation_candidates)
            return found

        def restore():
            scheduler.give(self.hosts, candidates)

        def check(found):
            if len(found) != expected:
                raise AssertionError(
                    f'{label}: {len(found)} hosts passed, not {expected}'
                )

        return timing.Case(
            label,
            run,
            restore,
            check,
            # All of it is CPU time.
            time.process_time,
        )


def measure(hosts, candidates, rounds):
    """Measure clouds of several sizes.

    :param candidates: of each host, besides runs with one
    :param rounds: for a large cloud; a small one is soon disturbed, and soon
        measured once more
    """
    scheduler.configure(answers.MIGRATION)
    found = results.NOTHING
    for size in hosts:
        timing.say(f'{size:,} hosts')
        cloud = Cloud(size)
        found += _found(
            size,
            timing.take_turns(
                [
                    *cloud.nova(),
                    *(
                        cloud.ours(scenario, count)
                        for scenario in SCENARIOS
                        for count in sorted({1, candidates})
                    ),
                ],
                rounds * max(1, min(40, 10000 // size)),
                f'{size:,} hosts',
            ),
        )
    return found


def _found(size, seconds):
    """Return microseconds a host, and how they compare to a filter of Nova."""
    return results.Found(
        tuple(
            results.Measurement(
                label.case,
                'µs a host',
                tuple(one / size * 1e6 for one in some),
                {'hosts': size, 'candidates': label.candidates},
            )
            for label, some in seconds.items()
        ),
        tuple(
            results.paired(
                f'filter-overhead-{size}-{_slug(label)}',
                f'{label.case}, {label.candidates} candidates a host, of '
                f'{PCI.case}',
                some,
                seconds[PCI],
            )
            for label, some in seconds.items()
            if label.case not in (PCI.case, COMPUTE.case)
        ),
    )


def _slug(label):
    words = re.findall('[a-z0-9]+', label.case.lower())
    return '-'.join([*words, str(label.candidates)])


BENCHMARK = options.Benchmark(
    'filter_overhead',
    "the filter's own time, and that of Nova's",
    (
        options.Size(
            'hosts', (100, 1000, 10000), (100, 1000), 'sizes of the cloud'
        ),
        options.Size(
            'candidates',
            4,
            4,
            'allocation candidates of each '
            'host, besides runs with one; at most 4',
        ),
        options.Size(
            'rounds',
            9,
            3,
            'how often each case is measured; more often in a small cloud',
        ),
    ),
    measure,
)

if __name__ == '__main__':
    sys.exit(BENCHMARK.main())
