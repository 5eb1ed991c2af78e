# SPDX-License-Identifier: Apache-2.0
"""Pictures of a matrix, as a browser shows them."""

import pathlib

import ddt
import fixtures
import testtools

from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.osc.drawing import grid
from nova_mdev_compat.osc.drawing import layout
from tests.functional import browser as browser_
from tests import picture_samples

HOSTILE = '<script>alert(1)</script>"\'&amp;</title></svg><img src=x>'
CELLS = """
[...document.querySelectorAll('.cell')].map(cell => {
  const box = cell.getBoundingClientRect();
  return [cell.id, box.x, box.y, box.width, box.height];
})
"""
TITLE_AT = """
document.elementFromPoint({}, {}).closest('g.cell').querySelector('title')
  .textContent
"""
#: Texts of the picture that stand on each other, or reach out of it.
MISPLACED = """
(() => {
  const svg = document.querySelector('svg').getBoundingClientRect();
  const texts = [...document.querySelectorAll('svg text')].map(
    text => [text.textContent, text.getBoundingClientRect()]);
  return texts.filter(([name, box], index) =>
    box.left < svg.left || box.right > svg.right || box.top < svg.top
    || box.bottom > svg.bottom || texts.slice(index + 1).some(
      ([, other]) => box.left < other.right && other.left < box.right
        && box.top + 4 < other.bottom && other.top + 4 < box.bottom)
  ).map(([name]) => name);
})()
"""


def rgb(colour):
    return tuple(bytes.fromhex(colour.removeprefix('#')))


class BrowserTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.browser = self.useFixture(browser_.Browser())

    def show(self, found, suffix='.html', **how):
        """Open the picture of kinds; return what its cells say by id."""
        path = picture_samples.write(self.home / f'matrix{suffix}', found)
        self.browser.open(path, **how)
        self.assertEqual([], self.browser.complaints())
        self.assertEqual(
            [path.as_uri()],
            [
                url
                for url in self.browser.requests()
                if not url.startswith('data:')
            ],
        )
        return {
            f'cell-{row}-{column}': cell
            for row, cells in enumerate(device_classes.matrix(found, found))
            for column, cell in enumerate(cells)
        }

    def assert_coloured(self, cells):
        """Each cell has the colour of its answer."""
        shown = self.browser.screenshot()
        boxes = self.browser.evaluate(CELLS)
        self.assertEqual(len(cells), len(boxes))
        for name, x, y, width, height in boxes:
            colour, _ = layout.COLOURS[grid.Answer.of(cells[name])]
            self.assertEqual(
                rgb(colour),
                shown.getpixel((round(x + width / 5), round(y + height / 5))),
                name,
            )


