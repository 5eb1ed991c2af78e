# SPDX-License-Identifier: Apache-2.0
"""What the filter asks of a real Placement, beside what a naive one would."""

import argparse
import dataclasses
import functools
import json
import pathlib
import statistics
import sys

from placement.tests.functional.fixtures import placement as placement_fixture
import prettytable
import requests

from nova_mdev_compat.collector import publication
from nova_mdev_compat import decision as dec
from nova_mdev_compat import placement as pl
from nova_mdev_compat import traits
from tests.benchmarks import answers
from tests.benchmarks import scheduler
from tests.benchmarks import timing
from tests.benchmarks import trees

COLD = 'filter, cold cache'
WARM = 'filter, warm cache'
NAIVE = "naive: every host's traits"


@dataclasses.dataclass(frozen=True)
class Result:
    """Requests of one case, their time, and its ratio to the naive one."""

    hosts: int
    case: str
    requests: int
    best_ms: float
    median_ms: float
    of_naive: float


class Client:
    """Sends requests to Placement, and counts them."""

    def __init__(self, endpoint):
        self._endpoint = endpoint
        self._session = requests.Session()
        self._session.headers.update({
            'X-Auth-Token': 'admin',
            'OpenStack-API-Version': f'placement {pl.MICROVERSION}'})
        self.count = 0

    def send(self, method, url, body):
        self.count += 1
        return self._session.request(method, self._endpoint + url, json=body)

    def write(self, method, url, body=None):
        self.send(method, url, body).raise_for_status()


class Cloud:
    """Hosts of one board each in Placement; every other one accepts."""

    def __init__(self, size, client):
        self.client = client
        self.source = trees.Tree.of((trees.GOOD,))
        self.trees = [
            trees.Tree.of((trees.OTHER_PRODUCT if number % 2 else trees.GOOD,))
            for number in range(size)]
        self.hosts = [scheduler.host_state(number, tree.root)
                      for number, tree in enumerate(self.trees)]
        self._publish()
        self._allocate()

    def _publish(self):
        """Make the providers, with the traits that collectors publish."""
        for name in publication.ALWAYS.union(*(
                some for tree in (self.source, *self.trees[:2])
                for some in tree.traits().values())):
            self.client.write('PUT', f'/traits/{name}')
        for number, tree in enumerate([self.source, *self.trees]):
            timing.progress(f'{len(self.trees)} hosts: publishing {number}')
            self._create(tree.root, tree, {})
            self._create(tree.parents[0], tree,
                         {'parent_provider_uuid': tree.root})

    def _create(self, uuid, tree, more):
        self.client.write('POST', '/resource_providers',
                          {'name': uuid, 'uuid': uuid, **more})
        self.client.write('PUT', f'/resource_providers/{uuid}/traits', {
            'traits': sorted(tree.traits()[uuid]),
            'resource_provider_generation': 0})

    def _allocate(self):
        """Let the migration hold an mdev of the source."""
        (uuid,) = self.source.parents
        self.client.write('PUT', f'/resource_providers/{uuid}/inventories', {
            'inventories': {'VGPU': {'total': 4}},
            'resource_provider_generation': 1})
        self.client.write('PUT', f'/allocations/{answers.MIGRATION}', {
            'allocations': {uuid: {'resources': {'VGPU': 1}}},
            'consumer_generation': None, 'consumer_type': 'MIGRATION',
            'project_id': 'project', 'user_id': 'user'})

    def cases(self, counts):
        """Return the cases to measure.

        :param counts: takes their numbers of requests, by label
        """
        placement = pl.Placement(self.client.send)
        spec = scheduler.live_migration()
        for label in COLD, WARM:
            ours = scheduler.our_filter(placement, label == WARM)
            yield self._case(label, functools.partial(
                ours.filter_all, self.hosts, spec), counts)
        yield self._case(NAIVE, functools.partial(
            self._ask_every_host, placement), counts)

    def _case(self, label, run, counts):
        candidates = [tree.candidates(1, 1) for tree in self.trees]

        def restore():
            scheduler.give(self.hosts, candidates)
            self.client.count = 0

        def check(found):
            counts[label] = self.client.count
            if len(found) != len(self.hosts) // 2:
                raise AssertionError(f'{label}: {len(found)} hosts passed')

        return timing.Case(label, run, restore, check)

    def _ask_every_host(self, placement):
        """Do as a filter would that looks at one host after the other."""
        (source,) = placement.allocations(answers.MIGRATION)
        (identity,) = traits.describe(
            placement.provider_traits(source)[0]).identities()
        return [tree for tree in self.trees if dec.matching(
            traits.describe(placement.provider_traits(
                tree.parents[0])[0]).accepts, identity)]


def measure(size, rounds):
    """Return the results of a cloud of some size."""
    counts = {}
    with placement_fixture.PlacementFixture() as fixture:
        cloud = Cloud(size, Client(fixture.endpoint))
        seconds = timing.take_turns(list(cloud.cases(counts)), rounds,
                                    f'{size} hosts')
    best = {label: min(some) for label, some in seconds.items()}
    return [Result(size, label, counts[label], best[label] * 1e3,
                   statistics.median(some) * 1e3, best[label] / best[NAIVE])
            for label, some in seconds.items()]


def table(results):
    """Return the results for people."""
    found = prettytable.PrettyTable(
        ['hosts', 'case', 'requests', 'best, ms', 'median, ms',
         'best / naive'],
        align='r', title='a live migration, and a real Placement')
    found.align['case'] = 'l'
    for item in results:
        found.add_row([item.hosts, item.case, item.requests,
                       f'{item.best_ms:.1f}', f'{item.median_ms:.1f}',
                       f'{item.of_naive:.4f}'])
    return found.get_string()


def main(argv=None):
    args = _parser().parse_args(argv)
    scheduler.configure(lambda spec_obj: answers.MIGRATION)
    results = [result for size in args.hosts
               for result in measure(size, args.repeat)]
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps(
            [dataclasses.asdict(item) for item in results], indent=1))
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog='python -m tests.benchmarks.placement_requests',
        description=__doc__)
    parser.add_argument(
        '--hosts', default='100,1000', help='sizes of the cloud',
        type=lambda text: [int(word) for word in text.split(',')])
    parser.add_argument('--repeat', type=int, default=5,
                        help='how often each case is measured')
    parser.add_argument('--json', type=pathlib.Path, metavar='FILE',
                        help='write the numbers here, too')
    return parser


if __name__ == '__main__':
    sys.exit(main())
