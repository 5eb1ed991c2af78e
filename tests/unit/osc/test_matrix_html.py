# SPDX-License-Identifier: Apache-2.0

import base64
import hashlib
from html import parser
import itertools
import os
import pathlib
import re
import subprocess
import sys
from unittest import mock

import ddt
import fixtures
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.osc import matrix_html
from nova_mdev_compat.osc.matrix_html import Sign
from tests import matrix_samples as samples

#: samples.HOSTILE as the page shows it.
HARMLESS = '<script>alert("1")</script>&amp;\'���]]>$\\frac{$中�'


class Tables(parser.HTMLParser):
    """Reads a page as a browser does.

    :ivar elements: pairs of tag and attributes, in order
    :ivar texts: of each element that has any, in order
    :ivar rows: by the id of their table; a list of texts of cells
    :ivar signs: of the matrix, by row; pairs of sign and title
    :ivar inline: the content of style and script, by tag
    """

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self.inline = [], [], {}
        self.rows, self.signs = {}, []
        self._table = self._tag = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        self._tag = tag
        if tag == 'table':
            self._table = self.rows.setdefault(attrs['id'], [])
        elif tag == 'tr':
            self._table.append([])
            self.signs.append([])
        elif tag in ('th', 'td'):
            self._table[-1].append('')
            if 'sign' in attrs.get('class', '').split():
                self.signs[-1].append((attrs['class'], attrs['title']))

    def handle_data(self, data):
        if self._tag in ('style', 'script'):
            self.inline[self._tag] = self.inline.get(self._tag, '') + data
        elif data.strip():
            self.texts.append(data)
            if self._table and self._table[-1]:
                self._table[-1][-1] += data.strip(' \n')

    def handle_endtag(self, tag):
        self._tag = None
        if tag == 'table':
            self._table = None

    def titles(self):
        return [
            attrs['title'] for _, attrs in self.elements if 'title' in attrs
        ]

    def body(self, table):
        """Return the rows of a table without its header."""
        return self.rows[table][1:]


def legend(found):
    """Return what the legend shows of each source, without gaps."""
    its = matrix_html.Legend(found)
    return [
        ' '.join(
            filter(None, (kind.label, *its.values(kind, source).values()))
        )
        for kind in found
        for source in kind.sources
    ]


class LegendTest(testtools.TestCase):
    def test_what_is_the_same_in_all_is_shown_once(self):
        found = samples.two()
        its = matrix_html.Legend(found)
        self.assertEqual({'ecc': 'on', 'os': 'rhel-9.6'}, its.common)
        self.assertEqual(['device', 'type', 'driver'], its.attributes)
        self.assertEqual(
            [
                'A 10de:2235 nvidia-558 535.183.04',
                'B 10de:2235 nvidia-558 550.90.05',
            ],
            legend(found),
        )

    def test_nothing_is_the_same_in_all(self):
        self.assertEqual(
            {},
            matrix_html.Legend(
                samples.kinds_of(
                    samples.host('a', samples.board()),
                    samples.host(
                        'b',
                        samples.board(
                            driver='535.54.03', ecc='off', os='rhel-9.4'
                        ),
                    ),
                )
            ).common,
        )

    def test_a_fact_that_only_others_have(self):
        """Unknown for a device of the vendor, absent for another vendor's."""
        found = samples.kinds_of(
            samples.host('a', samples.board()),
            samples.host('b', samples.board(ecc=None)),
            samples.host('c', samples.mtty()),
        )
        self.assertEqual(
            [
                'A 10de:2235 nvidia-558 550.90.05 on rhel-9.6',
                'B 10de:2235 nvidia-558 550.90.05 unknown rhel-9.6',
                'C mtty mtty-1 6.12.0',
            ],
            legend(found),
        )

    def test_alike_but_for_what_they_accept(self):
        found = samples.kinds_of(
            samples.host('a', samples.board()),
            samples.host('b', samples.board(by=samples.CAREFUL)),
        )
        self.assertEqual(
            [
                'A 10de:2235 nvidia-558',
                'B 10de:2235 nvidia-558 other sources than A',
            ],
            legend(found),
        )
        self.assertEqual(
            '10de:2235 nvidia-558 (accepts other sources than A)',
            matrix_html.Legend(found).kind_text(found[1]),
        )

    def test_one_kind_with_two_types(self):
        found = samples.kinds_of(
            samples.host('a', samples.board(in_use=['nvidia-559']))
        )
        self.assertEqual(
            ['A 10de:2235 nvidia-558', 'A 10de:2235 nvidia-559'], legend(found)
        )
        self.assertEqual(
            '10de:2235 nvidia-558 or 10de:2235 nvidia-559',
            matrix_html.Legend(found).kind_text(found[0]),
        )


