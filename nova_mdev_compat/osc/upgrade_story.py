# SPDX-License-Identifier: Apache-2.0
"""A plan of upgrades in rows, and in words."""

from collections.abc import Iterable, Iterator
import itertools

from nova_mdev_compat.osc import upgrade_rows
from nova_mdev_compat.upgrade import differences
from nova_mdev_compat.upgrade.fleet import Fleet
from nova_mdev_compat.upgrade import obstacles as obst
from nova_mdev_compat.upgrade import order
from nova_mdev_compat.upgrade import room
from nova_mdev_compat.upgrade import simulation as sim
from nova_mdev_compat.upgrade.upgrade import Members
from nova_mdev_compat.upgrade.upgrade import Upgrade

#: Why there is no order: lines that are told before the others are counted.
REASONS = 6

_OUTCOMES = {
    order.Outcome.FOUND: 'an order of {steps} strands nobody',
    order.Outcome.NONE: 'there is no order of {steps} that strands nobody',
    order.Outcome.UNDECIDED: 'no order of {steps} was found that strands nobody, and it is not '
    'proven that there is none: the search ended after {tried} steps',
}

#: Of an upgrade that is planned by rules which are not those of the hosts.
BY_OTHER_RULES = 'by these rules, which are not those of the hosts now: '
OTHER_RULES = 'accepts now something else than these rules say'


def mismatch(upgrade: Upgrade) -> str:
    """Return why there is no answer where rules are not the hosts'."""
    return (
        'these rules do not give what devices accept now: on '
        f'{obst.named(upgrade.unlike)}; name the rules of the hosts with '
        '--rules, or give --allow-mismatch if the hosts will have these when '
        'they are upgraded. What a vendor plugin answers in place of rules '
        'cannot be known here'
    )


def warnings(upgrade: Upgrade) -> Iterator[str]:
    """Return what an operator has to know to trust what is said."""
    if upgrade.unlike:
        yield (
            'devices accept now something else than these rules say: on '
            f'{obst.named(upgrade.unlike)}; the answer holds only if the '
            'hosts have these rules when they are upgraded, and no vendor '
            'plugin answers in their place'
        )
    if upgrade.unknown:
        yield (
            'devices carry no complete identity, and count as accepted '
            'nowhere: on ' + _hosts(upgrade.unknown)
        )
    if upgrade.bystanders:
        types = {
            name
            for _, parent in upgrade.bystanders
            for name in parent.said.types
        }
        yield (
            f'devices of type {", ".join(sorted(types))} count as staying '
            f'as they are: on {_hosts(upgrade.bystanders)}; add --type if '
            'they change, too'
        )
    if upgrade.already:
        yield f'nothing to upgrade: on {obst.named(upgrade.already)}'


def _hosts(members: Members) -> str:
    return obst.named(tuple(dict.fromkeys(host.name for host, _ in members)))


def changes(pairs: Iterable[differences.Pair]) -> str:
    """Return how many pairs of kinds of devices change."""
    changed, total = differences.counts(pairs)
    return f'{changed} of {total} pairs of kinds of devices change'


class Story:
    """What happens to whom.

    :ivar rows: those who are stranded at first by host, then all upgrades
    """

    def __init__(
        self,
        upgrade: Upgrade,
        fleet: Fleet,
        plan: order.Plan,
        free: room.Free,
    ):
        self._unlike = frozenset(upgrade.unlike)
        self._fleet = fleet
        self._plan = plan
        self._obstacles = obst.Obstacles(fleet)
        self._done = [0] * len(fleet.problem.groups)
        self._changes = {
            host.name: upgrade.change(host)
            for host in upgrade.cloud.hosts
            if host.uuid in upgrade.after
        }
        simulation = sim.Simulation(fleet, plan.runs, free)
        self._first = [
            self._at_first(host, list(some))
            for host, some in itertools.groupby(
                simulation.stranded_at_first(), key=lambda one: one.host
            )
        ]
        self._steps = [
            self._row(number, step)
            for number, step in enumerate(simulation.steps(), 1)
        ]
        self.rows = self._first + self._steps

    def _at_first(
        self, number: int, some: list[sim.Trapped]
    ) -> upgrade_rows.Row:
        host = self._fleet.hosts[number]
        return upgrade_rows.Row(
            0,
            host.group,
            (host.name,),
            '',
            stranded=tuple(one.instance for one in some),
            because=self._why(some),
        )

    def _row(self, number: int, step: sim.Step) -> upgrade_rows.Row:
        host = self._fleet.hosts[step.host]
        self._done[host.group] += 1
        because = [self._why(step.stranded)]
        if host.name in self._unlike:
            because.append(OTHER_RULES)
        return upgrade_rows.Row(
            number,
            host.group,
            (host.name,),
            self._changes[host.name],
            tuple(step.moves),
            tuple(step.no_room),
            tuple(step.to_stop),
            tuple(one.instance for one in step.stranded),
            '; '.join(filter(None, because)),
        )

    def _why(self, some: Iterable[sim.Trapped]) -> str:
        groups = self._fleet.problem.groups
        places = {
            (
                groups[self._fleet.hosts[one.host].group].kind,
                one.upgraded,
                one.stay,
            )
            for one in some
        }
        return '; '.join(
            dict.fromkeys(
                self._obstacles.why(place, self._done)
                for place in sorted(places)
            )
        )

    def lines(self) -> Iterator[str]:
        """Return what there is to say of the whole, line by line."""
        if not self._steps:
            return
        outcome = _OUTCOMES[self._plan.outcome].format(
            steps=obst.number(len(self._steps), 'upgrade'),
            tried=self._plan.tried,
        )
        yield f'{BY_OTHER_RULES}{outcome}' if self._unlike else outcome
        why = [
            line
            for end in self._plan.dead_ends
            for line in self._obstacles.lines(end)
        ]
        yield from why[:REASONS]
        if len(why) > REASONS:
            yield (
                f'and {obst.number(len(why) - REASONS, "more reason")} of '
                'the kind'
            )
        stranded = [one for row in self._first for one in row.stranded]
        if stranded:
            yield (
                'stranded before any upgrade: '
                f'{obst.number(len(stranded), "instance")}, on '
                f'{obst.named([row.hosts[0] for row in self._first])}'
            )
        yield from self._sum(
            'stranded by the order listed, which is one that strands few',
            'stranded',
        )
        yield from self._sum(
            'to be stopped when their host is upgraded, as '
            'no other one takes them',
            'to_stop',
        )
        yield from self._sum('without room to move to', 'no_room')

    def _sum(self, what: str, field: str) -> Iterator[str]:
        steps = [row for row in self._steps if getattr(row, field)]
        number = sum(len(getattr(row, field)) for row in steps)
        if number:
            yield (
                f'{what}: {obst.number(number, "instance")}, at step '
                + obst.named([str(row.first) for row in steps], 'step')
            )
