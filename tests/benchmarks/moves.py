# SPDX-License-Identifier: Apache-2.0
"""A cloud of GPU hosts, and live migrations on their way to the scheduler."""

import dataclasses
import itertools
import json

from oslo_utils import uuidutils

from tests.benchmarks import bulk
from tests.benchmarks import nova_rows
from tests.benchmarks import timing
from tests.benchmarks import trees

#: Of four hosts one refuses, and on one every other board does.
BOARDS = (trees.UNIFORM, trees.REFUSING, trees.MIXED, trees.UNIFORM)
#: How many accept patterns the rest of the cloud publishes.
PATTERNS = 50

HELD = {
    'VCPU': nova_rows.SIZES['vcpus'],
    'MEMORY_MB': nova_rows.SIZES['memory_mb'],
    'DISK_GB': nova_rows.SIZES['root_gb'],
}


@dataclasses.dataclass(frozen=True)
class Move:
    """A live migration that was accepted.

    :ivar source: the instance's host
    """

    instance: str
    migration: str
    source: str


class Cloud:
    """Hosts of four boards each, in Placement and in Nova.

    All instances come from host 0, which is being drained. Others accept by
    ``BOARDS``, in turn.

    :param stack: stack.Stack
    :param mapping: the cell, as Nova has it
    """

    def __init__(self, stack, mapping):
        self._stack = stack
        self._mapping = mapping
        self._placement = bulk.Writer(stack.engine('placement'))
        self._nova = nova_rows.Writer(
            stack.engine('nova'), stack.engine('nova_api'), mapping
        )
        self._source = trees.Tree.of()
        self.trees = [self._source]
        self._placement.write([self._source])
        self._nova.write_hosts([self._source])
        self._placement.carry(
            [(self._source.root, trees.patterns_of_others(PATTERNS))]
        )

    def grow(self, size):
        """Let there be so many hosts besides the source."""
        first = len(self.trees)
        timing.say(f'{size:,} hosts: writing them')
        some = [
            trees.Tree.of(BOARDS[number % len(BOARDS)])
            for number in range(first, size + 1)
        ]
        self._placement.write(some, first)
        self._nova.write_hosts(some, first)
        self.trees += some
        self._stack.settle()

    def begin(self, number):
        """Begin live migrations; return them."""
        moves = [
            Move(
                uuidutils.generate_uuid(),
                uuidutils.generate_uuid(),
                bulk.host_name(0),
            )
            for _ in range(number)
        ]
        self._nova.write_migrations(moves)
        parents = itertools.cycle(self._source.parents)
        self._placement.allocate(
            *(
                (
                    move.migration,
                    {self._source.root: HELD, next(parents): {'VGPU': 1}},
                )
                for move in moves
            )
        )
        return moves

    def request(self, move):
        """Return what the conductor asks the scheduler, never used yet."""
        return nova_rows.request(move, self._mapping)

    def accepts(self, selection):
        """Tell whether the boards of Nova's selection accept the mdevs."""
        taken = json.loads(selection.allocation_request)['allocations']
        (tree,) = (
            one
            for one in self.trees
            if one.root == selection.compute_node_uuid
        )
        return all(
            tree.boards[tree.parents.index(uuid)] == trees.GOOD
            for uuid in taken
            if uuid != tree.root
        )
