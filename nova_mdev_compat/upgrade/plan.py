# SPDX-License-Identifier: Apache-2.0
"""A greedy search for an order of upgrades that strands no instance.

An instance is stranded while no other host accepts all of its mdevs, full or
not. A host is safe to upgrade next if each instance that has to move can move
to a host that accepts it and has capacity, and if the upgrade strands nobody.
Of the safe hosts the search takes one after which the most others are safe;
empty hosts come first, and then hosts like the last one. It never goes back,
and an instance moves at most once before a step, so there may be an order
where it finds none.
"""

import collections
from collections.abc import Collection, Iterator, Mapping, Sequence
import dataclasses
import itertools

from nova_mdev_compat.core import matching
from nova_mdev_compat.core import text
from nova_mdev_compat.fleet.instances import Instance
from nova_mdev_compat.upgrade.scenario import Scenario
from nova_mdev_compat.upgrade import state as upgrade_state
from nova_mdev_compat.upgrade.state import CloudState
from nova_mdev_compat.upgrade.state import Loss
from nova_mdev_compat.upgrade.state import Stay
from nova_mdev_compat.upgrade.state import Step
from nova_mdev_compat.upgrade.state import STRANDED

#: How many safe hosts are compared by how many groups, of as many, have a
#: safe host after them.
LOOK_AHEAD = 8


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
    state = upgrade_state.build(scenario, instances, free)
    plan = UpgradePlan(_stranded(state))
    excused = {uuid for step in plan.first for uuid in step.stranded}
    group: object = None
    while groups := _groups(state, group):
        if plan.obstacles:
            # The order fails instances anyway: do not compare all groups.
            groups = dict(itertools.islice(groups.items(), LOOK_AHEAD**2))
        group, safe = _choose(state, groups, excused)
        if not safe and not plan.obstacles:
            when = (
                f'after step {len(plan.steps)}' if plan.steps else 'at first'
            )
            plan.obstacles = [
                f'{when}, {line}'
                for names in groups.values()
                for line in _obstacles(state, names, excused)
            ]
        situation = state.situation()
        # Hosts like the one that was chosen follow it, while all that the
        # choice depends on but capacity is as it was.
        for name in groups[group]:
            if state.situation() != situation:
                break
            if state.hosts[name].group != group:
                continue
            trial = state.copy()
            step, losses = trial.upgrade(name, excused)
            if losses and safe:
                break
            step.because = _because(losses, state, trial)
            plan.steps.append(step)
            excused.update(loss.instance for loss in losses)
            state = trial
    return plan


def _stranded(state: CloudState) -> list[Step]:
    """Return which instances are stranded before all upgrades, by host."""
    steps = []
    for name in sorted(state.hosts):
        if losses := list(state.stranded([name])):
            step = Step(name, because=_because(losses, state, state))
            step.stranded = [loss.instance for loss in losses]
            steps.append(step)
    return steps


def _groups(state: CloudState, last: object) -> dict[object, list[str]]:
    """Return the hosts to upgrade by group, the group to try first first.

    :param last: the group of the last host that was upgraded
    """
    found: dict[object, list[tuple[int, str]]] = {}
    for name, host in state.hosts.items():
        if host.place.after is not None:
            found.setdefault(host.group, []).append((host.to_move, name))
    ordered = sorted(
        ((group, sorted(some)) for group, some in found.items()),
        key=lambda one: (one[1][0][0] > 0, one[0] != last, one[1][0]),
    )
    return {group: [name for _, name in some] for group, some in ordered}


def _choose(
    state: CloudState,
    groups: Mapping[object, Sequence[str]],
    excused: Collection[str],
) -> tuple[object, bool]:
    """Return the group to upgrade a host of, and whether that is safe."""
    losses: dict[object, int] = {}
    unsafe: dict[object, int] = {}
    for group, names in groups.items():
        trial = state.copy()
        losses[group] = len(trial.upgrade(names[0], excused)[1])
        if losses[group]:
            continue
        # In how many groups no host is safe then.
        unsafe[group] = sum(
            bool(trial.copy().upgrade(other, excused)[1])
            for some in itertools.islice(groups.values(), LOOK_AHEAD)
            for other in [one for one in some if one != names[0]][:1]
        )
        if not unsafe[group] or len(unsafe) == LOOK_AHEAD:
            break
    best = unsafe or losses
    return min(best, key=lambda group: best[group]), bool(unsafe)


def _obstacles(
    state: CloudState, names: Sequence[str], excused: Collection[str]
) -> Iterator[str]:
    """Yield why the first of some hosts that are alike cannot be next."""
    alike = f' (or {len(names) - 1} like it)' if len(names) > 1 else ''
    then = state.copy()
    found: dict[tuple[str, Stay, str], list[str]] = {}
    for loss in then.upgrade(names[0], excused)[1]:
        key = loss.why, loss.stay, _because([loss], state, then)
        found.setdefault(key, []).append(loss.host)
    for (why, stay, because), hosts in found.items():
        who = (
            f'{text.count(len(hosts), "instance")} of '
            f'{text.join(sorted(set(hosts)))} ({state.classes.describe(stay)})'
        )
        yield f'{names[0]}{alike} cannot be next: {why.format(who)}: {because}'


def _because(
    losses: Sequence[Loss], before: CloudState, then: CloudState
) -> str:
    """Return why other hosts cannot take instances, or ''.

    :param then: the state in which instances are stranded
    """
    if not losses:
        return ''
    found = collections.Counter[str]()
    for why, here, stay in dict.fromkeys(loss[:3] for loss in losses):
        for place, names in (
            then if why is STRANDED else before
        ).places.items():
            reason = before.classes.against(place.profile, stay)
            found[reason] += len(names) - (place == here)
    ordered = sorted(
        +found,
        key=lambda one: (one != matching.NO_CAPACITY, -found[one], one),
    )
    return text.join(
        [f'{one} ({text.count(found[one], "host")})' for one in ordered]
        or ['there is no other host with vGPUs'],
        3,
        'reason',
        '; ',
    )
