# SPDX-License-Identifier: Apache-2.0
"""The page of the matrix, as a browser shows it."""

import base64
import hashlib
from html import parser
import json
import pathlib
import shutil
import subprocess

import ddt
import fixtures
import testtools

from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.osc.matrix_html import Sign
from tests import matrix_samples as samples
from tests import waiting

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
OPTIONS = (
    '--headless',
    '--disable-gpu',
    '--hide-scrollbars',
    # Chromium has no sandbox for the superuser, nor in most containers. It
    # opens only our own pages.
    '--no-sandbox',
    # /dev/shm is small in containers.
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--disable-extensions',
    '--disable-component-update',
    '--disable-background-networking',
    '--dump-dom',
)
HOSTILE = '<script>alert(1)</script>"\'&amp;</title></svg><img src=x>'
#: Runs behind the page's own script, and replaces the page with its findings.
PROBE = """
{
const all = (selector, of) => [...document.querySelectorAll(selector)].map(of);
const style = element => getComputedStyle(element);
const typed = terms => {
  const form = document.querySelector('form');
  form.terms.value = terms;
  form.dispatchEvent(new Event('input', {bubbles: true}));
  return [form.shown.value, all('#reasons tbody tr', row => row.hidden
    || row.cells[0].textContent + ' ' + row.cells[1].textContent).filter(
      found => found !== true)];
};
const lit = () => [all('#matrix th.lit', cell => cell.textContent),
  all('#matrix td.lit', cell => cell).length,
  document.querySelector('#why').textContent.split('\\n')[0]];
const signs = document.querySelectorAll('#matrix td.sign');
const pointed = () => {
  signs.item(signs.length > 1).dispatchEvent(
    new PointerEvent('pointerover', {bubbles: true}));
  const found = lit();
  document.querySelector('#matrix').dispatchEvent(
    new PointerEvent('pointerleave'));
  return [found, lit()];
};
const focused = () => {
  signs[0].focus();
  const found = [lit()];
  for (const key of ['ArrowDown', 'ArrowRight', 'ArrowUp', 'ArrowUp']) {
    document.activeElement.dispatchEvent(
      new KeyboardEvent('keydown', {key, bubbles: true}));
    found.push(lit());
  }
  document.activeElement.blur();
  return [...found, lit()];
};
document.querySelector('#matrix').parentElement.scrollTo(9999, 9999);
const box = element => element.getBoundingClientRect();
const scroller = box(document.querySelector('#matrix').parentElement);
const corner = box(document.querySelector('#matrix thead th'));
const found = {
  cells: all('#matrix .sign', cell => [style(cell).backgroundColor,
    Math.round(box(cell).width), cell.title.split('\\n')[2]]),
  pointed: pointed(), focused: focused(),
  width: document.documentElement.scrollWidth - innerWidth,
  sticky: [corner.left - scroller.left, corner.top - scroller.top],
  paper: style(document.documentElement).backgroundColor,
  ink: style(document.querySelector('h1')).color,
  form: style(document.querySelector('form')).display,
  tags: ['script', 'img', 'svg', 'table'].map(
    tag => document.getElementsByTagName(tag).length),
  host: document.querySelector('#classes td:last-child').textContent,
  all: typed(''), some: typed('B REFUSES driver'), none: typed('QX'),
  requests: performance.getEntriesByType('resource').map(one => one.name),
};
document.body.textContent = JSON.stringify(found);
}
"""


class Body(parser.HTMLParser):
    """Collects the text of a page that has nothing else in its body."""

    def __init__(self, page):
        super().__init__()
        self.text = ''
        self.feed(page.partition('<body>')[2])

    def handle_data(self, data):
        self.text += data


