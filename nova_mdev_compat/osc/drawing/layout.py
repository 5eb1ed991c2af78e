# SPDX-License-Identifier: Apache-2.0
"""What stands where in the picture of a matrix.

On the left is the legend, a line for each row; on the right of it are the
row's cells. So nobody has to look up what a letter of a row means.
"""

from collections.abc import Iterable

from nova_mdev_compat.osc.drawing import grid as grid_
from nova_mdev_compat.osc.drawing import sheet as sheet_

#: Colours of a cell and of its sign. Blue and orange differ for everybody,
#: dark and light in black and white.
COLOURS = {
    grid_.Answer.ACCEPTS: ('#14609f', '#ffffff'),
    grid_.Answer.REFUSES: ('#f8bf84', '#3b1d00'),
    grid_.Answer.UNKNOWN: ('#ffffff', '#222222'),
    grid_.Answer.NOWHERE: ('#ececec', '#555555'),
}
#: In inches.
CELL, GAP = 0.3, 0.25
#: Beyond so many the letters stand on the other side, too.
FAR = 12
NUMBERS = ('hosts', 'devices')


def draw(grid: grid_.Grid) -> sheet_.Sheet:
    """Return the picture of a grid.

    In SVG the groups of row r and column c have the ids row-r, column-c,
    cell-r-c and sign-r-c, and the background has paper.
    """
    sheet = sheet_.Sheet()
    _Picture(grid, sheet).draw()
    return sheet


class _Picture:
    """One drawing; y is where the next line begins."""

    def __init__(self, grid: grid_.Grid, sheet: sheet_.Sheet):
        self.grid = grid
        self.sheet = sheet
        self.y = 0.0
        self.starts, self.ends = self._places()
        self.left = self.ends[-1] + GAP
        self.right = self.left + CELL * len(grid.columns)

    def draw(self) -> None:
        self._title()
        self._signs()
        self._header()
        for number, line in enumerate(self.grid.rows):
            self._legend(line, f'row-{number}')
            self._cells(number, line)
            self.y += CELL
        if len(self.grid.rows) > FAR:
            self._letters('foot')
            self.y += CELL
        self._others()

    # Where the columns of the legend are

    def _places(self) -> tuple[list[float], list[float]]:
        """Return where each attribute begins, and where each number ends."""
        x = (
            self._widest(
                (
                    'from ↓ sources',
                    *(line.kind.label for line in self.grid.lines),
                ),
                bold=True,
            )
            + GAP
        )
        starts, ends = [], []
        for name in self.grid.attributes:
            starts.append(x)
            x += GAP + self._widest(
                (
                    name,
                    *(self.grid.value(line, name) for line in self.grid.lines),
                )
            )
        x = max(
            x,
            starts[0]
            + GAP
            + self._widest(
                self.grid.words(line)
                for line in self.grid.lines
                if line.source is None
            ),
        )
        for name in NUMBERS:
            x += self._widest(
                (name, *(str(_number(line, name)) for line in self.grid.lines))
            )
            ends.append(x)
            x += GAP
        return starts, ends

    def _widest(self, texts: Iterable[str], bold: bool = False) -> float:
        return max(
            (self.sheet.width(text, bold=bold) for text in texts), default=0.0
        )

    # From top to bottom

    def _title(self) -> None:
        if self.grid.title:
            self.sheet.text(
                0, self.y, grid_.printable(self.grid.title), size=13, bold=True
            )
            self.y += CELL
        common = self.grid.common_words()
        if common:
            self.sheet.text(
                0, self.y, f'The same in all: {common}', alpha=sheet_.FAINT
            )
            self.y += CELL

    def _signs(self) -> None:
        x = 0.0
        for answer in self.grid.answers:
            self._cell(x, self.y, answer, f'key-{answer.name}')
            x += CELL + 0.06
            self.sheet.text(x, self.y + CELL / 2, answer.meaning)
            x += self.sheet.width(answer.meaning) + GAP
        if x:
            self.y += CELL * 1.6

    def _header(self) -> None:
        self.sheet.text(
            self.left + 0.05, self.y + CELL / 2, 'to → targets', bold=True
        )
        self.y += CELL
        middle = self.y + CELL / 2
        self.sheet.text(0, middle, 'from ↓ sources', bold=True)
        for x, name in zip(self.starts, self.grid.attributes, strict=True):
            self.sheet.text(x, middle, name, alpha=sheet_.FAINT)
        for x, name in zip(self.ends, NUMBERS, strict=True):
            self.sheet.text(x, middle, name, ha='right', alpha=sheet_.FAINT)
        self._letters('column')
        self.y += CELL

    def _letters(self, name: str) -> None:
        for number, kind in enumerate(self.grid.columns):
            self.sheet.text(
                self.left + CELL * (number + 0.5),
                self.y + CELL / 2,
                kind.label,
                bold=True,
                ha='center',
                gid=f'{name}-{number}',
            )

    def _legend(self, line: grid_.Line, name: str) -> None:
        """Write what a line stands for."""
        self.sheet.line(0, self.y, self.ends[-1])
        middle = self.y + CELL / 2
        self.sheet.text(0, middle, line.kind.label, bold=True, gid=name)
        if line.source is None:
            self.sheet.text(self.starts[0], middle, self.grid.words(line))
        else:
            for x, attribute in zip(
                self.starts, self.grid.attributes, strict=True
            ):
                self.sheet.text(x, middle, self.grid.value(line, attribute))
        for x, what in zip(self.ends, NUMBERS, strict=True):
            self.sheet.text(x, middle, str(_number(line, what)), ha='right')

    def _cells(self, number: int, line: grid_.Line) -> None:
        for column, cell in enumerate(line.cells):
            self._cell(
                self.left + CELL * column,
                self.y,
                grid_.Answer.of(cell),
                f'{number}-{column}',
            )
        if len(line.cells) > FAR:
            self.sheet.text(
                self.right + 0.08,
                self.y + CELL / 2,
                line.kind.label,
                bold=True,
            )

    def _others(self) -> None:
        """Write what has no row."""
        if self.grid.rows and not self.grid.others:
            return
        self.y += CELL / 2
        self.sheet.text(
            0,
            self.y + CELL / 2,
            'without a row' if self.grid.others else 'there are no devices',
            alpha=sheet_.FAINT,
        )
        self.y += CELL
        for number, line in enumerate(self.grid.others, len(self.grid.rows)):
            self._legend(line, f'row-{number}')
            self.y += CELL

    def _cell(
        self, x: float, y: float, answer: grid_.Answer, name: str
    ) -> None:
        colour, ink = COLOURS[answer]
        blank = answer is grid_.Answer.UNKNOWN
        self.sheet.square(
            x + 0.015,
            y + 0.015,
            CELL - 0.03,
            gid=f'cell-{name}',
            facecolor=colour,
            edgecolor=sheet_.GREY if blank else colour,
            linestyle='--' if blank else '-',
            linewidth=1,
        )
        self.sheet.text(
            x + CELL / 2,
            y + CELL / 2,
            answer.sign,
            size=11,
            va='center',
            ha='center',
            color=ink,
            gid=f'sign-{name}',
        )


def _number(line: grid_.Line, what: str) -> int:
    """Return how many hosts or devices there are."""
    return (
        len(line.kind.by_host) if what == 'hosts' else len(line.kind.members)
    )
