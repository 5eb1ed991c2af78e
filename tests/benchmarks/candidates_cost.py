# SPDX-License-Identifier: Apache-2.0
"""What our providers below PCI providers cost in allocation candidates.

Placement describes in each answer all providers of each host in it. Half of
the hosts have such providers of ours, with traits, and half have none. Both
halves are in one database, and a trait of the roots selects one of them.
"""

import sys

from placement.db.sqlalchemy import models

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import traits
from nova_mdev_compat.placement import providers
from tests.benchmarks import bulk
from tests.benchmarks import options
from tests.benchmarks import placement_client
from tests.benchmarks import results
from tests.benchmarks import stack
from tests.benchmarks import timing
from tests.benchmarks import trees

WITH, WITHOUT = 'with our providers', 'without them'
#: Traits of roots, by half.
HALVES = {WITH: 'CUSTOM_BENCH_WITH', WITHOUT: 'CUSTOM_BENCH_WITHOUT'}
FRAMEWORK = traits.encode_fact(identity.FRAMEWORK, identity.VFIO)
LIMIT = 1000
DEVICES = 'CUSTOM_PCI_10DE_2235'
FUNCTIONS = 8
HOST = f'limit={LIMIT}&resources=VCPU:4,MEMORY_MB:8192'
#: What Nova asks for, with its own limit of candidates.
QUERIES = {
    'without devices': HOST,
    'with a device': f'{HOST}&group_policy=none&resources_1={DEVICES}:1',
}


class Writer(bulk.Writer):
    """Writes hosts whose boards have virtual functions."""

    def write_half(self, half, size, boards):
        """Write hosts, with providers of ours or without."""
        own, inventories, carried = [], [], []
        for number in range(size):
            name = f'{half.split()[0]}-{bulk.host_name(number)}'
            tree = trees.Tree.of((trees.GOOD,) * boards)
            rows = [self._provider(tree.root, name)]
            carried.append((tree.root, {*bulk.NOVA_SAYS, HALVES[half]}))
            inventories += [
                self._inventory(tree.root, resource, total)
                for resource, total in bulk.HOST.items()
            ]
            published = tree.traits()
            for slot, uuid in enumerate(tree.parents):
                nova = f'{name}_0000:{0x81 + slot:02X}:00.0'
                rows.append(self._provider(uuid, nova, rows[0], rows[0]))
                inventories.append(self._inventory(uuid, DEVICES, FUNCTIONS))
                carried.append((uuid, {'COMPUTE_MANAGED_PCI_DEVICE'}))
                if half == WITH:
                    child = providers.child_uuid(uuid)
                    rows.append(
                        self._provider(
                            child,
                            providers.child_name(nova),
                            rows[0],
                            rows[-1],
                        )
                    )
                    carried.append((child, {*published[uuid], FRAMEWORK}))
            if half == WITH:
                carried.append((tree.root, published[tree.root]))
            own += rows
        self._insert(models.ResourceProvider, own)
        self._insert(models.Inventory, inventories)
        self.carry(carried)

    def _provider(self, uuid, name, root=None, parent=None):
        number = self._by_uuid[uuid] = next(self._ids)
        return {
            'id': number,
            'uuid': uuid,
            'name': name,
            'generation': 1,
            'root_provider_id': root['id'] if root else number,
            'parent_provider_id': parent['id'] if parent else None,
        }


class Asked:
    """One request to Placement, for the hosts of a half.

    :param candidates: how many the answer has
    :ivar bytes: of its last answer
    """

    def __init__(self, client, query, half, candidates):
        self._client = client
        self._url = f'/allocation_candidates?{query}&required={HALVES[half]}'
        self._ours = half == WITH
        self._candidates = candidates
        self.bytes = 0

    def run(self):
        response = self._client.send('GET', self._url)
        response.raise_for_status()
        return response

    def check(self, response):
        self.bytes = len(response.content)
        found = response.json()
        if len(found['allocation_requests']) != self._candidates:
            raise AssertionError(len(found['allocation_requests']))
        ours = sum(
            FRAMEWORK in item['traits']
            for item in found['provider_summaries'].values()
        )
        if bool(ours) != self._ours:
            raise AssertionError(f'{ours} providers of ours')


def measure(hosts, boards, rounds):
    """Return what answers take, and how large they are."""
    found = results.NOTHING
    with stack.Stack(nova=False) as the_stack:
        client = placement_client.Client(the_stack.endpoint)
        client.send('PUT', f'/resource_classes/{DEVICES}').raise_for_status()
        writer = Writer(the_stack.engine('placement'))
        for half in HALVES:
            timing.say(f'{hosts:,} hosts {half}: writing them')
            writer.write_half(half, hosts, boards)
        the_stack.settle()
        for what, query in QUERIES.items():
            found += _measure(client, what, query, hosts, boards, rounds)
    return found


def _measure(client, what, query, hosts, boards, rounds):
    timing.say(f'candidates {what}')
    candidates = min(LIMIT, hosts * boards if DEVICES in query else hosts)
    asked = {half: Asked(client, query, half, candidates) for half in HALVES}
    seconds = timing.take_turns(
        [
            timing.Case(half, one.run, lambda: None, one.check)
            for half, one in asked.items()
        ],
        rounds,
        f'candidates {what}',
    )
    sizes = {'hosts': hosts, 'boards of each': boards}
    name = f'candidates-{hosts}-{what.replace(" ", "-")}'
    return results.Found(
        tuple(
            measurement
            for half, one in asked.items()
            for measurement in (
                results.Measurement(
                    f'{what}, {half}', 's', tuple(seconds[half]), sizes
                ),
                results.Measurement(
                    f'{what}, {half}', 'KiB', (one.bytes / 1024,), sizes
                ),
            )
        ),
        (
            results.paired(
                f'{name}-seconds',
                f'seconds of candidates {what}, {WITH}, of those {WITHOUT}',
                seconds[WITH],
                seconds[WITHOUT],
            ),
            results.Ratio(
                f'{name}-bytes',
                f'size of candidates {what}, {WITH}, of that {WITHOUT}',
                (asked[WITH].bytes / asked[WITHOUT].bytes,),
            ),
        ),
    )


BENCHMARK = options.Benchmark(
    'candidates_cost',
    'allocation candidates, with providers of ours below those of PCI devices',
    (
        options.Size('hosts', 1000, 100, 'hosts of each half'),
        options.Size('boards', 8, 8, 'boards of a host'),
        options.Size('rounds', 9, 3, 'how often each case is measured'),
    ),
    measure,
)

if __name__ == '__main__':
    sys.exit(BENCHMARK.main())
