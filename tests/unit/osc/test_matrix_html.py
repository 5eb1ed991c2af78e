# SPDX-License-Identifier: Apache-2.0

import base64
import dataclasses
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
        """Return the rows of a table without headers of rows and columns."""
        rows = self.rows[table]
        if table != 'matrix':
            return rows[1:]
        letters = next(row for row in rows if row[0].startswith('from'))
        return [row for row in rows[rows.index(letters) + 1 :] if row[1:]]

    def boards(self):
        """Return the headings of the matrix's rows."""
        return [row[0] for row in self.rows['matrix'] if len(row) == 1]


def page_of(*hosts):
    return Tables(samples.page(samples.classes_of(*hosts)))


@ddt.ddt
class LegendTest(testtools.TestCase):
    def legend(self, *hosts):
        """Return the legend, and what it shows of each source."""
        classes = samples.classes_of(*hosts)
        legend = matrix_html.Legend(classes)
        return legend, [
            ' '.join(
                filter(None, (one.label, *legend.values(one, source).values()))
            )
            for one in classes
            for source in one.sources
        ]

    def test_what_all_share_is_shown_once(self):
        legend, rows = self.legend(
            samples.host('a', samples.board(driver='535.183.04')),
            samples.host('b', samples.board()),
        )
        self.assertEqual({'ecc': 'on', 'os': 'rhel-9.6'}, legend.common)
        self.assertEqual(['device', 'type', 'driver'], legend.attributes)
        self.assertEqual(
            [
                'A 10de:2235 nvidia-558 535.183.04',
                'B 10de:2235 nvidia-558 550.90.05',
            ],
            rows,
        )

    def test_nothing_is_shared(self):
        legend, _ = self.legend(
            samples.host('a', samples.board()),
            samples.host(
                'b',
                samples.board(driver='535.54.03', ecc='off', os='rhel-9.4'),
            ),
        )
        self.assertEqual({}, legend.common)

    def test_a_fact_that_only_others_have(self):
        """Unknown for a device of the vendor, absent for another vendor's."""
        _, rows = self.legend(
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
            rows,
        )

    @ddt.data(
        # Equal but for what they accept.
        (
            samples.board(by=samples.CAREFUL),
            [
                'A 10de:2235 nvidia-558',
                'B 10de:2235 nvidia-558 other sources than A',
            ],
            '10de:2235 nvidia-558 (accepts other sources than A)',
        ),
        # Two types.
        (
            samples.board(in_use=['nvidia-559']),
            [
                'A 10de:2235 nvidia-558',
                'B 10de:2235 nvidia-558',
                'B 10de:2235 nvidia-559',
            ],
            '10de:2235 nvidia-558 or 10de:2235 nvidia-559',
        ),
    )
    @ddt.unpack
    def test_text_of_a_class(self, board, expected, text):
        hosts = samples.host('a', samples.board()), samples.host('b', board)
        legend, rows = self.legend(*hosts)
        self.assertEqual(expected, rows)
        self.assertEqual(
            text, legend.class_text(samples.classes_of(*hosts)[1])
        )