@ddt.ddt
class PageTest(BrowserTestCase):
    @ddt.data(*picture_samples.SAMPLES)
    def test_cells_are_there(self, name):
        cells = self.show(
            picture_samples.SAMPLES[name](), width=2800, height=2400
        )
        boxes = self.browser.evaluate(CELLS)
        self.assertEqual(set(cells), {box[0] for box in boxes})
        for cell, *_, width, height in boxes:
            self.assertGreater(min(width, height), 20, cell)
        self.assert_coloured(cells)
        self.assertEqual(
            len(cells),
            self.browser.evaluate(
                "document.querySelectorAll('table:last-of-type tbody')[1]"
                '.rows.length'
            ),
        )

    @ddt.data(*picture_samples.SAMPLES)
    def test_nothing_overflows(self, name):
        self.show(picture_samples.SAMPLES[name]())
        self.assertEqual([], self.browser.evaluate(MISPLACED))
        for width in (1280, 400):
            self.browser.resize(width)
            self.assertLessEqual(
                self.browser.evaluate('document.documentElement.scrollWidth'),
                width,
            )

    def test_pointing_at_a_cell(self):
        cells = self.show(picture_samples.mixed())
        drawn = grid.Grid.of(
            (), device_classes.matrix(*[picture_samples.mixed()] * 2), ''
        )
        for name, x, y, width, height in self.browser.evaluate(CELLS):
            _, row, column = name.split('-')
            line = drawn.rows[int(row)]
            words = '\n'.join(drawn.cell_words(line, line.cells[int(column)]))
            # In the middle is the sign.
            for place in ((x + 2, y + 2), (x + width / 2, y + height / 2)):
                self.assertEqual(
                    words, self.browser.evaluate(TITLE_AT.format(*place))
                )
        self.assertIn(
            str(cells['cell-2-0'].verdict),
            drawn.cell_words(drawn.rows[2], drawn.rows[2].cells[0])[-1],
        )

    def test_the_pointer_marks_a_cell(self):
        self.show(picture_samples.two())
        _, x, y, width, height = self.browser.evaluate(CELLS)[0]
        edge = round(x) + 1, round(y + height / 2)
        before = self.browser.screenshot().getpixel(edge)
        self.browser.point_at(x + width / 2, y + height / 2)
        self.assertNotEqual(before, self.browser.screenshot().getpixel(edge))

    def test_in_the_dark(self):
        self.browser.prefer('dark')
        cells = self.show(picture_samples.mixed())
        self.assert_coloured(cells)
        paper = self.browser.screenshot().getpixel((5, 5))
        self.assertLess(max(paper), 64)
        ink, shown = self.browser.evaluate("""
            [getComputedStyle(document.querySelector('#row-0 text')).fill,
             getComputedStyle(document.querySelector('h1')).color]""")
        self.assertEqual(shown, ink)
        _, x, y, *_ = self.browser.evaluate(CELLS)[0]
        between = self.browser.screenshot().getpixel(
            (round(x) - 10, round(y) + 10)
        )
        self.assertEqual(paper, between)

    def test_fonts_are_in_it(self):
        self.show(picture_samples.mixed())
        self.assertEqual(
            ['loaded'] * 2,
            self.browser.evaluate(
                '[...document.fonts].map(font => font.status)'
            ),
        )

    def test_what_a_screen_reader_is_told(self):
        self.show(picture_samples.two())
        told = self.browser.accessible()
        self.assertIn(('image', picture_samples.TITLE), told)
        self.assertIn(('heading', 'Kinds of devices'), told)
        for role, name in (
            ('columnheader', 'Because'),
            ('rowheader', 'B'),
            ('cell', 'driver 550.90.05 is not at most 535.183.04'),
        ):
            self.assertIn((role, name), told)

    def test_no_name_of_a_host_is_html(self):
        self.show(
            picture_samples.kinds_of(
                picture_samples.host(HOSTILE, picture_samples.board()),
                picture_samples.host('other', picture_samples.board()),
            )
        )
        self.assertEqual(
            [0, 0, 1, 2],
            self.browser.evaluate("""
            ['script', 'img', 'svg', 'table'].map(
              tag => document.getElementsByTagName(tag).length)"""),
        )
        for selector in ('#row-0 title', 'tbody td:last-child'):
            self.assertIn(
                HOSTILE,
                self.browser.evaluate(
                    f"document.querySelector('{selector}').textContent"
                ),
            )


class StandaloneTest(BrowserTestCase):
    def test_an_svg_shows_the_same(self):
        cells = self.show(picture_samples.mixed(), '.svg')
        self.assert_coloured(cells)
        self.assertEqual([], self.browser.evaluate(MISPLACED))
        self.assertEqual(
            ['loaded'] * 2,
            self.browser.evaluate(
                '[...document.fonts].map(font => font.status)'
            ),
        )
        _, x, y, width, height = self.browser.evaluate(CELLS)[0]
        self.assertTrue(
            self.browser.evaluate(
                TITLE_AT.format(x + width / 2, y + height / 2)
            ).endswith('\naccepts')
        )

    def test_a_png_is_one(self):
        path = picture_samples.write(
            self.home / 'matrix.png', picture_samples.two()
        )
        self.browser.open(path)
        self.assertGreater(
            self.browser.evaluate('document.images[0].naturalWidth'), 500
        )