@ddt.ddt
class PageTest(testtools.TestCase):
    @ddt.data('one', 'two', 'mixed', 'sixty')
    def test_cells(self, name):
        found = samples.SAMPLES[name]()
        cells = device_classes.matrix(found, found)
        its = matrix_html.Legend(found)
        shown = Tables(samples.page(found))
        self.assertEqual(
            [
                [
                    (
                        f'sign {Sign.of(cell).name.lower()}',
                        f'from {cell.origin.label}: '
                        f'{its.source_text(cell.origin, cell.source)}\n'
                        f'to {cell.destination.label}: '
                        f'{its.kind_text(cell.destination)}\n'
                        + ': '.join(
                            filter(
                                None,
                                (
                                    Sign.of(cell).word,
                                    matrix_html.reasons(cell),
                                ),
                            )
                        ),
                    )
                    for cell in row
                ]
                for row in cells
            ],
            [row for row in shown.signs if row],
        )
        self.assertEqual(
            [[Sign.of(cell).sign for cell in row] for row in cells],
            [row[-len(found) :] for row in shown.body('matrix')[: len(cells)]],
        )
        self.assertEqual(
            [
                [
                    cell.destination.label,
                    Sign.of(cell).sign + Sign.of(cell).word,
                    str(cell.number),
                    matrix_html.reasons(cell),
                ]
                for row in cells
                for cell in row
            ],
            [row[1:] for row in shown.body('reasons')],
        )

    def test_signs_that_there_are(self):
        for found, expected in (
            (samples.mixed(), list(Sign)),
            (samples.two(), [Sign.ACCEPTS, Sign.REFUSES]),
        ):
            texts = Tables(samples.page(found)).texts
            self.assertEqual(
                [sign.meaning for sign in expected],
                [
                    text
                    for text in texts
                    if text in {sign.meaning for sign in Sign}
                ],
            )

    def test_documented(self):
        """python -m tests.matrix_samples doc/source/operator/images mixed"""
        self.assertEqual(
            samples.DOCUMENTED.read_text('utf-8'),
            samples.page(samples.mixed()),
        )

    def test_reasons(self):
        shown = Tables(samples.page(samples.two()))
        self.assertEqual(
            [
                ['A', 'A', '✓accepts', '6', ''],
                ['A', 'B', '✓accepts', '6', ''],
                [
                    'B',
                    'A',
                    '✗refuses',
                    '6',
                    'driver 550.90.05 is not at most 535.183.04',
                ],
                ['B', 'B', '✓accepts', '2', ''],
            ],
            shown.body('reasons'),
        )
        self.assertIn(
            'from B: 10de:2235 nvidia-558 driver=550.90.05\n'
            'to A: 10de:2235 nvidia-558 driver=535.183.04\n'
            'refuses: driver 550.90.05 is not at most 535.183.04',
            shown.titles(),
        )
        self.assertIn('The same in all: ecc on, os rhel-9.6', shown.texts)

    def test_nowhere_to_move(self):
        shown = Tables(
            samples.page(
                samples.kinds_of(
                    samples.host(
                        'a', samples.board(), samples.board(1, ecc='off')
                    )
                )
            )
        )
        self.assertEqual(
            [
                '\N{EN DASH}same host only',
                '0',
                'all devices are on a; otherwise: accepts',
            ],
            shown.body('reasons')[0][2:],
        )
        self.assertEqual(
            [
                '\N{EN DASH}same host only',
                '0',
                'all devices are on a; otherwise: ecc off is not equal to on',
            ],
            shown.body('reasons')[1][2:],
        )

    def test_a_kind_without_a_source(self):
        """It is a column, and its row has no cells."""
        shown = Tables(
            samples.page(
                samples.kinds_of(
                    samples.host('a', samples.board()),
                    samples.host('b', samples.unpublished(), published=False),
                )
            )
        )
        self.assertEqual(['A', 'B'], shown.rows['matrix'][0][-2:])
        self.assertEqual(
            ['B', 'no collector has published here', '1', '1'],
            shown.rows['matrix'][-1],
        )

    @ddt.data(0, 1)
    def test_no_rows(self, number):
        """No devices, or none of which anything is known."""
        shown = Tables(
            samples.page(
                samples.kinds_of(
                    *[
                        samples.host(
                            'a', samples.unpublished(), published=False
                        )
                    ]
                    * number
                )
            )
        )
        self.assertIn(
            ['There are no devices.', 'no collector has published here'][
                number
            ],
            shown.texts,
        )
        self.assertNotIn('script', shown.inline)

    def test_which_hosts(self):
        shown = Tables(
            samples.page(
                samples.kinds_of(
                    *(
                        samples.host(f'gpu-{number:02}', samples.board())
                        for number in range(12)
                    )
                )
            )
        )
        expected = (
            'A: 10de:2235 nvidia-558\n12 devices on 12 hosts: '
            + ', '.join(f'gpu-{number:02}' for number in range(10))
            + ' and 2 more hosts'
        )
        self.assertEqual(2, shown.titles().count(expected))
        self.assertEqual(
            ', '.join(f'gpu-{number:02}' for number in range(12)),
            shown.body('kinds')[0][-1],
        )

    def test_two_devices_of_a_host(self):
        self.assertEqual(
            [
                'A',
                '10de:2235 nvidia-558',
                '6',
                '3',
                'gpu-0 (2), gpu-1 (2), gpu-2 (2)',
            ],
            Tables(samples.page(samples.one())).body('kinds')[0],
        )


