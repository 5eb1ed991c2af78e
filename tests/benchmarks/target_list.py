# SPDX-License-Identifier: Apache-2.0
"""What "mdev target list" asks of a real Placement, beside a naive one."""

import argparse
import dataclasses
import json
import pathlib
import sys
import time

from oslo_utils import uuidutils
from placement import context as placement_context
from placement.tests.functional.fixtures import placement as placement_fixture
import prettytable

from nova_mdev_compat.cloud import acceptance
from nova_mdev_compat.cloud import instances
from nova_mdev_compat.cloud import model
from nova_mdev_compat.cloud import reading
from nova_mdev_compat.cloud import survey
from nova_mdev_compat.cloud import targets
from nova_mdev_compat import placement as pl
from tests.benchmarks import bulk
from tests.benchmarks import placement_requests
from tests.benchmarks import timing
from tests.benchmarks import trees

OURS = 'target list'
WHOLE = 'whole cloud, trait by trait'
NAIVE = 'naive: one request a device'

#: Three of four hosts accept; of one in eight all boards are full.
BOARDS = (trees.UNIFORM, trees.REFUSING, trees.MIXED, trees.UNIFORM)


@dataclasses.dataclass(frozen=True)
class Result:
    """One way to find the targets of one instance.

    :ivar of_naive: its seconds as a part of the naive way's
    """

    hosts: int
    case: str
    requests: int
    seconds: float
    of_naive: float


class Cloud:
    """Hosts of four boards in Placement, and an instance on the first."""

    def __init__(self, size, client):
        self.client = client
        self.placement = pl.Placement(client.send)
        self.instance = uuidutils.generate_uuid()
        some = [trees.Tree.of(BOARDS[number % len(BOARDS)])
                for number in range(size)]
        timing.progress(f'{size} hosts: writing Placement\'s tables')
        writer = bulk.Writer(placement_context.RequestContext())
        writer.write(some, lambda number, slot: number % 8 == 7)
        writer.allocate(self.instance, {
            some[0].root: {'VCPU': 4, 'MEMORY_MB': 8192},
            some[0].parents[0]: {'VGPU': 1}})

    def targets(self):
        """Find the targets as the command does."""
        instance, room = instances.read_one(
            self.placement, self.instance, bulk.host_name(0))
        answers = survey.ask(self.placement, instance.needs, room)
        return {target.host for target in targets.Judge(
            answers, instance.needs, room, {}).targets(instance.host.uuid)
            if target.standing is targets.Standing.COMPATIBLE}

    def whole(self):
        """Find who accepts, as the matrix and the plan read the cloud."""
        instance, _ = instances.read_one(
            self.placement, self.instance, bulk.host_name(0))
        return self._accepting(reading.read(self.placement), instance)

    def naive(self):
        """Ask each device what it accepts."""
        instance, _ = instances.read_one(
            self.placement, self.instance, bulk.host_name(0))
        providers = self.placement.providers()
        said = {}
        for number, provider in enumerate(providers):
            if number % 1000 == 0:
                timing.progress(f'naive: {number} of {len(providers)}')
            if not provider.is_root:
                said[provider.uuid] = (
                    self.placement.provider_traits(provider.uuid)[0])
        cloud = reading.assemble((), providers, said)
        cloud = model.by_name(dataclasses.replace(host, published=True)
                              for host in cloud.hosts)
        return self._accepting(cloud, instance)

    def _accepting(self, cloud, instance):
        voices = {}
        for host, parent in cloud.parents():
            voices.setdefault(host.name, set()).add(
                acceptance.Voice.of(parent.said))
        return {name for name, some in voices.items()
                if name != instance.host.name
                and acceptance.judge(frozenset(some), instance.needs)}


def measure(size):
    """Return what each way takes in a cloud of some size, once."""
    with placement_fixture.PlacementFixture() as fixture:
        client = placement_requests.Client(fixture.endpoint)
        cloud = Cloud(size, client)
        found = {}
        for label, way in ((OURS, cloud.targets), (WHOLE, cloud.whole),
                           (NAIVE, cloud.naive)):
            timing.progress(f'{size} hosts: {label}')
            client.count, start = 0, time.perf_counter()
            hosts = way()
            found[label] = (client.count, time.perf_counter() - start, hosts)
    _check(size, {label: hosts for label, (_, _, hosts) in found.items()})
    naive = found[NAIVE][1]
    return [Result(size, label, count, seconds, seconds / naive)
            for label, (count, seconds, _) in found.items()]


def _check(size, found):
    """All find the same; the command alone looks at capacity, too."""
    accepting = {bulk.host_name(number) for number in range(1, size)
                 if BOARDS[number % len(BOARDS)] is not trees.REFUSING}
    full = {bulk.host_name(number) for number in range(7, size, 8)}
    for label, hosts in found.items():
        expected = accepting - full if label == OURS else accepting
        if hosts != expected:
            raise AssertionError(
                f'{label}: {len(hosts)} hosts, not {len(expected)}')


def table(results):
    """Return the results for people."""
    found = prettytable.PrettyTable(
        ['hosts', 'case', 'requests', 'seconds', 'of naive'], align='r',
        title='all targets of one instance, and a real Placement')
    found.align['case'] = 'l'
    for item in results:
        found.add_row([item.hosts, item.case, item.requests,
                       f'{item.seconds:.2f}', f'{item.of_naive:.4f}'])
    return found.get_string()


def main(argv=None):
    args = _parser().parse_args(argv)
    results = [result for size in args.hosts for result in measure(size)]
    timing.progress('')
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps(
            [dataclasses.asdict(item) for item in results], indent=1))
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog='python -m tests.benchmarks.target_list', description=__doc__)
    parser.add_argument(
        '--hosts', default='100,1000', help='sizes of the cloud',
        type=lambda text: [int(word) for word in text.split(',')])
    parser.add_argument('--json', type=pathlib.Path, metavar='FILE',
                        help='write the numbers here, too')
    return parser


if __name__ == '__main__':
    sys.exit(main())
