# SPDX-License-Identifier: Apache-2.0
"""Small clouds to upgrade, drawn by random numbers."""

import dataclasses
import itertools

from nova_mdev_compat.core import pattern
from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import model
from nova_mdev_compat.rules import model as rules
from nova_mdev_compat.upgrade import plan
from nova_mdev_compat.upgrade import scenario
from tests.unit.fleet import clouds

TYPE = frozenset({'NVIDIA_558'})
OLD, NEW = '550', '560'


def takes(*pairs):
    """Return rules from ``'b0 c1'``: an old B takes from a new C."""

    def facts(name):
        os, new = name
        return {
            'os': ((rules.Operand(pattern.Op.IS, os.upper()),),),
            'driver': (
                (rules.Operand(pattern.Op.EQ, NEW if new == '1' else OLD),),
            ),
        }

    return rules.RuleSet(
        {
            '10DE': tuple(
                rules.Rule(
                    pair,
                    'f:1',
                    rules.Target(facts=facts(pair[:2])),
                    rules.Accepts(facts=facts(pair[3:])),
                )
                for pair in pairs
            )
        }
    )


@dataclasses.dataclass
class Problem:
    """A cloud, what an upgrade makes of it, and its instances.

    :ivar free: mdevs that devices have to spare, by UUID
    """

    scenario: scenario.Scenario
    instances: list
    free: dict

    @classmethod
    def of(cls, hosts, some, by, free=16, names=(), types=TYPE):
        """Return the problem of upgrading hosts to the new driver.

        :param free: the same of all devices, or by UUID
        """
        return cls(
            scenario.build(
                model.by_name(hosts), types, names, {'driver': NEW}, by
            ),
            some,
            free
            if isinstance(free, dict)
            else {
                parent.uuid: free for host in hosts for parent in host.parents
            },
        )

    def plan(self):
        return plan.find(self.scenario, self.instances, {'VGPU': self.free})


def on(host, number, *amounts, uuid=None):
    """Return instances with mdevs of a host's devices, in order.

    :param amounts: of mdevs of each instance, by device; by default 1 of
        the first one
    """
    return [
        instances.Instance(
            f'{uuid or host.name}{index}',
            host,
            tuple(
                (parent, 'VGPU', amount)
                for parent, amount in zip(
                    host.parents, amounts or (1,), strict=False
                )
                if amount
            ),
        )
        for index in range(1, number + 1)
    ]


def by_table(random, rooms=(0, 1, 1, 2, 16)):
    """Draw a cloud whose devices accept each other in any way.

    :param rooms: of which it is drawn what devices have to spare
    """
    letters = 'abc'[: random.randint(1, 3)]
    devices = [f'{letter}{new}' for letter in letters for new in '01']
    chance = random.choice([0.2, 0.3, 0.4, 0.6])
    by = takes(
        *(
            f'{target} {source}'
            for target, source in itertools.product(devices, devices)
            if random.random() < chance
        )
    )
    names = [
        f'{random.choice(letters)}{number}'
        for number in range(random.randint(2, 4))
    ]
    parents = {
        letter: clouds.parent(letter, driver=OLD, os=letter, by=by)
        for letter in letters
    }
    hosts = [
        clouds.host(
            name, dataclasses.replace(parents[name[0]], uuid=f'{name}-0')
        )
        for name in names
    ]
    some = [
        found
        for host in hosts
        for found in on(
            host, random.choice([0, 0, 1, 1, 2]), random.choice([1, 1, 2])
        )
    ]
    kept = [name for name in names if random.random() < 0.85] or names
    return Problem.of(
        hosts,
        some,
        by,
        {f'{name}-0': random.choice(rooms) for name in names},
        kept,
    )


def by_rules(random, rooms=(0, 1, 2, 16)):
    """Draw a cloud with rules as there are, and hosts with two devices."""
    from_ours = clouds.rules_about('driver', GE='same')
    some_rules = [clouds.UP_TO_OURS, clouds.SAME_ONLY, from_ours]

    def device(host, slot):
        return clouds.parent(
            host,
            slot,
            driver=random.choice(['535', '550', NEW]),
            mdev_type=random.choice(['nvidia-558'] * 3 + ['nvidia-559']),
            in_use=random.choice([(), (), (), ('nvidia-557',)]),
            by=random.choice(some_rules),
        )

    hosts = [
        clouds.host(
            name,
            *(device(name, slot) for slot in range(random.choice([1, 1, 2]))),
        )
        for name in 'abcd'[: random.randint(2, 4)]
    ]
    if not any(
        'NVIDIA_558' in parent.traits.types
        for host in hosts
        for parent in host.parents
    ):
        return by_rules(random, rooms)
    some = [
        found
        for host in hosts
        for found in on(
            host,
            random.randint(0, 2),
            *random.choice(
                [(1, 0), (0, 1), (1, 1)][: 2 * len(host.parents) - 1]
            ),
        )
    ]
    return Problem.of(
        hosts,
        some,
        random.choice(some_rules),
        {
            parent.uuid: random.choice(rooms)
            for host in hosts
            for parent in host.parents
        },
    )
