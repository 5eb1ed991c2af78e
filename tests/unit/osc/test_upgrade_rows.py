# SPDX-License-Identifier: Apache-2.0

import dataclasses

import ddt
import testtools

from nova_mdev_compat.osc import upgrade_rows
from nova_mdev_compat.upgrade import simulation

COLUMNS = upgrade_rows.COLUMNS


def row(number, group=0, **kwargs):
    return upgrade_rows.Row(
        number, group, (f'h{number:02}',), f'change {group}', **kwargs
    )


def move(instance, target, origin='h'):
    return simulation.Move(instance, origin, target)


def shown(one):
    """Return what people see of a row."""
    return {
        name: cell.human_readable()
        if hasattr(cell, 'human_readable')
        else cell
        for name, cell in zip(COLUMNS, one.columns(), strict=True)
    }


def machine(one, name):
    return one.columns()[COLUMNS.index(name)].machine_readable()


@ddt.ddt
class RowTest(testtools.TestCase):
    def test_empty(self):
        self.assertEqual(
            {
                'Step': 3,
                'Host': 'h03',
                'Change': 'change 0',
                'To Move': 0,
                'Go To': '',
                'No Room': '0',
                'To Stop': '0',
                'Stranded': '0',
                'Because': '',
            },
            shown(row(3)),
        )

    def test_moves(self):
        """Of an instance that goes by way of b the end is what counts."""
        one = row(
            1,
            moves=(
                move('i', 'b'),
                move('i', 'a', 'b'),
                move('j', 'c'),
                move('k', 'a'),
            ),
            no_room=('l',),
        )
        self.assertEqual(
            (4, 'a and c', '1'),
            tuple(
                shown(one)[name] for name in ('To Move', 'Go To', 'No Room')
            ),
        )
        self.assertEqual(
            [
                {'server': 'i', 'from': 'h', 'to': 'b'},
                {'server': 'i', 'from': 'b', 'to': 'a'},
                {'server': 'j', 'from': 'h', 'to': 'c'},
                {'server': 'k', 'from': 'h', 'to': 'a'},
            ],
            machine(one, 'Go To'),
        )
        self.assertEqual(['l'], machine(one, 'No Room'))

    @ddt.data(
        ({'no_room': ('i',)}, 'No Room'),
        ({'to_stop': ('i',)}, 'To Stop'),
        ({'stranded': ('i',)}, 'Stranded'),
    )
    @ddt.unpack
    def test_instances(self, kwargs, name):
        self.assertEqual('1', shown(row(1, **kwargs))[name])
        self.assertEqual(['i'], machine(row(1, **kwargs), name))


@ddt.ddt
class MergedTest(testtools.TestCase):
    def merged(self, rows):
        return list(upgrade_rows.merged(rows))

    def test_few_stay_as_they_are(self):
        rows = [row(number) for number in range(1, 21)]
        self.assertEqual(rows, self.merged(rows))

    def test_none(self):
        self.assertEqual([], self.merged([]))

    def test_many_that_are_alike(self):
        rows = [
            row(number, moves=(move(f'i{number}', 'x'),))
            for number in range(1, 31)
        ]
        (one,) = self.merged(rows)
        self.assertEqual(
            ('1-30', 'h01 and 29 more', 30),
            tuple(shown(one)[name] for name in ('Step', 'Host', 'To Move')),
        )

    @ddt.data(
        {'group': 1},
        {'moves': (move('i', 'x'),)},
        {'no_room': ('i',)},
        {'to_stop': ('i',)},
        {'stranded': ('i',)},
        {'because': 'x'},
    )
    def test_what_is_another_is_by_itself(self, change):
        rows = [row(number) for number in range(1, 31)]
        rows[9] = dataclasses.replace(rows[9], **change)
        self.assertEqual(
            ['1-9', 10, '11-30'],
            [shown(one)['Step'] for one in self.merged(rows)],
        )

    def test_before_any_upgrade(self):
        rows = [
            dataclasses.replace(
                row(0), hosts=(f'h{number}',), stranded=(f'i{number}',)
            )
            for number in range(30)
        ]
        (one,) = self.merged(rows)
        self.assertEqual(
            (0, 'h0 and 29 more', '30'),
            tuple(shown(one)[name] for name in ('Step', 'Host', 'Stranded')),
        )
