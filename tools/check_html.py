# SPDX-License-Identifier: Apache-2.0
"""Check built HTML pages for what Sphinx does not notice.

The argument is a directory with a build. What is reported:

* tables that have fallen apart: a row with too many or too few cells, or an
  empty first cell, which is what a simple table makes of a first column that
  wraps. A cell that is meant to be empty has a dash.
* tables that are wider than the page: their longest words have no room, or
  the output of a command has longer lines. Blocks with the class ``wide``
  have smaller letters; long lines of those with the class ``wrap`` are
  wrapped.
* links and images that lead nowhere within the build. Links to other sites
  are not followed.
* markup that was not understood and is shown as it was written, such as a line
  of "=" that a merge has left.

The exit status is 1 if there is something to report.
"""

import collections
from collections.abc import Iterator
import pathlib
import re
import sys
from urllib import parse

from lxml import etree
from lxml import html

#: In characters: what fits in a line of text, and of a literal block.
PAGE = 96
LITERAL = 90
WIDE_LITERAL = 119
#: What a reader may be asked to scroll to: a long command, or XML.
SCROLLED = 120
#: The padding of a cell, and that of a table, takes as much as this.
PADDING = 2
#: Written by others, not by Sphinx.
FOREIGN = ('_static', '_downloads', '_sources')
#: Lines below titles, marks of a merge, roles and literals of reStructuredText.
MARKUP = re.compile(r'={4,}|-{5,}|~{4,}|<{4,}|>{4,}|:\w+:`|``')
#: Text nodes outside of code, which may have such characters.
PROSE = (
    '//body//text()[not(ancestor::pre or ancestor::code or ancestor::script '
    'or ancestor::style)]'
)
#: Rows of a table that a command has printed.
DRAWN = re.compile(r'^(\+-|\| )')


def span(cell: html.HtmlElement, name: str) -> int:
    return int(cell.get(name, 1))


def text(element: html.HtmlElement) -> str:
    return ' '.join(element.text_content().split())


def is_empty(cell: html.HtmlElement) -> bool:
    has_image = cell.find('.//img') is not None
    return cell.tag == 'td' and not text(cell) and not has_image


def grid(table: html.HtmlElement) -> list[list[html.HtmlElement]]:
    """Return the cells of each row, with those that reach into it."""
    rows = []
    open_spans: collections.Counter[html.HtmlElement] = collections.Counter()
    for row in table.iterfind('.//tr'):
        cells = [cell for cell in open_spans.elements() if open_spans[cell]]
        reaching = list(dict.fromkeys(cells))
        own = [cell for cell in row if cell.tag in ('td', 'th')]
        for cell in reaching:
            open_spans[cell] -= 1
        for cell in own:
            if span(cell, 'rowspan') > 1:
                open_spans[cell] = span(cell, 'rowspan') - 1
        rows.append(
            [
                cell
                for cell in (*reaching, *own)
                for _ in range(span(cell, 'colspan'))
            ]
        )
    return rows


def narrowest(table: html.HtmlElement) -> int:
    """Return how wide a table is that breaks wherever it may.

    In characters. A browser breaks at blanks, and after a hyphen.
    """
    widths: dict[int, int] = {}
    for row in table.iterfind('.//tr'):
        for index, cell in enumerate(row):
            words = re.split(r'\s+|(?<=-)', cell.text_content())
            longest = max(map(len, words), default=0)
            widths[index] = max(widths.get(index, 0), longest)
    return sum(widths.values()) + PADDING * len(widths)


def tables(page: html.HtmlElement) -> Iterator[str]:
    for table in page.iterfind('.//table'):
        rows = grid(table)
        wanted = max(map(len, rows))
        for row in rows:
            shown = ' | '.join(text(cell) for cell in row)[:70]
            if len(row) != wanted:
                yield f'{len(row)} cells instead of {wanted}: {shown}'
            elif wanted > 1 and is_empty(row[0]):
                yield f'empty first cell: {shown}'
        width = narrowest(table)
        if width > PAGE:
            head = ' | '.join(text(cell) for cell in rows[0])[:70]
            yield f'table of {width} characters, {PAGE} fit: {head}'


def literal_blocks(page: html.HtmlElement) -> Iterator[str]:
    for block in page.iterfind('.//pre'):
        around = ' '.join(
            one.get('class', '') for one in block.iterancestors()
        )
        classes = around.split()
        if 'wrap' in classes:
            continue
        rows = WIDE_LITERAL if 'wide' in classes else LITERAL
        for line in block.text_content().splitlines():
            limit = rows if DRAWN.match(line) else SCROLLED
            if len(line) > limit:
                yield (
                    f'literal of {len(line)} characters, {limit} fit: '
                    f'{line[:60]}'
                )
                break


def leftover_markup(page: html.HtmlElement) -> Iterator[str]:
    for node in page.xpath(PROSE):
        if MARKUP.search(node):
            yield f'markup in the text: {" ".join(node.split())[-70:]}'


class Build:
    """A directory with HTML pages."""

    def __init__(self, home: pathlib.Path) -> None:
        self.home = home.resolve()
        self.pages = {
            path: html.parse(str(path)).getroot()
            for path in sorted(self.home.rglob('*.html'))
            if path.relative_to(self.home).parts[0] not in FOREIGN
        }
        self.anchors = {
            path: {
                value
                for name in ('id', 'name')
                for value in page.xpath(f'//@{name}')
            }
            for path, page in self.pages.items()
        }

    def dangling(
        self, path: pathlib.Path, page: html.HtmlElement
    ) -> Iterator[str]:
        for element, _, link, _ in page.iterlinks():
            parts = parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path
            if parts.path:
                target = (path.parent / parse.unquote(parts.path)).resolve()
            fragment = parse.unquote(parts.fragment)
            if not target.is_file():
                yield f'<{element.tag}> leads nowhere: {link}'
            elif (
                fragment
                and target in self.anchors
                and fragment not in self.anchors[target]
            ):
                yield f'there is no such place: {link}'

    def findings(self) -> Iterator[str]:
        for path, page in self.pages.items():
            name = path.relative_to(self.home)
            for found in (
                *tables(page),
                *literal_blocks(page),
                *leftover_markup(page),
                *dict.fromkeys(self.dangling(path, page)),
            ):
                yield f'{name}: {found}'


def main(*directories: str) -> int:
    status = 0
    for directory in directories:
        build = Build(pathlib.Path(directory))
        if not build.pages:
            print(f'{directory}: there are no pages')
            status = 1
        for finding in build.findings():
            print(finding)
            status = 1
    return status


if __name__ == '__main__':
    try:
        sys.exit(main(*sys.argv[1:]))
    except etree.ParserError as exc:
        sys.exit(str(exc))
