# SPDX-License-Identifier: Apache-2.0
"""The reasons put into the SVG that matplotlib writes. Pure.

A browser shows the <title> of a group when the pointer is on it.
"""

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.osc.drawing import grid as grid_

_NAMESPACE = 'http://www.w3.org/2000/svg'
#: Hosts that a title names before the others are only counted.
_NAMED = 10


def parse(text: bytes) -> ET.Element:
    """Return matplotlib's SVG without what nobody needs.

    And without namespaces in its tags, which HTML does not know.

    :raises xml.etree.ElementTree.ParseError: it is none
    """
    root = ET.fromstring(text)  # noqa: S314 - from matplotlib in this process
    for element in root.iter():
        element.tag = element.tag.removeprefix(f'{{{_NAMESPACE}}}')
        element.text = (element.text or '').strip()
        element.tail = '\n'
        if element.get('transform', '').startswith('rotate(-0 '):
            del element.attrib['transform']
    for name in ('metadata', 'defs'):
        for element in root.findall(name):
            root.remove(element)
    return root


def letters(root: ET.Element) -> str:
    """Return the letters that the picture shows, in order."""
    return ''.join(
        sorted(
            {
                letter
                for element in root.iter('text')
                for letter in element.text or ''
            }
        )
    )


def explain(root: ET.Element, grid: grid_.Grid) -> None:
    """Give titles to the cells and letters of a picture of a grid."""
    groups = {element.get('id'): element for element in root.iter('g')}
    parents = {child: parent for parent in root.iter() for child in parent}
    for number, line in enumerate(grid.lines):
        _title(groups[f'row-{number}'], _devices(line.kind, grid.words(line)))
        for column, cell in enumerate(line.cells):
            group = groups[f'cell-{number}-{column}']
            sign = groups[f'sign-{number}-{column}']
            parents[sign].remove(sign)
            group.extend(sign)
            group.set('class', 'cell')
            _title(group, grid.cell_words(line, cell))
    for number, kind in enumerate(grid.columns):
        for name in (f'column-{number}', f'foot-{number}'):
            if name in groups:
                _title(groups[name], _devices(kind, grid.column_words(kind)))


def _title(group: ET.Element, lines: Iterable[str]) -> None:
    title = ET.Element('title')
    title.text = '\n'.join(map(grid_.printable, lines))
    title.tail = '\n'
    group.insert(0, title)


def _devices(kind: device_classes.Kind, words: str) -> list[str]:
    hosts = sorted(kind.by_host)
    others = len(hosts) - _NAMED
    names = ', '.join(hosts[:_NAMED]) + (
        f' and {others} more hosts' if others > 0 else ''
    )
    return [f'{kind.label}: {words}', f'{grid_.devices(kind)}: {names}']


def finish(root: ET.Element, grid: grid_.Grid, css: str) -> None:
    """Make it stand for itself: with a name, and its fonts."""
    root.attrib.pop('version', None)
    root.attrib.update(
        {
            'xmlns': _NAMESPACE,
            'role': 'img',
            'aria-label': grid_.printable(grid.title),
        }
    )
    style = ET.Element('style')
    style.text = css
    style.tail = '\n'
    root.insert(0, style)
