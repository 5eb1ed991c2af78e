# SPDX-License-Identifier: Apache-2.0
"""A sheet to draw on. The only module that imports matplotlib.

It needs no display, and neither heeds nor changes what is configured for
matplotlib.
"""

from collections.abc import Iterator
import contextlib
import io
import pathlib
from typing import Any
import warnings

import matplotlib
from matplotlib import figure
from matplotlib import font_manager
from matplotlib import lines
from matplotlib import patches
from matplotlib import textpath

INK, GREY = '#000000', '#5c5c5c'
#: Opacity of ink that is less important, on any paper.
FAINT = 0.65
#: In points.
NORMAL = 9.5

DPI = 150
#: In one direction: more than any screen has, and what memory takes.
MAX_PIXELS = 12000

#: By weight: those that matplotlib brings, not what this machine may have.
FONTS = {
    weight: pathlib.Path(matplotlib.get_data_path(), 'fonts/ttf', name)
    for weight, name in (
        ('normal', 'DejaVuSans.ttf'),
        ('bold', 'DejaVuSans-Bold.ttf'),
    )
}


@contextlib.contextmanager
def settings() -> Iterator[None]:
    """Draw within this."""
    with warnings.catch_warnings(), matplotlib.rc_context():
        # A letter that the font lacks is a box.
        warnings.filterwarnings('ignore', 'Glyph .* missing from')
        matplotlib.rcdefaults()
        # Text stays text, of one font; ids are the same in each run.
        matplotlib.rcParams['svg.fonttype'] = 'none'
        matplotlib.rcParams['font.sans-serif'] = ['DejaVu Sans']
        matplotlib.rcParams['svg.hashsalt'] = 'nova-mdev-compat'
        yield


class Sheet:
    """A figure on which one unit is an inch, and y goes down.

    It becomes as large as what is on it.
    """

    def __init__(self) -> None:
        # One inch, so that the figure's own coordinates are inches.
        self._figure = figure.Figure(figsize=(1, 1))
        self._figure.patch.set_gid('paper')
        self._farthest = 1.0
        self._fonts = {
            weight: font_manager.FontProperties(fname=path, weight=weight)
            for weight, path in FONTS.items()
        }

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = NORMAL,
        bold: bool = False,
        **how: Any,
    ) -> None:
        """Write one line; y is its middle.

        :param how: see matplotlib.text.Text
        """
        self._reach(x, y)
        self._figure.text(
            x,
            -y,
            text,
            parse_math=False,
            **{
                'va': 'center_baseline',
                'ha': 'left',
                'color': INK,
                'fontproperties': self._font(size, bold),
                **how,
            },
        )

    def square(self, x: float, y: float, side: float, **how: Any) -> None:
        """Draw a square, from its upper left corner.

        :param how: see matplotlib.patches.Patch
        """
        self._reach(x + side, y + side)
        self._figure.add_artist(
            patches.Rectangle(
                (x, -y), side, -side, transform=self._figure.transFigure, **how
            )
        )

    def line(self, x: float, y: float, width: float) -> None:
        """Draw a thin line to the right."""
        self._reach(x + width, y)
        self._figure.add_artist(
            lines.Line2D(
                (x, x + width),
                (-y, -y),
                color=GREY,
                linewidth=0.4,
                alpha=0.5,
                transform=self._figure.transFigure,
            )
        )

    def width(
        self, text: str, *, size: float = NORMAL, bold: bool = False
    ) -> float:
        """Return how wide a text is, in inches."""
        points: float
        points, _, _ = textpath.text_to_path.get_text_width_height_descent(
            text, self._font(size, bold), False
        )
        return points / 72

    def _font(self, size: float, bold: bool) -> font_manager.FontProperties:
        font = self._fonts['bold' if bold else 'normal'].copy()
        font.set_size(size)
        return font

    def _reach(self, x: float, y: float) -> None:
        self._farthest = max(self._farthest, x, y)

    def svg(self) -> bytes:
        """Return what is drawn as matplotlib writes it, undated."""
        return self._saved('svg', {'Date': None})

    def png(self) -> bytes:
        return self._saved('png', {'Software': None})

    def _saved(
        self, file_format: str, metadata: dict[str, str | None]
    ) -> bytes:
        output = io.BytesIO()
        self._figure.savefig(
            output,
            format=file_format,
            metadata=metadata,
            dpi=min(DPI, MAX_PIXELS / self._farthest),
            bbox_inches='tight',
            pad_inches=0.15,
        )
        return output.getvalue()
