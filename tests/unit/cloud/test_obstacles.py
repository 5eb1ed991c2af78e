# SPDX-License-Identifier: Apache-2.0

import ddt
import testtools
from testtools import matchers

from nova_mdev_compat.core import pattern
from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import model
from nova_mdev_compat.rules import model as rules
from nova_mdev_compat.upgrade import fleet
from nova_mdev_compat.upgrade import obstacles
from nova_mdev_compat.upgrade import order
from nova_mdev_compat.upgrade import planning
from nova_mdev_compat.upgrade import problem as prob
from nova_mdev_compat.upgrade import upgrade
from tests.unit.fleet import clouds

OLD, NEW = '550', '560'


def takes(*pairs):
    """Return rules from ``'b0 c1'``: an old B takes from a new C."""
    return rules.RuleSet(
        {
            '10DE': tuple(
                rules.Rule(
                    pair,
                    'f:1',
                    rules.Target(facts=_is(pair[:2])),
                    rules.Accepts(facts=_is(pair[3:])),
                )
                for pair in pairs
            )
        }
    )


def _is(name):
    os, new = name
    return {
        'os': ((rules.Operand(pattern.Op.IS, os.upper()),),),
        'driver': (
            (rules.Operand(pattern.Op.EQ, NEW if new == '1' else OLD),),
        ),
    }


@ddt.ddt
class NamedTest(testtools.TestCase):
    @ddt.data(
        ([], ''),
        (['a'], 'a'),
        (['a', 'b'], 'a and b'),
        (['a', 'b', 'c'], 'a, b and c'),
        (['a', 'b', 'c', 'd'], 'a, b, c and 1 more host'),
        (list('abcde'), 'a, b, c and 2 more hosts'),
    )
    @ddt.unpack
    def test_named(self, names, text):
        self.assertEqual(text, obstacles.named(names))


class LinesTest(testtools.TestCase):
    def lines(self, hosts, on, by):
        """Return what is said of the dead ends of an upgrade.

        :param on: names of hosts with an instance
        """
        found = fleet.build(
            upgrade.plan(
                model.by_name(hosts),
                frozenset({'NVIDIA_558'}),
                (),
                {'driver': NEW},
                by,
            ),
            self.on(host for host in hosts if host.name in on),
        )
        plan = planning.search(found.problem)
        self.assertIs(order.Outcome.NONE, plan.outcome)
        told = obstacles.Obstacles(found)
        return [line for end in plan.dead_ends for line in told.lines(end)]

    def on(self, hosts):
        return [
            instances.Instance(
                f'on-{host.name}', host, ((host.parents[0], 'VGPU', 1),)
            )
            for host in hosts
        ]

    def hosts(self, names, by):
        """Return hosts: of one letter each are alike."""
        return [
            clouds.host(
                name, clouds.parent(name, driver=OLD, os=name[0], by=by)
            )
            for name in names
        ]

    def test_after_some(self):
        """C has nobody but an old B to go to, and would not get off it."""
        by = takes('b0 c0', 'c1 c0', 'b1 b0', 'a0 b1', 'c1 b1')
        self.assertEqual(
            [
                'with a1 upgraded, b1 cannot be upgraded: no other host would '
                'then take the instances of c1 (10de:2235 NVIDIA_558 driver=550 '
                'os=C): declares nothing that it accepts (1 host), '
                'os C is not equal to B (1 host)',
                'with a1 upgraded, c1 cannot be upgraded: no other host would '
                'then take the instances of c1 (10de:2235 NVIDIA_558 driver=550 '
                'os=C), by then on 10de:2235 NVIDIA_558 driver=550 os=B: '
                'declares nothing that it accepts (1 host), '
                'os B is not equal to C (1 host)',
            ],
            self.lines(self.hosts(['a1', 'b1', 'c1'], by), ['c1'], by),
        )

    def test_whatever_the_order(self):
        by = takes('a0 a0', 'a1 a1', 'b0 b0', 'b1 b0', 'b1 b1')
        names = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2']
        self.assertEqual(
            [
                'whatever the order, the instances of a1, a2, a3 and 1 more host '
                '(10de:2235 NVIDIA_558 driver=550 os=A) could get nowhere where '
                'another host takes them at last: driver 550 is not version 560 '
                '(3 hosts), os A is not equal to B (2 hosts)',
            ],
            self.lines(self.hosts(names, by), names, by),
        )

    def test_from_the_beginning_and_of_many_that_are_alike(self):
        """They could go to the only B, and from there nowhere."""
        by = takes('b0 c0', 'b1 b0', 'c1 b1', 'c1 c1')
        self.assertEqual(
            [
                'at first, b1 cannot be upgraded: no other host would then take '
                'the instances of c1 and c2 (10de:2235 NVIDIA_558 driver=550 '
                'os=C): declares nothing that it accepts (1 host), '
                'os C is not equal to B (1 host)',
                'at first, c1 (or 1 like it) cannot be upgraded: no other host '
                'would then take the instances of c1 and c2 (10de:2235 '
                'NVIDIA_558 driver=550 os=C), by then on 10de:2235 NVIDIA_558 '
                'driver=550 os=B: declares nothing that it accepts (1 host), '
                'driver 550 is not version 560 (1 host)',
            ],
            self.lines(self.hosts(['b1', 'c1', 'c2'], by), ['c1', 'c2'], by),
        )

    def test_no_more_than_can_be_read(self):
        by = takes('a0 a0')
        hosts = self.hosts(['a1', 'b1', 'c1', 'd1', 'e1'], by)
        found = fleet.build(
            upgrade.plan(
                model.by_name(hosts),
                frozenset({'NVIDIA_558'}),
                (),
                {'driver': NEW},
                by,
            ),
            self.on(hosts),
        )
        losses = tuple(
            prob.Loss((kind, (kind,)), (kind, False, (kind,)), prob.When.NOW)
            for kind in range(5)
        )
        lines = list(
            obstacles.Obstacles(found).lines(
                order.DeadEnd(
                    (0,) * 5, tuple((group, losses) for group in range(5))
                )
            )
        )
        self.assertEqual(4, len(lines))
        self.assertEqual('at first, nor can 2 others be upgraded', lines[3])
        self.assertThat(
            lines[0], matchers.EndsWith('; and 2 more kinds of instances')
        )
