# SPDX-License-Identifier: Apache-2.0
"""A plan of upgrades in rows and in text."""

from collections.abc import Iterator
from typing import Any

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import text
from nova_mdev_compat.upgrade.plan import UpgradePlan
from nova_mdev_compat.upgrade.scenario import Members
from nova_mdev_compat.upgrade.scenario import Scenario

COLUMNS = (
    'Step',
    'Host',
    'To Move',
    'Go To',
    'No Room',
    'To Stop',
    'Stranded',
    'Because',
)

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
    """The targets for people, all moves in order for programs."""

    def human_readable(self) -> str:
        hosts = dict.fromkeys(move.target for move in self._value)
        return text.join(hosts, 3, 'host') if hosts else ''

    def machine_readable(self) -> Any:
        return [
            {'server': move.instance, 'from': move.source, 'to': move.target}
            for move in self._value
        ]


def rows(scenario: Scenario, plan: UpgradePlan) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of who is stranded at first, and of all steps."""
    steps = [*((0, step) for step in plan.first), *enumerate(plan.steps, 1)]
    for number, step in steps:
        other_rules = number and step.host in scenario.mismatched
        yield (
            number,
            step.host,
            len(step.moves) + len(step.no_room),
            MoveTargets(step.moves),
            InstanceCount(step.no_room),
            InstanceCount(step.to_stop),
            InstanceCount(step.stranded),
            '; '.join(
                filter(
                    None, (step.because, OTHER_RULES if other_rules else '')
                )
            ),
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
    answer = f'an order of {number} strands nobody'
    if plan.first:
        answer += ' else'
    if plan.obstacles:
        answer = (
            f'found no order of {number} that strands nobody and has capacity '
            'for all moves; there may be one'
        )
    if scenario.mismatched:
        answer = (
            f'by these rules, which are not those of the hosts now: {answer}'
        )
    yield answer
    yield from plan.obstacles[:REASONS]
    more = len(plan.obstacles) - REASONS
    if more > 0:
        yield f'and {text.count(more, "more reason")}'
    if plan.first:
        hosts = text.join([step.host for step in plan.first], noun='host')
        stranded = sum(len(step.stranded) for step in plan.first)
        yield (
            'stranded before any upgrade: '
            f'{text.count(stranded, "instance")}, on {hosts}; "To Stop" counts '
            'those that still are before the upgrade of their host'
        )
