# SPDX-License-Identifier: Apache-2.0
"""A plan of upgrades in rows and in text."""

from collections.abc import Iterable, Iterator, Sequence
import itertools
from typing import Any

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import text
from nova_mdev_compat.upgrade.plan import Step
from nova_mdev_compat.upgrade.plan import UpgradePlan
from nova_mdev_compat.upgrade.scenario import Members
from nova_mdev_compat.upgrade.scenario import Scenario
from nova_mdev_compat.upgrade.scenario import Transition

COLUMNS = (
    'Step',
    'Host',
    'Change',
    'To Move',
    'Go To',
    'No Room',
    'To Stop',
    'Stranded',
    'Because',
)
PAIRS = ('From', 'To', 'Pairs', 'Upgraded', 'Before', 'Then', 'Because')

#: Rows in a table before equal ones are merged.
MANY = 20
#: Lines on why there is no order before the others are counted.
REASONS = 6
OTHER_RULES = 'accepts now something else than these rules say'


class InstanceCount(common.Column):
    """The number of instances for people, their UUIDs for programs."""

    def human_readable(self) -> str:
        return str(len(self._value))

    def machine_readable(self) -> Any:
        return list(self._value)


class MoveTargets(common.Column):
    """The hosts at the end for people, all moves in order for programs."""

    def human_readable(self) -> str:
        last = {move.instance: move.target for move in self._value}
        hosts = list(dict.fromkeys(last.values()))
        return text.join(hosts, 3, 'host') if hosts else ''

    def machine_readable(self) -> Any:
        return [
            {'server': move.instance, 'from': move.source, 'to': move.target}
            for move in self._value
        ]


def rows(
    scenario: Scenario, plan: UpgradePlan, merge: bool
) -> list[tuple[Any, ...]]:
    """Return the rows of who is stranded at first, and of all steps.

    :param merge: make one row of equal ones that follow each other, if there
        are many
    """
    hosts = {host.name: host for host in scenario.cloud.hosts}
    steps = [*((0, step) for step in plan.first), *enumerate(plan.steps, 1)]
    rows = []
    for number, step in steps:
        because = [step.because] if step.because else []
        if number and step.host in scenario.mismatched:
            because.append(OTHER_RULES)
        change = scenario.change(hosts[step.host]) if number else ''
        rows.append((number, change, step, '; '.join(because)))
    if not merge or len(rows) <= MANY:
        return [_row([row]) for row in rows]
    return [_row(list(equal)) for _, equal in itertools.groupby(rows, _alike)]


def _alike(row: tuple[int, str, Step, str]) -> object:
    """Return what rows have in common that are merged."""
    number, change, step, because = row
    lists = step.moves, step.no_room, step.to_stop, step.stranded
    return number > 0, step.group, change, because, *map(bool, lists)


def _row(equal: Sequence[tuple[int, str, Step, str]]) -> tuple[Any, ...]:
    (number, change, step, because), *others = equal
    moves, no_room, to_stop, stranded = (
        [one for _, _, other, _ in equal for one in getattr(other, name)]
        for name in ('moves', 'no_room', 'to_stop', 'stranded')
    )
    return (
        f'{number}-{number + len(others)}' if number and others else number,
        f'{step.host} and {len(others)} more' if others else step.host,
        change,
        len({move.instance for move in moves} | set(no_room)),
        MoveTargets(moves),
        InstanceCount(no_room),
        InstanceCount(to_stop),
        InstanceCount(stranded),
        because,
    )


def pair_rows(transitions: Iterable[Transition]) -> Iterator[tuple[Any, ...]]:
    """Yield a row for each verdict that changes."""
    for one in transitions:
        for upgraded, then in one.changes.items():
            yield (
                common.source(one.origin, one.source),
                common.DevicesColumn(one.destination),
                one.number,
                upgraded.value,
                one.before.kind.value,
                then.kind.value,
                str(one.before if then else then),
            )


def mismatch(scenario: Scenario) -> str:
    """Return why there is no answer if the rules are not the hosts'."""
    return (
        'these rules do not give what devices accept now: on '
        f'{text.join(scenario.mismatched, noun="host")}; name the rules of '
        'the hosts with --rules, or give --allow-mismatch if the hosts will '
        'have these when they are upgraded. What a vendor plugin answers in '
        'place of rules cannot be known here'
    )


def warnings(scenario: Scenario) -> Iterator[str]:
    """Yield what an operator has to know to trust the answer."""
    if scenario.mismatched:
        yield (
            'devices accept now something else than these rules say: on '
            f'{text.join(scenario.mismatched, noun="host")}; the answer '
            'holds only if the hosts have these rules when they are '
            'upgraded, and no vendor plugin answers in their place'
        )
    if scenario.unknown:
        yield (
            'devices carry no complete identity, and count as accepted '
            f'nowhere: on {_hosts(scenario.unknown)}'
        )
    if scenario.unaffected:
        types = {
            identity.display_type(name)
            for _, parent in scenario.unaffected
            for name in parent.traits.types
        }
        yield (
            f'devices of type {text.join(sorted(types))} count as staying as '
            f'they are: on {_hosts(scenario.unaffected)}; add --type if they '
            'change, too'
        )
    if scenario.up_to_date:
        hosts = text.join(scenario.up_to_date, noun='host')
        yield f'nothing to upgrade: on {hosts}'


def _hosts(members: Members) -> str:
    return text.join(
        dict.fromkeys(host.name for host, _ in members), noun='host'
    )


def summary(scenario: Scenario, plan: UpgradePlan) -> Iterator[str]:
    """Yield whether there is an order, why not, and whom it fails."""
    if not plan.steps:
        return
    number = text.count(len(plan.steps), 'upgrade')
    prefix = (
        'by these rules, which are not those of the hosts now: '
        if scenario.mismatched
        else ''
    )
    yield prefix + (
        f'found no order of {number} that strands nobody and has capacity '
        'for all moves; there may be one'
        if plan.obstacles
        else f'an order of {number} strands nobody'
    )
    yield from plan.obstacles[:REASONS]
    more = len(plan.obstacles) - REASONS
    if more > 0:
        yield f'and {text.count(more, "more reason")} of the kind'
    if plan.first:
        hosts = text.join([step.host for step in plan.first], noun='host')
        stranded = sum(len(step.stranded) for step in plan.first)
        yield (
            'stranded before any upgrade: '
            f'{text.count(stranded, "instance")}, on {hosts}'
        )
    for name, what in (
        ('stranded', 'stranded by the order listed'),
        (
            'to_stop',
            'to be stopped before the upgrade of their host, as '
            'no other one accepts them',
        ),
        ('no_room', 'without a host that has capacity to move to'),
    ):
        steps = {
            number: len(getattr(step, name))
            for number, step in enumerate(plan.steps, 1)
            if getattr(step, name)
        }
        if steps:
            yield (
                f'{what}: {text.count(sum(steps.values()), "instance")}, '
                f'at step {text.join(steps, noun="step")}'
            )
