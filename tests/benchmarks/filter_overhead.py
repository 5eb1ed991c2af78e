# SPDX-License-Identifier: Apache-2.0
"""Time per host of the filter and of two of Nova's own, in one run."""

import argparse
import collections
import dataclasses
import functools
import itertools
import json
import pathlib
import statistics
import sys

from nova.scheduler.filters import compute_filter
from nova.scheduler.filters import pci_passthrough_filter
import prettytable

from nova_mdev_compat import placement as pl
from tests.benchmarks import answers
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
    """

    name: str
    layouts: tuple = (trees.UNIFORM,)
    accepting: float = 1
    mdevs: int = 1
    migrates: bool = True
    cached: bool = True


SCENARIOS = [
    Scenario('passes: no mdev', mdevs=0),
    Scenario('passes: boot with an mdev', migrates=False),
    Scenario('decides: hosts of one kind'),
    Scenario('decides: half are refused', (trees.UNIFORM, trees.REFUSING),
             0.5),
    Scenario('decides: all are refused', (trees.REFUSING,), 0),
    Scenario('decides: MIXED hosts', (trees.MIXED,)),
    Scenario('decides: mdevs of two types', (trees.TWO_TYPES,), mdevs=2),
    Scenario('decides: one kind, cold cache', cached=False),
    Scenario('decides: MIXED, cold cache', (trees.MIXED,), cached=False),
]


@dataclasses.dataclass(frozen=True)
class Result:
    """Time of one case, in microseconds per host, and its ratios."""

    hosts: int
    case: str
    candidates: int
    best: float
    median: float
    of_pci: float
    of_compute: float


class Cloud:
    """Hosts, and the cases to measure on them."""

    def __init__(self, size):
        self.trees = [trees.Tree.of() for _ in range(size)]
        self.hosts = [scheduler.host_state(number, tree.root)
                      for number, tree in enumerate(self.trees)]

    def nova(self):
        """Return the cases to compare with."""
        pci = pci_passthrough_filter.PciPassthroughFilter()
        compute = compute_filter.ComputeFilter()
        return [self._case(label, nova_filter, scheduler.live_migration(),
                           self._candidates(1, 1), len(self.hosts))
                for label, nova_filter in ((PCI, pci), (COMPUTE, compute))]

    def ours(self, scenario, count):
        """Return the case of a scenario.

        :param count: of allocation candidates on each host
        """
        spec = (scheduler.live_migration() if scenario.migrates
                else scheduler.boot())
        return self._case(
            Label(scenario.name, count), self._filter(scenario), spec,
            self._candidates(count, scenario.mdevs),
            int(len(self.hosts) * scenario.accepting))

    def _filter(self, scenario):
        layouts = itertools.cycle(scenario.layouts)
        placement = answers.Answers(
            [dataclasses.replace(tree, boards=next(layouts))
             for tree in self.trees], trees.Tree.of(trees.TWO_TYPES),
            scenario.mdevs, trees.patterns_of_others(PATTERNS))
        return scheduler.our_filter(pl.Placement(placement.send),
                                    scenario.cached)

    @functools.lru_cache  # noqa: B019
    def _candidates(self, count, mdevs):
        return [tree.candidates(count, mdevs) for tree in self.trees]

    def _case(self, label, host_filter, spec, candidates, expected):
        def restore():
            scheduler.give(self.hosts, candidates)

        def check(found):
            if len(found) != expected:
                raise AssertionError(f'{label}: {len(found)} hosts passed, '
                                     f'not {expected}')

        return timing.Case(label, lambda: list(
            host_filter.filter_all(self.hosts, spec)), restore, check)


def measure(size, counts, rounds):
    """Return the results of a cloud of some size.

    :param counts: numbers of allocation candidates
    :param rounds: for a large cloud; a small one is soon disturbed, and soon
        measured once more
    """
    timing.progress(f'{size} hosts: making them')
    cloud = Cloud(size)
    seconds = timing.take_turns(
        [*cloud.nova(), *(cloud.ours(scenario, count)
                          for scenario in SCENARIOS for count in counts)],
        rounds * max(1, min(40, 10000 // size)), f'{size} hosts')
    best = {label: min(some) for label, some in seconds.items()}
    return [Result(size, *label, best[label] / size * 1e6,
                   statistics.median(some) / size * 1e6,
                   best[label] / best[PCI], best[label] / best[COMPUTE])
            for label, some in seconds.items()]


def table(results):
    """Return the results for people."""
    found = prettytable.PrettyTable(
        ['hosts', 'case', 'candidates', 'best', 'median',
         'best / Pci', 'best / Compute'],
        align='r', title='microseconds per host')
    found.align['case'] = 'l'
    for item in results:
        found.add_row([
            item.hosts, item.case, item.candidates, f'{item.best:.2f}',
            f'{item.median:.2f}', f'{item.of_pci:.2f}',
            f'{item.of_compute:.2f}'])
    return found.get_string()


def main(argv=None):
    args = _parser().parse_args(argv)
    scheduler.configure(lambda spec_obj: answers.MIGRATION)
    results = []
    for size in args.hosts:
        results += measure(size, sorted({1, args.candidates}), args.repeat)
        print(table([item for item in results if item.hosts == size]))
    if args.json:
        args.json.write_text(json.dumps(
            [dataclasses.asdict(item) for item in results], indent=1))
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog='python -m tests.benchmarks.filter_overhead',
        description=__doc__)
    parser.add_argument(
        '--hosts', default='100,1000,10000', help='sizes of the cloud',
        type=lambda text: [int(word) for word in text.split(',')])
    parser.add_argument(
        '--candidates', type=int, choices=range(1, 5), default=4,
        help='allocation candidates of each host, besides runs with one')
    parser.add_argument('--repeat', type=int, default=25,
                        help='how often each case is measured; more often in '
                             'a small cloud')
    parser.add_argument('--json', type=pathlib.Path, metavar='FILE',
                        help='write the numbers here, too')
    return parser


if __name__ == '__main__':
    sys.exit(main())