@ddt.ddt
class BrowserTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def browse(self, found, *options):
        """Return what PROBE finds in the page of device classes.

        The page's policy stays, and allows the probe too.
        """
        path = samples.write(self.home / 'matrix.html', found)
        digest = base64.b64encode(hashlib.sha256(PROBE.encode()).digest())
        page = path.read_text('utf-8').replace(
            "script-src '", f"script-src 'sha256-{digest.decode()}' '"
        )
        path.write_text(
            page.replace('</body>', f'<script>{PROBE}</script></body>'),
            'utf-8',
        )
        browser = next(filter(None, map(shutil.which, NAMES)), None)
        self.assertIsNotNone(
            browser, 'no browser in PATH: "bindep test" names its package'
        )
        done = subprocess.run(
            [
                browser,
                *OPTIONS,
                *options,
                '--enable-logging=stderr',
                f'--user-data-dir={self.home}/profile',
                path.as_uri(),
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=waiting.DEADLINE,
            stdin=subprocess.DEVNULL,
        )
        self.assertEqual(
            [],
            [line for line in done.stderr.splitlines() if 'CONSOLE' in line],
        )
        return json.loads(Body(done.stdout).text)

    @ddt.data(('one', 1200), ('mixed', 500), ('forty', 500), ('sixty', 1200))
    @ddt.unpack
    def test_cells(self, name, width):
        found = samples.SAMPLES[name]()
        cells = [cell for row in device_classes.matrix(found) for cell in row]
        shown = self.browse(found, f'--window-size={width},900')
        self.assertEqual(len(cells), len(shown['cells']))
        colours = {}
        for cell, (colour, size, words) in zip(
            cells, shown['cells'], strict=True
        ):
            self.assertEqual(
                Sign.of(cell), colours.setdefault(colour, Sign.of(cell))
            )
            self.assertGreater(size, 20)
            self.assertIn(str(cell.verdict), words)
        self.assertLessEqual(shown['width'], 0)
        # Letters stay in sight while the matrix scrolls.
        self.assertEqual([0, 0], shown['sticky'])
        self.assertEqual([], shown['requests'])

    def test_filter(self):
        shown = self.browse(samples.mixed())
        self.assertEqual('block', shown['form'])
        self.assertEqual('72 of 72', shown['all'][0])
        self.assertEqual(
            ['6 of 72', ['A B', 'B F', 'C B', 'D B', 'E B', 'F B']],
            shown['some'],
        )
        self.assertEqual(['0 of 72', []], shown['none'])

    def test_highlight(self):
        """The row and the column of a cell, with its reason."""
        shown = self.browse(samples.two())
        nothing = [[], 0, '']

        def at(source, target, reason):
            return [[target, source], 3, f'from {source}: {reason}']

        old = '10de:2235 nvidia-558 driver=535.183.04'
        new = '10de:2235 nvidia-558 driver=550.90.05'
        old, new = (f'A40 {text}' for text in (old, new))
        self.assertEqual([at('A', 'B', old), nothing], shown['pointed'])
        self.assertEqual(
            [
                at('A', 'A', old),
                at('B', 'A', new),
                at('B', 'B', new),
                at('A', 'B', old),
                # There is no row above.
                at('A', 'B', old),
                nothing,
            ],
            shown['focused'],
        )

    def test_in_the_dark(self):
        light, dark = (
            self.browse(
                samples.mixed(),
                f'--blink-settings=preferredColorScheme={scheme}',
            )
            for scheme in (1, 0)
        )
        self.assertEqual('rgb(0, 0, 0)', light['ink'])
        self.assertEqual('rgb(255, 255, 255)', dark['ink'])
        both = set(
            zip(
                (colour for colour, *_ in light['cells']),
                (colour for colour, *_ in dark['cells']),
                strict=True,
            )
        )
        self.assertEqual(len(Sign), len(both))

    def test_no_name_of_a_host_is_html(self):
        shown = self.browse(
            samples.classes_of(
                samples.host(HOSTILE, samples.board()),
                samples.host('other', samples.board()),
            )
        )
        # The scripts are the page's own and the probe.
        self.assertEqual([2, 0, 0, 3], shown['tags'])
        self.assertEqual(f'{HOSTILE}, other', shown['host'])
