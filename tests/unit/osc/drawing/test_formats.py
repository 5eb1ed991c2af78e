# SPDX-License-Identifier: Apache-2.0

import itertools
import pathlib

import ddt
import fixtures
from PIL import Image
import testtools

from nova_mdev_compat.osc.drawing import grid as grid_
from nova_mdev_compat.osc.drawing import layout
from nova_mdev_compat.osc.drawing import sheet
from tests import picture_samples as samples

SVG = samples.SVG
#: samples.HOSTILE as it is shown.
HARMLESS = '<script>alert("1")</script>&amp;\'���]]>$\\frac{$中�'


class PictureTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def svg(self, found, title=samples.TITLE):
        """Return the picture, and its groups by their ids."""
        return samples.groups(
            samples.write(self.home / 'matrix.svg', found, title)
        )


@ddt.ddt
class SvgTest(PictureTestCase):
    @ddt.data('one', 'two', 'mixed', 'sixty')
    def test_cells(self, name):
        found = samples.SAMPLES[name]()
        grid = samples.grid(found)
        root, groups = self.svg(found)
        self.assertEqual(samples.TITLE, root.get('aria-label'))
        self.assertEqual(
            sum(len(line.cells) for line in grid.rows),
            sum(group.get('class') == 'cell' for group in groups.values()),
        )
        for row, line in enumerate(grid.rows):
            for column, cell in enumerate(line.cells):
                title, path, sign = groups[f'cell-{row}-{column}']
                answer = grid_.Answer.of(cell)
                self.assertEqual(
                    '\n'.join(grid.cell_words(line, cell)), title.text
                )
                self.assertEqual(answer.sign, sign.text)
                self.assertIn(
                    f'fill: {layout.COLOURS[answer][0]}', path.get('style')
                )

    @ddt.data(0, 1)
    def test_a_picture_of_nothing(self, number):
        """No devices, or none of which anything is known."""
        self.svg(
            samples.kinds_of(
                *[samples.host('a', samples.silent(), published=False)]
                * number
            )
        )
        self.assertIn(
            [
                'text there are no devices',
                'text no collector has published here',
            ][number],
            samples.words(self.home / 'matrix.svg').splitlines(),
        )

    def test_words(self):
        """Made anew by "python -m tests.picture_samples DIRECTORY"."""
        path = samples.write(self.home / 'matrix.svg', samples.mixed())
        self.assertEqual(samples.WORDS.read_text('utf-8'), samples.words(path))

    def test_which_hosts(self):
        found = samples.kinds_of(
            *(
                samples.host(f'gpu-{number:02}', samples.board())
                for number in range(12)
            )
        )
        _, groups = self.svg(found)
        for name in ('row-0', 'column-0'):
            title = groups[name].findtext(SVG + 'title')
            self.assertEqual(
                'A: 10de:2235 NVIDIA_558\n12 devices on 12 hosts: '
                + ', '.join(f'gpu-{number:02}' for number in range(10))
                + ' and 2 more hosts',
                title,
            )

    def test_names_are_text(self):
        root, groups = self.svg(
            samples.kinds_of(samples.host(samples.HOSTILE, samples.board())),
            samples.HOSTILE,
        )
        self.assertEqual(HARMLESS, root.get('aria-label'))
        self.assertIn(
            HARMLESS, [text.text for text in root.iter(SVG + 'text')]
        )
        self.assertTrue(
            groups['row-0'].findtext(SVG + 'title').endswith(HARMLESS)
        )
        self.assertEqual([], list(root.iter(SVG + 'script')))

    def test_letters_are_large_enough(self):
        root, _ = self.svg(samples.many(60))
        for text in root.iter(SVG + 'text'):
            self.assertThat(
                text.get('style'),
                testtools.matchers.MatchesRegex(
                    r'.*font(-size)?: .*(9\.5|1[13])px'
                ),
            )

    def test_long_values_fit(self):
        """Into the picture, and into the column."""
        kernel = '5.14.0-570.12.1.el9_6.x86_64' * 4
        rules = samples.RULES.replace('os: same', 'kernel: same')
        root, _ = self.svg(
            samples.kinds_of(
                *(
                    samples.host(name, samples.board(by=rules, kernel=value))
                    for name, value in (('a', kernel), ('b', '6.1'))
                )
            )
        )
        (text,) = (
            text for text in root.iter(SVG + 'text') if 'X86.64' in text.text
        )
        with sheet.settings():
            end = float(text.get('x')) + 72 * sheet.Sheet().width(text.text)
        devices = next(
            text for text in root.iter(SVG + 'text') if text.text == 'hosts'
        )
        self.assertLess(end, float(devices.get('x')))
        self.assertLess(
            float(devices.get('x')), float(root.get('viewBox').split()[2])
        )


class PngTest(PictureTestCase):
    def test_colours(self):
        """At each cell; SVG is in points, and of the same proportions."""
        found = samples.mixed()
        root, groups = self.svg(found)
        samples.write(self.home / 'matrix.png', found)
        image = Image.open(self.home / 'matrix.png').convert('RGB')
        scale = image.width / float(root.get('viewBox').split()[2])
        grid = samples.grid(found)
        for row, line in enumerate(grid.rows):
            for column, cell in enumerate(line.cells):
                path = groups[f'cell-{row}-{column}'].find(SVG + 'path')
                _, x, y, *_ = path.get('d').split()
                colour, _ = layout.COLOURS[grid_.Answer.of(cell)]
                self.assertEqual(
                    tuple(bytes.fromhex(colour[1:])),
                    image.getpixel(
                        (
                            round((float(x) + 4) * scale),
                            round((float(y) + 4) * scale),
                        )
                    ),
                )

    def test_black_and_white(self):
        """Colours differ by their brightness, too; signs stand out."""

        def luminance(colour):
            return sum(
                weight * (value / 255) ** 2.2
                for weight, value in zip(
                    (0.2126, 0.7152, 0.0722),
                    bytes.fromhex(colour[1:]),
                    strict=True,
                )
            )

        grounds = sorted(
            luminance(ground) for ground, _ in layout.COLOURS.values()
        )
        for darker, lighter in itertools.pairwise(grounds):
            self.assertGreater((lighter + 0.05) / (darker + 0.05), 1.15)
        for pair in layout.COLOURS.values():
            ink, ground = sorted(map(luminance, pair))
            self.assertGreater((ground + 0.05) / (ink + 0.05), 4.5)

    def test_a_large_one_fits_into_memory(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_mdev_compat.osc.drawing.sheet.MAX_PIXELS', 500
            )
        )
        samples.write(self.home / 'matrix.png', samples.two())
        image = Image.open(self.home / 'matrix.png')
        self.assertLess(max(image.size), 600)
