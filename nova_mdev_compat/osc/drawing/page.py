# SPDX-License-Identifier: Apache-2.0
"""The page around the picture of a matrix, and the same in tables. Pure.

It is made of elements, so that nothing that Placement says of a host can be
taken for HTML. It has no script, and asks for nothing.
"""

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.osc.drawing import grid as grid_

#: Nothing but what the page itself has, even if something in it were wrong.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; font-src data:; "
    'img-src data:'
)
#: The picture is on white paper, the page's is as its reader likes it.
STYLE = """\
:root { color-scheme: light dark; }
body { font-family: system-ui, sans-serif; line-height: 1.4; margin: 1.5rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; }
figure, .wide { margin: 1rem 0; overflow-x: auto; }
figure svg { display: block; }
figure svg text { fill: CanvasText; }
figure svg #paper path { fill: none !important; }
figure svg .cell:hover path { stroke: CanvasText !important;
  stroke-width: 2 !important; stroke-dasharray: none !important; }
table { border-collapse: collapse; }
caption { text-align: left; }
th, td { border-bottom: 1px solid color-mix(in srgb, CanvasText 25%, Canvas);
  padding: 0.2rem 1rem 0.2rem 0; text-align: left; vertical-align: top;
  white-space: nowrap; }
td.words { min-width: 14em; overflow-wrap: anywhere; white-space: normal; }
td.number { text-align: right; }
"""
HOW = (
    'A row is where an mdev comes from, a column where it may go. Point at '
    'a cell to read why; the tables below say the same.'
)


def html(grid: grid_.Grid, picture: ET.Element) -> str:
    """Return the page.

    :param picture: an SVG element without namespaces in its tags
    """
    title = grid_.printable(grid.title)
    root = _element(
        'html',
        _head(title),
        _element(
            'body',
            _element('h1', title),
            _element(
                'figure', _element('figcaption', HOW), picture, tabindex='0'
            ),
            _element('h2', 'Kinds of devices'),
            _kinds(grid),
            _element('h2', 'From each kind to each'),
            _pairs(grid),
        ),
        lang='en',
    )
    return '<!DOCTYPE html>\n' + ET.tostring(root, 'unicode', method='html')


def _element(
    tag: str, *children: ET.Element | str, **attributes: str
) -> ET.Element:
    """Return an element that contains a text, or elements."""
    element = ET.Element(
        tag,
        {
            name.rstrip('_').replace('_', '-'): value
            for name, value in attributes.items()
        },
    )
    element.tail = '\n'
    for child in children:
        if isinstance(child, str):
            element.text = grid_.printable(child)
        else:
            element.append(child)
    return element


def _head(title: str) -> ET.Element:
    style = _element('style')
    style.text = STYLE
    return _element(
        'head',
        _element('meta', charset='utf-8'),
        _element('meta', http_equiv='Content-Security-Policy', content=POLICY),
        _element(
            'meta',
            name='viewport',
            content='width=device-width, initial-scale=1',
        ),
        _element('link', rel='icon', href='data:,'),
        _element('title', title),
        style,
    )


def _table(
    caption: str, names: Iterable[str], rows: Iterable[ET.Element]
) -> ET.Element:
    return _element(
        'div',
        _element(
            'table',
            _element('caption', caption),
            _element(
                'thead',
                _element(
                    'tr',
                    *(_element('th', name, scope='col') for name in names),
                ),
            ),
            _element('tbody', *rows),
        ),
        class_='wide',
        tabindex='0',
    )


def _kinds(grid: grid_.Grid) -> ET.Element:
    kinds = {line.kind.label: line.kind for line in grid.lines}
    common = grid.common_words()
    return _table(
        f'The same in all: {common}'
        if common
        else 'What devices have in common that make a kind',
        ('Kind', 'What it is', 'Devices', 'Hosts', 'Which hosts'),
        (_kind(grid, kind) for kind in kinds.values()),
    )


def _kind(grid: grid_.Grid, kind: device_classes.Kind) -> ET.Element:
    hosts = ', '.join(
        host if number == 1 else f'{host} ({number})'
        for host, number in sorted(kind.by_host.items())
    )
    return _element(
        'tr',
        _element('th', kind.label, scope='row'),
        _words(grid.column_words(kind)),
        _number(len(kind.members)),
        _number(len(kind.by_host)),
        _words(hosts),
    )


def _number(number: int) -> ET.Element:
    return _element('td', str(number), class_='number')


def _words(text: str) -> ET.Element:
    return _element('td', text, class_='words')


def _pairs(grid: grid_.Grid) -> ET.Element:
    return _table(
        'Pairs are pairs of devices on different hosts',
        ('From', 'To', 'Answer', 'Pairs', 'Because'),
        (_pair(line, cell) for line in grid.rows for cell in line.cells),
    )


def _pair(line: grid_.Line, cell: device_classes.Cell) -> ET.Element:
    origin = line.kind.label
    if len(line.kind.sources) > 1:
        origin += f' {cell.source.type}'
    answer = grid_.Answer.of(cell)
    return _element(
        'tr',
        _element('th', origin, scope='row'),
        _element('td', cell.destination.label),
        _element('td', f'{answer.sign} {answer.word}'),
        _number(cell.number),
        _words(grid_.because(cell)),
    )
