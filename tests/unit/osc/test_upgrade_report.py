# SPDX-License-Identifier: Apache-2.0

import testtools

from nova_mdev_compat.osc import upgrade_report
from tests.unit.fleet import clouds
from tests.unit.upgrade import problems


def host(name, **device):
    return clouds.host(name, clouds.parent(name, **device))


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
        self.assertRegex(lines[7], 'and [0-9]+ more reasons$')
        self.assertEqual(8, len(lines))

    def test_stranded_at_first_and_upgraded_all_the_same(self):
        hosts = [
            host('a', driver='550', by=clouds.SAME_ONLY),
            host('b', driver='555', by=clouds.SAME_ONLY),
        ]
        self.assertEqual(
            [
                'an order of 2 upgrades strands nobody else',
                'stranded before any upgrade: 2 instances, on a, b; "To Stop" '
                'counts those that still are before the upgrade of their host',
            ],
            self.summary(hosts, hosts),
        )