class SafetyTest(testtools.TestCase):
    def page(self, name, title='t'):
        return Tables(
            samples.page(
                samples.kinds_of(
                    samples.host(name, samples.board()),
                    samples.host('z', samples.board(ecc='off')),
                ),
                title,
            )
        )

    @hypothesis.given(st.text(), st.text())
    @hypothesis.example(samples.HOSTILE, samples.HOSTILE)
    @hypothesis.example('</td></title></style></script>', '<!--')
    @hypothesis.example('" onmouseover="alert(1)', '{{ 7 * 7 }}{% raw %}')
    def test_no_text_is_html(self, name, title):
        plain, shown = self.page('host'), self.page(name, title)
        for (tag, attrs), (other, found) in zip(
            plain.elements, shown.elements, strict=True
        ):
            self.assertEqual((tag, attrs.keys()), (other, found.keys()))
        self.assertEqual(plain.inline, shown.inline)
        for text in filter(
            str.strip, map(matrix_html.printable, (name, title))
        ):
            self.assertIn(text, ''.join(shown.texts))

    def test_names_are_text(self):
        shown = self.page(samples.HOSTILE, samples.HOSTILE)
        # The title, the heading and a host.
        self.assertEqual(3, shown.texts.count(HARMLESS))
        self.assertTrue(
            any(
                title.endswith(f'1 device on 1 host: {HARMLESS}')
                for title in shown.titles()
            )
        )

    def test_policy(self):
        """Only the style and the script of the page itself are allowed."""
        shown = self.page('host')
        hashes = {
            tag: base64.b64encode(
                hashlib.sha256(content.encode()).digest()
            ).decode()
            for tag, content in shown.inline.items()
        }
        (policy,) = (
            attrs['content']
            for tag, attrs in shown.elements
            if attrs.get('http-equiv')
        )
        self.assertEqual(
            f"default-src 'none'; style-src 'sha256-{hashes['style']}'; "
            f"script-src 'sha256-{hashes['script']}'; img-src data:; "
            "base-uri 'none'; form-action 'none'",
            policy,
        )

    def test_self_contained(self):
        shown = self.page('host')
        for tag, attrs in shown.elements:
            self.assertEqual(set(), {'src', 'style'} & attrs.keys(), tag)
            self.assertIn(attrs.get('href', 'data:,'), 'data:,')
            self.assertFalse([name for name in attrs if name[:2] == 'on'])
        self.assertNotRegex(shown.inline['style'], r'url\(|@import')

    def test_black_and_white(self):
        """Brightness tells colours apart; signs stand out. Light and dark."""

        def luminance(colour):
            return sum(
                weight * (value / 255) ** 2.2
                for weight, value in zip(
                    (0.2126, 0.7152, 0.0722),
                    bytes.fromhex(colour[1:]),
                    strict=True,
                )
            )

        light, _, rest = self.page('host').inline['style'].partition('@media')
        dark, _, _ = rest.partition('@media')
        self.assertIn('prefers-color-scheme: dark', dark)
        colours = {}
        for scheme in (light, dark):
            colours |= {
                name: (ground, ink)
                for name, ground, ink in re.findall(
                    r'\.(\w+) { background: (#\w{6}); color: (#\w{6})', scheme
                )
            }
            self.assertEqual({sign.name.lower() for sign in Sign}, {*colours})
            grounds = sorted(
                luminance(ground) for ground, _ in colours.values()
            )
            for darker, lighter in itertools.pairwise(grounds):
                self.assertGreater((lighter + 0.05) / (darker + 0.05), 1.15)
            for pair in colours.values():
                ink, ground = sorted(map(luminance, pair))
                self.assertGreater((ground + 0.05) / (ink + 0.05), 4.5)

    @hypothesis.given(st.text())
    def test_printable(self, text):
        found = matrix_html.printable(text)
        self.assertTrue(found.isprintable())
        self.assertEqual(len(text), len(found))
        found.encode()


