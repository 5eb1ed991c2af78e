# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.osc.drawing import grid as grid_
from tests import picture_samples as samples


def said(grid):
    """Return what the legend says of each line, without empty columns."""
    return [
        ' '.join(
            filter(
                None,
                (
                    line.kind.label,
                    *(grid.value(line, name) for name in grid.attributes),
                ),
            )
        )
        for line in grid.lines
    ]


class GridTest(testtools.TestCase):
    def test_what_is_the_same_in_all_is_said_once(self):
        grid = samples.grid(samples.two())
        self.assertEqual('ecc ON, os RHEL_9_6', grid.common_words())
        self.assertEqual(('device', 'type', 'driver'), grid.attributes)
        self.assertEqual(
            [
                'A 10de:2235 NVIDIA_558 535.183.04',
                'B 10de:2235 NVIDIA_558 550.90.05',
            ],
            said(grid),
        )

    def test_nothing_is_the_same_in_all(self):
        grid = samples.grid(
            samples.kinds_of(
                samples.host('a', samples.board()),
                samples.host(
                    'b',
                    samples.board(
                        driver='535.54.03', ecc='off', os='rhel-9.4'
                    ),
                ),
            )
        )
        self.assertEqual('', grid.common_words())

    def test_a_fact_that_only_others_have(self):
        """Unknown, but nothing at all of another vendor's device."""
        grid = samples.grid(
            samples.kinds_of(
                samples.host('a', samples.board()),
                samples.host('b', samples.board(ecc=None)),
                samples.host('c', samples.mtty()),
            )
        )
        self.assertEqual(
            [
                'A 10de:2235 NVIDIA_558 550.90.05 ON RHEL_9_6',
                'B 10de:2235 NVIDIA_558 550.90.05 unknown RHEL_9_6',
                'C mtty MTTY_1 6.12.0',
            ],
            [line.replace(' accepts', '') for line in said(grid)],
        )

    def test_alike_but_for_what_they_accept(self):
        grid = samples.grid(
            samples.kinds_of(
                samples.host('a', samples.board()),
                samples.host('b', samples.board(by=samples.CAREFUL)),
            )
        )
        self.assertEqual(
            ['A 10de:2235 NVIDIA_558', 'B 10de:2235 NVIDIA_558 other than A'],
            said(grid),
        )
        self.assertEqual(
            '10de:2235 NVIDIA_558 (accepts other than A)',
            grid.words(grid.rows[1]),
        )

    def test_one_kind_with_two_types(self):
        grid = samples.grid(
            samples.kinds_of(
                samples.host('a', samples.board(in_use=['nvidia-559']))
            )
        )
        self.assertEqual(
            ['A 10de:2235 NVIDIA_558', 'A 10de:2235 NVIDIA_559'], said(grid)
        )
        self.assertEqual(
            '10de:2235 NVIDIA_558 or 10de:2235 NVIDIA_559',
            grid.column_words(grid.columns[0]),
        )

    def test_of_whom_nothing_is_known(self):
        found = samples.kinds_of(
            samples.host('a', samples.board()),
            samples.host('b', samples.silent(), published=False),
        )
        grid = samples.grid(found)
        self.assertEqual(found, grid.columns)
        self.assertEqual(['A'], [line.kind.label for line in grid.rows])
        self.assertEqual(
            ['no collector has published here'],
            [grid.words(line) for line in grid.others],
        )

    def test_no_rows(self):
        found = samples.kinds_of(
            samples.host('b', samples.silent(), published=False)
        )
        grid = samples.grid(found)
        self.assertEqual((found, ()), (grid.columns, grid.rows))
        self.assertEqual(['A'], [line.kind.label for line in grid.others])

    def test_some_rows_and_columns(self):
        """Who is no row is told below, whether a column or not."""
        one, two, three = samples.kinds_of(
            samples.host('a', samples.board()),
            samples.host('b', samples.board(ecc='off')),
            samples.host('c', samples.silent(), published=False),
        )
        grid = samples.grid(
            [one, three], device_classes.matrix([one, three], [two])
        )
        self.assertEqual(
            ((two,), ['A'], ['C', 'B']),
            (
                grid.columns,
                [line.kind.label for line in grid.rows],
                [line.kind.label for line in grid.others],
            ),
        )

    def test_words_of_a_cell(self):
        grid = samples.grid(samples.two())
        line = grid.rows[1]
        self.assertEqual(
            [
                'from B: 10de:2235 NVIDIA_558 driver=550.90.05',
                'to A: 10de:2235 NVIDIA_558 driver=535.183.04',
                'refuses: driver 550.90.05 is not at most 535.183.04',
            ],
            grid.cell_words(line, line.cells[0]),
        )
        self.assertEqual('accepts', grid.cell_words(line, line.cells[1])[2])

    def test_nowhere_to_move(self):
        grid = samples.grid(
            samples.kinds_of(
                samples.host('a', samples.board(), samples.board(1, ecc='off'))
            )
        )
        self.assertEqual((grid_.Answer.NOWHERE,), grid.answers)
        line = grid.rows[0]
        self.assertEqual(
            [
                'same host only: all are on a; apart from that: accepts',
                'same host only: all are on a; apart from that: ecc OFF is not '
                'equal to ON',
            ],
            [grid.cell_words(line, cell)[2] for cell in line.cells],
        )

    def test_answers(self):
        self.assertEqual(
            tuple(grid_.Answer), samples.grid(samples.mixed()).answers
        )

    @hypothesis.given(st.text())
    def test_printable(self, text):
        found = grid_.printable(text)
        self.assertTrue(found.isprintable())
        self.assertEqual(len(text), len(found))
        found.encode()
