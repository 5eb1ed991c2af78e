# SPDX-License-Identifier: Apache-2.0
"""A greedy search for an order of upgrades that strands no instance.

An instance is stranded while no other host accepts all of its mdevs, full or
not. A host is safe to upgrade next if each instance that has to move can move
to hosts that accept it and have capacity, and if the upgrade strands nobody.
Of the safe hosts the search takes one after which the most others are safe;
empty hosts come first, and then hosts like the last one. It never goes back:
where it finds no order it tries again with other preferences, a few times, and
an order may exist all the same.
"""

import bisect
import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
import dataclasses
import itertools
import random
from typing import NamedTuple

from nova_mdev_compat.core import matching
from nova_mdev_compat.core import text
from nova_mdev_compat.fleet.instances import Instance
from nova_mdev_compat.upgrade.scenario import Scenario
from nova_mdev_compat.upgrade.state import CloudState
from nova_mdev_compat.upgrade.state import Counts
from nova_mdev_compat.upgrade.state import Node
from nova_mdev_compat.upgrade.state import Position

#: How many safe hosts are compared by what is safe after them.
LOOK_AHEAD = 8
#: How many searches there are: the first by preference, the others by chance.
TRIES = 3

#: Why the upgrade of a host fails instances.
NOT_ACCEPTED = 'no other host accepts {}'
FULL = 'no host that accepts {} has free capacity'
STRANDED = 'no other host would then accept {}'

#: Positions to move to, one after the other.
Way = tuple[Position, ...]


class Move(NamedTuple):
    """A live migration: an instance's UUID, and names of hosts."""

    instance: str
    source: str
    target: str


class Loss(NamedTuple):
    """An instance that the upgrade of a host fails.

    :ivar why: NOT_ACCEPTED, FULL or STRANDED
    :ivar position: where no host takes it
    """

    why: str
    position: Position
    instance: str


@dataclasses.dataclass
class Step:
    """The upgrade of a host; or who is stranded there before all upgrades.

    :ivar host: its name
    :ivar group: equal for hosts with equal devices and instances
    :ivar moves: before it, in order
    :ivar no_room: UUIDs of instances that must leave, while all hosts that
        accept them are full
    :ivar to_stop: UUIDs of instances that must leave, and no host accepts
    :ivar stranded: UUIDs of instances that no other host accepts any more
    :ivar because: why none does
    """

    host: str
    group: object
    moves: list[Move] = dataclasses.field(default_factory=list)
    no_room: list[str] = dataclasses.field(default_factory=list)
    to_stop: list[str] = dataclasses.field(default_factory=list)
    stranded: list[str] = dataclasses.field(default_factory=list)
    because: str = ''


@dataclasses.dataclass
class UpgradePlan:
    """What the search has found.

    :ivar first: who is stranded before the first step, by host
    :ivar steps: of all hosts to upgrade, in order; where no order was found,
        of one that fails few instances
    :ivar obstacles: why no host was safe, the first time that none was; lines
        of text, none where an order was found
    """

    first: list[Step]
    steps: list[Step] = dataclasses.field(default_factory=list)
    obstacles: list[str] = dataclasses.field(default_factory=list)


def find(
    scenario: Scenario,
    instances: Sequence[Instance],
    free: Mapping[str, Mapping[str, int]],
) -> UpgradePlan:
    """Return an order in which to upgrade hosts, with all migrations.

    :param instances: all those on every host that scenario.concerned() has
    :param free: mdevs that parents have to spare, by resource class, by UUID
    """
    plans = (
        _Search(CloudState(scenario, instances, free), seed).run()
        for seed in range(TRIES)
    )
    first = next(plans)
    return (
        first
        if not first.obstacles
        else next((plan for plan in plans if not plan.obstacles), first)
    )


