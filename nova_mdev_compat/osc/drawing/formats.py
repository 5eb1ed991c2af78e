# SPDX-License-Identifier: Apache-2.0
"""A picture in each of its formats."""

from collections.abc import Callable, Mapping
import dataclasses
from xml.etree import ElementTree as ET

from nova_mdev_compat.osc.drawing import fonts
from nova_mdev_compat.osc.drawing.grid import Grid
from nova_mdev_compat.osc.drawing import layout
from nova_mdev_compat.osc.drawing import page
from nova_mdev_compat.osc.drawing import sheet
from nova_mdev_compat.osc.drawing import svg


def draw(grid: Grid, suffix: str) -> bytes:
    """Return the picture of a grid; the same bytes for the same grid.

    :param suffix: of a file's name, a key of FORMATS
    """
    with sheet.settings():
        return FORMATS[suffix](grid)


def _png(grid: Grid) -> bytes:
    return layout.draw(grid).png()


def _svg(grid: Grid) -> bytes:
    content: bytes = ET.tostring(
        _element(grid, layout.draw(grid)), 'utf-8', xml_declaration=True
    )
    return content


def _html(grid: Grid) -> bytes:
    # The page itself has the title.
    drawn = layout.draw(dataclasses.replace(grid, title=''))
    return page.html(grid, _element(grid, drawn)).encode()


def _element(grid: Grid, drawn: sheet.Sheet) -> ET.Element:
    root = svg.parse(drawn.svg())
    svg.explain(root, grid)
    svg.finish(root, grid, fonts.css(sheet.FONTS, svg.letters(root)))
    return root


FORMATS: Mapping[str, Callable[[Grid], bytes]] = {
    '.svg': _svg,
    '.png': _png,
    '.html': _html,
}
