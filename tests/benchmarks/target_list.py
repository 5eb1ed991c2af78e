# SPDX-License-Identifier: Apache-2.0
"""What "mdev target list" asks of a real Placement, beside a naive one."""

import dataclasses
import sys
import time

from oslo_utils import uuidutils

from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.fleet import model
from nova_mdev_compat.fleet import survey
from nova_mdev_compat.fleet import targets
from nova_mdev_compat.placement import client as pl
from tests.benchmarks import bulk
from tests.benchmarks import moves
from tests.benchmarks import options
from tests.benchmarks import placement_client
from tests.benchmarks import results
from tests.benchmarks import stack
from tests.benchmarks import timing
from tests.benchmarks import trees

OURS = 'target list'
WHOLE = 'whole cloud, trait by trait'
NAIVE = 'naive: one request a device'

#: Three of four hosts accept; of one in eight all boards are full.
BOARDS = moves.BOARDS


class Cloud:
    """Hosts of four boards in Placement, and an instance on the first.

    :param writer: bulk.Writer
    :param send: sends requests to Placement
    """

    def __init__(self, writer, send):
        self.placement = pl.Placement(send)
        self.instance = uuidutils.generate_uuid()
        self._writer = writer
        self._trees = []

    def grow(self, size):
        """Let there be so many hosts."""
        timing.say(f'{size:,} hosts: writing them')
        first = len(self._trees)
        some = [
            trees.Tree.of(BOARDS[number % len(BOARDS)])
            for number in range(first, size)
        ]
        self._writer.write(some, first, lambda number, slot: number % 8 == 7)
        self._trees += some
        if not first:
            self._writer.allocate(
                (
                    self.instance,
                    {
                        some[0].root: {'VCPU': 4, 'MEMORY_MB': 8192},
                        some[0].parents[0]: {'VGPU': 1},
                    },
                )
            )

    def targets(self):
        """Find the targets as the command does."""
        instance, room = instances.read_one(
            self.placement, self.instance, bulk.host_name(0)
        )
        answers = survey.ask(self.placement, instance.needs, room)
        return {
            target.host
            for target in targets.find(answers, {}, instance.host.uuid)
            if target.standing is targets.Standing.COMPATIBLE
        }

    def whole(self):
        """Find who accepts, as the matrix and the plan read the cloud."""
        instance, _ = instances.read_one(
            self.placement, self.instance, bulk.host_name(0)
        )
        return self._accepting(inventory.read(self.placement), instance)

    def naive(self):
        """Ask each device what it accepts."""
        instance, _ = instances.read_one(
            self.placement, self.instance, bulk.host_name(0)
        )
        providers = self.placement.providers()
        said = {}
        for number, provider in enumerate(providers):
            if number % 1000 == 0:
                timing.progress(f'naive: {number} of {len(providers)}')
            if not provider.is_root:
                said[provider.uuid] = self.placement.provider_traits(
                    provider.uuid
                )[0]
        cloud = inventory.assemble((), providers, said, {})
        cloud = model.by_name(
            dataclasses.replace(host, published=True) for host in cloud.hosts
        )
        return self._accepting(cloud, instance)

    def _accepting(self, cloud, instance):
        voices = {}
        for host, parent in cloud.parents():
            voices.setdefault(host.name, set()).add(Offer.of(parent.traits))
        return {
            name
            for name, some in voices.items()
            if name != instance.host.name
            and acceptance.judge(frozenset(some), instance.needs)
        }


def measure(hosts):
    """Return what each way takes in clouds of some sizes."""
    found = results.NOTHING
    with stack.Stack(nova=False) as the_stack:
        client = placement_client.Client(the_stack.endpoint)
        cloud = Cloud(bulk.Writer(the_stack.engine('placement')), client.send)
        for size in hosts:
            cloud.grow(size)
            the_stack.settle()
            found += _measure(cloud, client, size)
    return found


def _measure(cloud, client, size):
    """Go each way, once."""
    ways = {OURS: cloud.targets, WHOLE: cloud.whole, NAIVE: cloud.naive}
    requests, seconds, hosts = {}, {}, {}
    for label, way in ways.items():
        timing.say(f'{size:,} hosts: {label}')
        client.count, start = 0, time.perf_counter()
        hosts[label] = way()
        seconds[label] = time.perf_counter() - start
        requests[label] = client.count
    _check(size, hosts)
    return results.Found(
        tuple(
            results.Measurement(label, unit, (found[label],), {'hosts': size})
            for label in ways
            for unit, found in (('s', seconds), ('requests', requests))
        ),
        tuple(
            results.Ratio(
                f'target-list-{size}-{name}',
                f'seconds of "{label}", of those of "{NAIVE}"',
                (seconds[label] / seconds[NAIVE],),
            )
            for name, label in (('targets', OURS), ('whole', WHOLE))
        ),
    )


def _check(size, found):
    """All find the same; the command alone looks at capacity, too."""
    accepting = {
        bulk.host_name(number)
        for number in range(1, size)
        if BOARDS[number % len(BOARDS)] is not trees.REFUSING
    }
    full = {bulk.host_name(number) for number in range(7, size, 8)}
    for label, hosts in found.items():
        expected = accepting - full if label == OURS else accepting
        if hosts != expected:
            raise AssertionError(
                f'{label}: {len(hosts)} hosts, not {len(expected)}'
            )


BENCHMARK = options.Benchmark(
    'target_list',
    'all targets of one instance, as the command finds them',
    (
        options.Size(
            'hosts', (100, 1000), (100,), 'sizes of the cloud, ascending'
        ),
    ),
    measure,
)

if __name__ == '__main__':
    sys.exit(BENCHMARK.main())