class _Search:
    """One search.

    :param seed: of preferences by chance; 0 for none
    """

    def __init__(self, state: CloudState, seed: int):
        self._state = state
        #: Something by chance, and the same whenever it is asked for.
        self._chance: dict[object, float] = collections.defaultdict(
            random.Random(seed).random  # noqa: S311
            if seed
            else float
        )
        #: Instances that are stranded: no order has to prevent it any more.
        self._excused: set[str] = set()
        #: By group, how much each host has to move, and its name, in order.
        self._groups: dict[object, list[tuple[int, str]]] = (
            collections.defaultdict(list)
        )
        self._grouped: dict[Node, tuple[object, tuple[int, str]]] = {}

    def run(self) -> UpgradePlan:
        """Return the order that the search finds; to be called once."""
        state = self._state
        plan = UpgradePlan(list(self._stranded_at_first()))
        self._excused.update(
            uuid for step in plan.first for uuid in step.stranded
        )
        #: By all that decides but capacity: the group of the best host, and
        #: whether it was safe.
        known: dict[object, tuple[object, bool]] = {}
        last = None
        self._regroup(state.nodes.values())
        while self._groups:
            # The two hosts of each group with the least to move.
            waiting = {
                group: [state.nodes[name] for _, name in some[:2]]
                for group, some in sorted(
                    self._groups.items(),
                    key=lambda item: (
                        item[1][0][0] > 0,
                        self._chance[item[0]],
                        item[0] != last,
                        item[1][0],
                    ),
                )
            }
            # Acceptance, now and after a step, depends on whether a place
            # has no host, one, two or more.
            situation = (
                tuple(min(count, 3) for count in state.counts()),
                frozenset(state.occupied()),
                frozenset(waiting),
            )
            if situation in known:
                last, safe = known[situation]
                mark = state.mark()
                step, losses = self._upgrade(waiting[last][0])
            if situation not in known or (losses and safe):
                if situation in known:
                    state.undo(mark)
                known[situation] = last, safe = self._choose(waiting)
                if not safe and not plan.obstacles:
                    when = (
                        f'after step {len(plan.steps)}'
                        if plan.steps
                        else 'at first'
                    )
                    plan.obstacles = [
                        f'{when}, {line}'
                        for group in waiting
                        for line in self._obstacles(waiting[group][0])
                    ]
                step, losses = self._upgrade(waiting[last][0])
            self._excused.update(loss.instance for loss in losses)
            if step.stranded:
                step.because = self._reasons(
                    map(state.position, step.stranded), state.counts()
                )
            plan.steps.append(step)
            self._regroup(state.commit())
        return plan

    def _stranded_at_first(self) -> Iterator[Step]:
        counts = self._state.counts()
        for node in self._state.nodes.values():
            some = [
                uuid
                for uuid in sorted(node.instances)
                if not self._state.is_accepted(
                    self._state.position(uuid), counts
                )
            ]
            if some:
                yield Step(
                    node.name,
                    self._group(node),
                    stranded=some,
                    because=self._reasons(
                        map(self._state.position, some), counts
                    ),
                )

    def _group(self, node: Node) -> object:
        """Return what equal hosts have in common."""
        return node.place, frozenset(map(node.stay, node.instances.values()))

    def _regroup(self, nodes: Iterable[Node]) -> None:
        """Put hosts that have changed where they belong."""
        for node in nodes:
            if node in self._grouped:
                group, entry = self._grouped.pop(node)
                some = self._groups[group]
                del some[bisect.bisect_left(some, entry)]
                if not some:
                    del self._groups[group]
            if node.pending:
                group, entry = self._group(node), (node.to_move(), node.name)
                self._grouped[node] = group, entry
                bisect.insort(self._groups[group], entry)

    def _choose(
        self,
        waiting: Mapping[object, Sequence[Node]],
    ) -> tuple[object, bool]:
        """Return the group to upgrade a host of, and whether that is safe."""
        losses: dict[object, list[Loss]] = {}
        unsafe: dict[object, int] = {}
        for group, (node, *_) in waiting.items():
            losses[group] = self._losses(node)
            if not losses[group]:
                unsafe[group] = self._unsafe_after(node, waiting)
                if not unsafe[group] or len(unsafe) == LOOK_AHEAD:
                    break
        if not unsafe:
            return min(losses, key=lambda group: len(losses[group])), False
        return min(unsafe, key=lambda group: unsafe[group]), True

    def _losses(self, node: Node) -> list[Loss]:
        """Return whom the upgrade of a host would fail now."""
        mark = self._state.mark()
        _, losses = self._upgrade(node)
        self._state.undo(mark)
        return losses

    def _unsafe_after(
        self, node: Node, waiting: Mapping[object, Sequence[Node]]
    ) -> int:
        """Return how many groups have no safe host after an upgrade."""
        mark = self._state.mark()
        self._upgrade(node)
        others = [
            other
            for some in waiting.values()
            for other in [one for one in some if one is not node][:1]
        ]
        found = sum(bool(self._losses(other)) for other in others)
        self._state.undo(mark)
        return found

    def _upgrade(self, node: Node) -> tuple[Step, list[Loss]]:
        """Upgrade a host, after all moves that this takes.

        :returns: what was done, and whom it fails
        """
        state = self._state
        step = Step(node.name, self._group(node))
        losses = []
        before, after = state.counts(), state.counts(node)
        known: dict[Position, list[tuple[bool, Way]]] = {}
        for uuid, must_leave in self._at_risk(node, before, after):
            position = state.position(uuid)
            if position not in known:
                known[position] = self._ways(position, before, after)
            hops, safe = self._move(uuid, known[position], must_leave, node)
            step.moves += [
                Move(uuid, source.name, target.name)
                for source, target in itertools.pairwise(hops)
            ]
            if not (hops and safe):
                why = self._fail(
                    step,
                    uuid,
                    [one for one, _ in known[position]],
                    bool(hops) or not must_leave,
                )
                if uuid not in self._excused:
                    losses.append(Loss(why, position, uuid))
        state.upgrade(node)
        return step, losses

    def _move(
        self,
        uuid: str,
        ways: Iterable[tuple[bool, Way]],
        must_leave: bool,
        node: Node,
    ) -> tuple[list[Node], bool]:
        """Move an instance the first way on which there is capacity.

        What must leave goes even where it is stranded after the upgrade.

        :returns: the hosts that it is on, none if it has not moved; and
            whether it is safe on the last one
        """
        for safe, way in ways:
            if safe or must_leave:
                hops = self._state.move(uuid, way, node)
                if hops:
                    return hops, safe
        return [], False

    def _fail(
        self, step: Step, uuid: str, ways: Sequence[bool], stays: bool
    ) -> str:
        """Note that the upgrade of a host fails an instance; return why.

        :param ways: whether it would be safe where it could go
        :param stays: it is stranded, but need not be stopped
        """
        if not stays:
            (step.no_room if ways else step.to_stop).append(uuid)
            self._state.put(uuid, None, refill=False)
            return FULL if ways else NOT_ACCEPTED
        if uuid not in self._excused:
            step.stranded.append(uuid)
        return FULL if any(ways) else STRANDED

    def _at_risk(
        self, node: Node, before: Counts, after: Counts
    ) -> list[tuple[str, bool]]:
        """Return the instances for which the upgrade of a host is bad.

        :returns: UUIDs, each with whether it must leave; otherwise the
            upgrade strands it. The instances with the most mdevs come first.
        """
        state = self._state
        found = [
            (uuid, False)
            for position in state.occupied()
            if not state.is_accepted(position, after)
            and state.is_accepted(position, before)
            for uuid in state.at(position)
            if uuid not in node.instances
        ]
        new = state.places[node.place].next
        for uuid, held in sorted(
            node.instances.items(),
            key=lambda one: (-max(amount for _, _, amount in one[1]), one[0]),
        ):
            if node.must_leave(held):
                found.append((uuid, True))
            elif not state.is_accepted(
                (new, node.stay(held)), after
            ) and state.is_accepted((node.place, node.stay(held)), before):
                found.append((uuid, False))
        return found

    def _ways(
        self, start: Position, before: Counts, after: Counts
    ) -> list[tuple[bool, Way]]:
        """Return a shortest way to each position, the best first.

        :returns: each with whether an instance is safe there after an upgrade
        """
        seen = set()
        todo: list[Way] = [()]
        for way in todo:  # which grows meanwhile
            here = way[-1] if way else start
            for position in self._state.landings(here[1]):
                if position not in seen and before[position[0]] > (
                    position[0] == here[0]
                ):
                    seen.add(position)
                    todo.append((*way, position))
        found = [
            (self._state.is_accepted(way[-1], after), way)
            for way in todo[1:]
            if after[way[-1][0]]
        ]
        # Hosts that will not be upgraded any more come first, and devices
        # from which instances can go to many hosts.
        return sorted(
            found,
            key=lambda one: (
                not one[0],
                self._chance[one[1]],
                len(one[1]),
                self._state.is_pending(one[1][-1][0]),
                -len(self._state.landings(one[1][-1][1])),
                one[1],
            ),
        )

    def _obstacles(self, node: Node) -> Iterator[str]:
        """Say why a host cannot be upgraded next."""
        state = self._state
        counts = state.counts()
        like_it = len(self._groups[self._group(node)]) - 1
        names = {
            uuid: host.name
            for host in state.nodes.values()
            for uuid in host.instances
        }
        mark = state.mark()
        found: dict[tuple[str, Position], list[str]] = {}
        for why, start, uuid in self._upgrade(node)[1]:
            position = state.position(uuid) if why is STRANDED else start
            found.setdefault((why, position), []).append(uuid)
        then = state.counts()
        state.undo(mark)
        for (why, position), some in found.items():
            hosts = text.join(sorted({names[uuid] for uuid in some}))
            who = (
                f'{text.count(len(some), "instance")} of {hosts} '
                f'({state.devices(position[1])})'
            )
            because = self._reasons(
                {position}, then if why is STRANDED else counts
            )
            alike = f' (or {like_it} like it)' if like_it else ''
            yield (
                f'{node.name}{alike} cannot be next: {why.format(who)}: '
                f'{because}'
            )

    def _reasons(self, positions: Iterable[Position], counts: Counts) -> str:
        """Return what all other hosts say to instances at some positions."""
        found = collections.Counter[str]()
        for place, stay in sorted(set(positions)):
            for other, number in enumerate(counts):
                if number - (other == place):
                    found[
                        self._state.against(stay, other)
                        or matching.NO_CAPACITY
                    ] += number - (other == place)
        ordered = sorted(
            found,
            key=lambda reason: (
                reason != matching.NO_CAPACITY,
                -found[reason],
                reason,
            ),
        )
        return text.join(
            [
                f'{reason} ({text.count(found[reason], "host")})'
                for reason in ordered
            ]
            or ['there is no other host with mdevs'],
            3,
            'reason',
            '; ',
        )