@ddt.ddt
class PageTest(testtools.TestCase):
    @ddt.data('one', 'two', 'mixed', 'sixty')
    def test_cells(self, name):
        classes = samples.SAMPLES[name]()
        rows = device_classes.matrix(classes)
        legend = matrix_html.Legend(classes)
        shown = Tables(samples.page(classes))

        def title(cell):
            verdict = [Sign.of(cell).word, matrix_html.reasons(cell)]
            return (
                f'from {cell.origin.label}: '
                f'{legend.source_text(cell.origin, cell.source)}\n'
                f'to {cell.destination.label}: '
                f'{legend.class_text(cell.destination)}\n'
                + ': '.join(filter(None, verdict))
            )

        self.assertEqual(
            [
                [
                    (
                        f'sign {Sign.of(cell).name.lower()}'
                        + ' long' * (len(matrix_html.mark(cell)) > 2),
                        title(cell),
                    )
                    for cell in row
                ]
                for row in rows
            ],
            [row for row in shown.signs if row],
        )
        self.assertEqual(
            [[matrix_html.mark(cell) for cell in row] for row in rows],
            [
                row[-len(classes) :]
                for row in shown.body('matrix')[: len(rows)]
            ],
        )
        self.assertEqual(
            [
                [
                    cell.destination.label,
                    Sign.of(cell).sign + Sign.of(cell).word,
                    str(cell.number),
                    matrix_html.reasons(cell),
                ]
                for row in rows
                for cell in row
            ],
            [row[1:] for row in shown.body('reasons')],
        )

    @ddt.data(('mixed', list(Sign)), ('two', [Sign.ACCEPTS, Sign.REFUSES]))
    @ddt.unpack
    def test_signs_in_use(self, name, expected):
        meanings = {sign.meaning for sign in Sign}
        texts = Tables(samples.page(samples.SAMPLES[name]())).texts
        self.assertEqual(
            [sign.meaning for sign in expected],
            [text for text in texts if text in meanings],
        )

    def test_reasons(self):
        shown = Tables(samples.page(samples.two()))
        refusal = 'driver 550.90.05 is not at most 535.183.04'
        self.assertEqual(
            [
                ['A', 'A', '✓accepts', '6', ''],
                ['A', 'B', '✓accepts', '6', ''],
                ['B', 'A', '✗refuses', '6', refusal],
                ['B', 'B', '✓accepts', '2', ''],
            ],
            shown.body('reasons'),
        )
        self.assertIn(
            'from B: 10de:2235 nvidia-558 driver=550.90.05\n'
            'to A: 10de:2235 nvidia-558 driver=535.183.04\n'
            f'refuses: {refusal}',
            shown.titles(),
        )
        self.assertIn('The same in all: ecc on, os rhel-9.6', shown.texts)

    def test_letters(self):
        """All facts that differ, not only the first."""
        shown = page_of(
            samples.host('a', samples.board(driver='535.183.04')),
            samples.host('b', samples.board(ecc='off')),
            samples.host('c', samples.board(ecc=None)),
            samples.host('d', samples.board(product=samples.L40S)),
            samples.host('e', samples.unpublished(), published=False),
        )
        self.assertEqual(
            [
                # Target C knows no ECC mode of its own, so no rule applies.
                ['-', 'E', 'N', 'B', '?'],
                ['DE', '-', 'N', 'B', '?'],
                ['DE?', 'E?', '-', 'B', '?'],
                ['B', 'B', 'N', '-', '?'],
            ],
            [
                [sign.replace('\N{EN DASH}', '-') for sign in row[-5:]]
                for row in shown.body('matrix')[:4]
            ],
        )
        self.assertIn(
            'refuses: driver 550.90.05 is not at most 535.183.04, ecc off is '
            'not equal to on',
            '\n'.join(shown.titles()),
        )
        self.assertIn(
            'Letters: B board, N accepts nothing, ? nothing is published, '
            'D driver, E ECC, ? after a letter: not published (ecc)',
            ''.join(shown.texts),
        )

    def test_boards(self):
        """Rows and columns are grouped, the board with most devices first."""
        hosts = [
            samples.host(
                'a',
                samples.board(product=samples.L40S),
                samples.board(1, product=samples.L40S),
            ),
            samples.host('b', samples.board()),
            samples.host('c', samples.board(driver='535.183.04')),
            samples.host('d', samples.board(ecc='off')),
        ]
        classes = samples.classes_of(*hosts)
        for names, boards, columns in (
            (None, ['10de:2235', '10de:26b9'], ['10de:2235', '10de:26b9']),
            (
                samples.NAMES,
                [
                    'NVIDIA Corporation GA102GL [A40]10de:2235',
                    'NVIDIA Corporation AD102GL [L40S]10de:26b9',
                ],
                ['A40', 'L40S'],
            ),
        ):
            shown = Tables(samples.page(classes, names=names))
            self.assertEqual(boards, shown.boards())
            self.assertEqual(columns, shown.rows['matrix'][0][-2:])
        self.assertEqual(
            ['A', 'B', 'C', 'D'], [row[0] for row in shown.body('matrix')]
        )
        self.assertIn('D: L40S 10de:26b9', '\n'.join(shown.titles()))

    @ddt.data(
        ('one', 'Every source can leave its host'),
        ('two', 'Every source can leave its host'),
        ('three', 'B, C and D cannot leave'),
        ('mixed', 'C, D, E and G cannot leave'),
    )
    @ddt.unpack
    def test_headline(self, name, expected):
        texts = Tables(samples.page(samples.SAMPLES[name]())).texts
        self.assertIn(expected, texts)

    def test_about(self):
        found = samples.two()
        self.assertIn(
            'example, keystone.example.com, RegionOne · 2026-03-09 14:30 UTC '
            '· nova-mdev-compat 0.1.0',
            Tables(samples.page(found)).texts,
        )
        some = dataclasses.replace(samples.ABOUT, selection='host a, host b')
        texts = Tables(samples.page(found, about=some)).texts
        self.assertIn(f'{samples.ABOUT} · only host a, host b', texts)
        self.assertIn(
            'Among host a, host b: Every source can leave its host', texts
        )

    def test_no_other_host(self):
        shown = page_of(
            samples.host('a', samples.board(), samples.board(1, ecc='off'))
        )
        head = ['\N{EN DASH}same host only', '0']
        self.assertEqual(
            [
                [*head, 'all devices are on a; otherwise: accepts'],
                [
                    *head,
                    'all devices are on a; otherwise: ecc off is not equal to on',
                ],
            ],
            [row[2:] for row in shown.body('reasons')[:2]],
        )

    def test_a_class_without_a_source(self):
        """It is a column, and its row has no cells."""
        shown = page_of(
            samples.host('a', samples.board()),
            samples.host('b', samples.unpublished(), published=False),
        )
        self.assertEqual(['10de:2235', '?'], shown.rows['matrix'][0][-2:])
        self.assertEqual(['A', 'B'], shown.rows['matrix'][1][-2:])
        self.assertEqual(
            ['B', 'no collector has published here', '1', '1'],
            shown.rows['matrix'][-1],
        )

    @ddt.data(
        ([], 'There are no devices.'),
        (
            [samples.host('a', samples.unpublished(), published=False)],
            'no collector has published here',
        ),
    )
    @ddt.unpack
    def test_no_rows(self, hosts, expected):
        shown = page_of(*hosts)
        self.assertIn(expected, shown.texts)
        self.assertNotIn('script', shown.inline)

    def test_hosts(self):
        names = [f'gpu-{number:02}' for number in range(12)]
        shown = page_of(
            *(samples.host(name, samples.board()) for name in names)
        )
        title = (
            'A: 10de:2235 nvidia-558\n12 devices on 12 hosts: '
            f'{", ".join(names[:10])} and 2 more hosts'
        )
        self.assertEqual(2, shown.titles().count(title))
        self.assertEqual(', '.join(names), shown.body('classes')[0][-1])

    def test_two_devices_on_a_host(self):
        self.assertEqual(
            [
                'A',
                '10de:2235 nvidia-558',
                '6',
                '3',
                'gpu-0 (2), gpu-1 (2), gpu-2 (2)',
            ],
            Tables(samples.page(samples.one())).body('classes')[0],
        )


class SafetyTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.plain = self.page()

    def page(self, name='host', title='t'):
        return Tables(
            samples.page(
                samples.classes_of(
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
        plain, shown = self.plain, self.page(name, title)
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
        self.assertIn(
            f'1 device on 1 host: {HARMLESS}', '\n'.join(shown.titles())
        )

    def test_policy(self):
        """Only the style and the script of the page itself are allowed."""
        hashes = {
            tag: base64.b64encode(
                hashlib.sha256(content.encode()).digest()
            ).decode()
            for tag, content in self.plain.inline.items()
        }
        (policy,) = (
            attrs['content']
            for _, attrs in self.plain.elements
            if attrs.get('http-equiv')
        )
        self.assertEqual(
            f"default-src 'none'; style-src 'sha256-{hashes['style']}'; "
            f"script-src 'sha256-{hashes['script']}'; img-src data:; "
            "base-uri 'none'; form-action 'none'",
            policy,
        )

    def test_self_contained(self):
        for tag, attrs in self.plain.elements:
            self.assertEqual(set(), {'src', 'style'} & attrs.keys(), tag)
            self.assertIn(attrs.get('href', 'data:,'), 'data:,')
            self.assertFalse([name for name in attrs if name[:2] == 'on'])
        self.assertNotRegex(self.plain.inline['style'], r'url\(|@import')

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

        light, _, rest = self.plain.inline['style'].partition('@media')
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
        self.path = self.home / 'matrix.html'

    def refuse(self, path):
        """Return what check reports for a path."""
        return str(
            self.assertRaises(exceptions.BadInput, matrix_html.check, path)
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
        self.path.mkdir()
        self.assertEqual(
            f'{self.path} is a directory: name a file', self.refuse(self.path)
        )

    def test_not_writable(self):
        self.home.chmod(0o555)
        if os.geteuid() == 0:  # root may write everywhere
            self.addCleanup(os.seteuid, 0)
            os.seteuid(65534)
        self.assertEqual(
            f'{self.path}: directory {self.home} cannot be written: '
            'Permission denied',
            self.refuse(self.path),
        )

    def test_what_the_system_refuses(self):
        path = self.home / f'{"x" * 300}.html'
        matrix_html.check(path)
        error = self.assertRaises(
            exceptions.Failure, samples.write, path, samples.one()
        )
        self.assertEqual(
            f'{path} cannot be written: File name too long', str(error)
        )
        self.assertEqual([], list(self.home.iterdir()))

    def test_whole_or_not_at_all(self):
        self.path.write_text('before')
        with mock.patch.object(
            pathlib.Path, 'replace', side_effect=ZeroDivisionError
        ):
            self.assertRaises(
                ZeroDivisionError, samples.write, self.path, samples.one()
            )
        self.assertEqual('before', self.path.read_text())
        self.assertEqual([self.path], list(self.home.iterdir()))

    def test_a_file_is_replaced(self):
        self.addCleanup(os.umask, os.umask(0o027))
        path = self.home / 'MATRIX.HTML'
        path.write_text('before')
        path.chmod(0o600)
        matrix_html.check(path)
        samples.write(path, samples.one())
        self.assertEqual(
            samples.page(samples.one(), names=samples.NAMES),
            path.read_text('utf-8'),
        )
        self.assertEqual(0o640, path.stat().st_mode & 0o777)
        self.assertEqual([path], list(self.home.iterdir()))


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

    def test_documented(self):
        """The same bytes in each process.

        python -m tests.matrix_samples doc/source/operator/images mixed
        """
        expected = samples.DOCUMENTED.read_text('utf-8')
        self.assertEqual(
            expected, samples.page(samples.mixed(), names=samples.NAMES)
        )
        code = (
            'from tests import matrix_samples as samples\n'
            'page = samples.page(samples.mixed(), names=samples.NAMES)\n'
            "print(page, end='')"
        )
        # Tests have another seed each time.
        self.assertEqual(expected, self.run_python(code, PYTHONHASHSEED='1'))

    def test_without_jinja2(self):
        """It is needed only for the page, and not for an import."""
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
