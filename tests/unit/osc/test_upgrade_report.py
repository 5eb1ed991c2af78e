# SPDX-License-Identifier: Apache-2.0

import ddt
import testtools

from nova_mdev_compat.fleet import model
from nova_mdev_compat.osc import upgrade_report
from nova_mdev_compat.upgrade import plan
from nova_mdev_compat.upgrade import scenario
from tests.unit.fleet import clouds
from tests.unit.upgrade import problems


def host(name, **device):
    return clouds.host(name, clouds.parent(name, **device))


def step(number, **kwargs):
    return plan.Step(f'h{number:02}', 0, **kwargs)


def shown(steps, first=(), merge=True):
    """Return rows by columns, as people see them."""
    built = scenario.build(
        model.by_name(host(one.host) for one in steps),
        frozenset({'NVIDIA_558'}),
        (),
        {'driver': '560'},
        clouds.UP_TO_OURS,
    )
    return [
        {
            name: cell.human_readable()
            if hasattr(cell, 'human_readable')
            else cell
            for name, cell in zip(upgrade_report.COLUMNS, row, strict=True)
        }
        for row in upgrade_report.rows(
            built, plan.UpgradePlan(list(first), steps), merge
        )
    ]


@ddt.ddt
class RowTest(testtools.TestCase):
    def test_empty(self):
        self.assertEqual(
            [
                {
                    'Step': 1,
                    'Host': 'h01',
                    'Change': 'driver 550.54 to 560',
                    'To Move': 0,
                    'Go To': '',
                    'No Room': '0',
                    'To Stop': '0',
                    'Stranded': '0',
                    'Because': '',
                }
            ],
            shown([step(1)]),
        )

    def test_moves(self):
        """Of an instance that goes by way of b the end is what counts."""
        moves = [
            plan.Move('i', 'h', 'b'),
            plan.Move('i', 'b', 'a'),
            plan.Move('j', 'h', 'c'),
            plan.Move('k', 'h', 'a'),
        ]
        (row,) = shown([step(1, moves=moves, no_room=['l'])])
        self.assertEqual(
            (4, 'a, c', '1'),
            tuple(row[name] for name in ('To Move', 'Go To', 'No Room')),
        )
        self.assertEqual(
            [
                {'server': 'i', 'from': 'h', 'to': 'b'},
                {'server': 'i', 'from': 'b', 'to': 'a'},
            ],
            upgrade_report.MoveTargets(moves).machine_readable()[:2],
        )

    def test_few_rows_are_not_merged(self):
        self.assertEqual(
            20, len(shown([step(number) for number in range(1, 21)]))
        )

    def test_many_equal_rows(self):
        steps = [
            step(number, moves=[plan.Move(f'i{number}', 'h', 'x')])
            for number in range(1, 31)
        ]
        (row,) = shown(steps)
        self.assertEqual(
            ('1-30', 'h01 and 29 more', 30),
            tuple(row[name] for name in ('Step', 'Host', 'To Move')),
        )
        self.assertEqual(
            list(range(1, 31)),
            [row['Step'] for row in shown(steps, merge=False)],
        )

    @ddt.data(
        {'group': 1},
        {'moves': [plan.Move('i', 'h', 'x')]},
        {'no_room': ['i']},
        {'to_stop': ['i']},
        {'stranded': ['i']},
        {'because': 'x'},
    )
    def test_what_is_different_is_by_itself(self, change):
        steps = [step(number) for number in range(1, 31)]
        for name, value in change.items():
            setattr(steps[9], name, value)
        self.assertEqual(
            ['1-9', 10, '11-30'], [row['Step'] for row in shown(steps)]
        )

    def test_before_any_upgrade(self):
        first = [step(number, stranded=[f'i{number}']) for number in range(30)]
        row, *_ = shown([step(1)], first)
        self.assertEqual(
            (0, 'h00 and 29 more', '30'),
            tuple(row[name] for name in ('Step', 'Host', 'Stranded')),
        )


class SummaryTest(testtools.TestCase):
    def summary(self, hosts, on, by=clouds.SAME_ONLY):
        problem = problems.Problem.of(
            hosts, [found for one in on for found in problems.on(one, 1)], by
        )
        return list(upgrade_report.summary(problem.scenario, problem.plan()))

    def test_nothing_to_upgrade(self):
        one = host('a', driver='560')
        self.assertEqual([], self.summary([one], [one], clouds.UP_TO_OURS))

    def test_more_reasons_than_can_be_read(self):
        hosts = [
            host(f'{kind}{number}', driver=f'55{kind}', by=clouds.SAME_ONLY)
            for kind in range(8)
            for number in range(2)
        ]
        lines = self.summary(hosts, hosts)
        self.assertEqual(
            'found no order of 16 upgrades that strands nobody '
            'and has capacity for all moves; there may be one',
            lines[0],
        )
        self.assertEqual({'at first,'}, {line[:9] for line in lines[1:7]})
        self.assertRegex(lines[7], 'and [0-9]+ more reasons of the kind')
        self.assertRegex(
            lines[8],
            'stranded by the order listed: [0-9]+ instances, at step ',
        )

    def test_stranded_at_first_and_upgraded_all_the_same(self):
        hosts = [
            host('a', driver='550', by=clouds.SAME_ONLY),
            host('b', driver='555', by=clouds.SAME_ONLY),
        ]
        self.assertEqual(
            [
                'an order of 2 upgrades strands nobody',
                'stranded before any upgrade: 2 instances, on a, b',
                'to be stopped before the upgrade of their host, as no other one '
                'accepts them: 2 instances, at step 1, 2',
            ],
            self.summary(hosts, hosts),
        )
