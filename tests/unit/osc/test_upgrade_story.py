# SPDX-License-Identifier: Apache-2.0

import testtools

from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import model
from nova_mdev_compat.osc import upgrade_story
from nova_mdev_compat.upgrade import fleet
from nova_mdev_compat.upgrade import planning
from nova_mdev_compat.upgrade import upgrade
from tests.unit.fleet import clouds


def story(hosts, occupied, by):
    """Return the story of an upgrade; there is room for all."""
    found = upgrade.plan(
        model.by_name(hosts),
        frozenset({'NVIDIA_558'}),
        (),
        {'driver': '560'},
        by,
    )
    some = [
        instances.Instance(
            f'on-{host.name}', host, ((host.parents[0], 'VGPU', 1),)
        )
        for host in occupied
    ]
    numbers = fleet.build(found, some)
    return upgrade_story.Story(
        found,
        numbers,
        planning.search(numbers.problem),
        {
            'VGPU': {
                parent.uuid: 9 for host in hosts for parent in host.parents
            }
        },
    )


def host(name, **device):
    return clouds.host(name, clouds.parent(name, **device))


class StoryTest(testtools.TestCase):
    def test_nothing_to_upgrade(self):
        one = host('a', driver='560')
        found = story([one], [one], clouds.UP_TO_OURS)
        self.assertEqual(([], []), (found.rows, list(found.lines())))

    def test_more_reasons_than_can_be_read(self):
        hosts = [
            host(f'{kind}{number}', driver=f'55{kind}', by=clouds.SAME_ONLY)
            for kind in range(8)
            for number in range(2)
        ]
        lines = list(story(hosts, hosts, clouds.SAME_ONLY).lines())
        self.assertEqual(
            ['there is no order of 16 upgrades that strands nobody'], lines[:1]
        )
        self.assertEqual(
            {'whatever the order, the instances'},
            {' '.join(line.split()[:5]) for line in lines[1:7]},
        )
        self.assertEqual(['and 2 more reasons of the kind'], lines[7:8])
        self.assertEqual(
            [
                'stranded by the order listed, which is one that strands few: 16 '
                'instances, at step 1, 3, 5 and 5 more steps',
                'to be stopped when their host is upgraded, as no other one '
                'takes them: 16 instances, at step 2, 4, 6 and 5 more steps',
            ],
            lines[8:],
        )

    def test_stranded_at_first_and_upgraded_all_the_same(self):
        """The reason is told once, where it begins."""
        hosts = [
            host('a', driver='550', by=clouds.SAME_ONLY),
            host('b', driver='555', by=clouds.SAME_ONLY),
        ]
        found = story(hosts, hosts, clouds.SAME_ONLY)
        self.assertEqual(
            [
                (0, ('a',), 'driver 550 is not version 555 (1 host)'),
                (0, ('b',), 'driver 555 is not version 550 (1 host)'),
                (1, ('a',), ''),
                (2, ('b',), ''),
            ],
            [(row.first, row.hosts, row.because) for row in found.rows],
        )
        self.assertEqual(
            [
                'an order of 2 upgrades strands nobody',
                'stranded before any upgrade: 2 instances, on a and b',
                'to be stopped when their host is upgraded, as no other one '
                'takes them: 2 instances, at step 1 and 2',
            ],
            list(found.lines()),
        )