@ddt.ddt
class WriteTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def left(self):
        """Return the names in the directory."""
        return sorted(path.name for path in self.home.iterdir())

    def refuse(self, path):
        """Return what write reports for a path."""
        return str(
            self.assertRaises(
                exceptions.BadInput, samples.write, path, samples.one()
            )
        )

    @ddt.data(
        'matrix.pdf',
        'matrix',
        'html',
        'matrix.html.gz',
        '.html',
        'matrix.svg',
        'matrix.png',
    )
    def test_other_formats(self, name):
        self.assertEqual(
            f'{self.home / name}: HTML is the only format, so the name must '
            'end in .html; to get a PDF, print the page from a browser',
            self.refuse(self.home / name),
        )

    def test_capital_letters(self):
        samples.write(self.home / 'MATRIX.HTML', samples.one())
        self.assertEqual(['MATRIX.HTML'], self.left())

    def test_no_directory(self):
        (self.home / 'file').touch()
        for name, why in (
            ('no', 'No such file or directory'),
            ('file', 'Not a directory'),
        ):
            path = self.home / name / 'matrix.html'
            self.assertEqual(
                f'{path}: directory {path.parent} cannot be written: {why}',
                self.refuse(path),
            )

    def test_a_directory_as_a_file(self):
        (self.home / 'matrix.html').mkdir()
        self.assertEqual(
            f'{self.home / "matrix.html"} is a directory: name a file',
            self.refuse(self.home / 'matrix.html'),
        )

    def test_not_writable(self):
        self.home.chmod(0o555)
        if os.geteuid() == 0:  # who may write everywhere
            self.addCleanup(os.seteuid, 0)
            os.seteuid(65534)
        self.assertTrue(
            self.refuse(self.home / 'matrix.html').endswith(
                f'directory {self.home} cannot be written: Permission denied'
            )
        )

    def test_what_the_system_refuses(self):
        path = self.home / f'{"x" * 300}.html'
        self.assertEqual(
            f'{path} cannot be written: File name too long',
            str(
                self.assertRaises(
                    exceptions.Failure, samples.write, path, samples.one()
                )
            ),
        )
        self.assertEqual([], self.left())

    def test_whole_or_not_at_all(self):
        path = self.home / 'matrix.html'
        path.write_text('before')
        with mock.patch.object(
            pathlib.Path, 'replace', side_effect=ZeroDivisionError
        ):
            self.assertRaises(
                ZeroDivisionError, samples.write, path, samples.one()
            )
        self.assertEqual('before', path.read_text())
        self.assertEqual(['matrix.html'], self.left())

    def test_it_takes_the_place_of_another(self):
        path = self.home / 'matrix.html'
        path.write_text('before')
        samples.write(path, samples.one())
        self.assertEqual(samples.page(samples.one()), path.read_text('utf-8'))

    def test_umask(self):
        self.addCleanup(os.umask, os.umask(0o027))
        path = samples.write(self.home / 'matrix.html', samples.one())
        self.assertEqual(0o640, path.stat().st_mode & 0o777)


class ProcessTest(testtools.TestCase):
    """In another process, whose imports and hashes are its own."""

    def run_python(self, code, **environment):
        done = subprocess.run(
            [sys.executable, '-c', code],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, 'PYTHONIOENCODING': 'utf-8', **environment},
            cwd=pathlib.Path(__file__).parents[3],
        )
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        return done.stdout

    def test_the_same_bytes(self):
        code = (
            'from tests import matrix_samples as samples\n'
            'print(samples.page(samples.mixed()))'
        )
        self.assertEqual(
            self.run_python(code, PYTHONHASHSEED='1'),
            self.run_python(code, PYTHONHASHSEED='2'),
        )

    def test_without_jinja2(self):
        self.assertEqual(
            'the HTML page requires Jinja2 (import of jinja2 halted; None in '
            "sys.modules): pip install 'nova-mdev-compat[osc]'\n",
            self.run_python("""
import pathlib, sys
sys.modules['jinja2'] = None
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.osc import matrix_html
try:
    matrix_html.check(pathlib.Path('matrix.html'))
except exceptions.BadInput as exc:
    print(exc)
"""),
        )

    def test_what_is_not_needed_is_not_loaded(self):
        self.assertEqual(
            'False\n',
            self.run_python(
                'import sys\nfrom nova_mdev_compat.osc import matrix_html\n'
                "print('jinja2' in sys.modules)"
            ),
        )
