# SPDX-License-Identifier: Apache-2.0
"""What the documents say of the code."""

import pathlib
import re
import types

import fixtures
from lxml import etree
from prometheus_client import parser
import testtools

from nova_mdev_compat.daemons import state as collector_state
from tests.unit import samples

DOC = samples.ROOT / 'doc' / 'source'
README = samples.ROOT / 'README.rst'
SVG = '{http://www.w3.org/2000/svg}'


class MetricsTest(testtools.TestCase):
    def test_the_table_has_all_metrics(self):
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        collector_state.State(60.0).save(
            types.SimpleNamespace(
                state_file=str(home / 'state.json'),
                metrics_file=str(home / 'metrics.prom'),
            )
        )
        written = {
            (family.name, family.type)
            for family in parser.text_string_to_metric_families(
                (home / 'metrics.prom').read_text()
            )
        }
        page = (DOC / 'operator/metrics.rst').read_text('utf-8')
        rows = re.findall(
            r'^   \* - ``(nova_mdev_collector_\w+)``\n     - (\w+)$',
            page,
            re.M,
        )
        self.assertEqual(sorted(written), sorted(rows))
        for name in re.findall(r'nova_mdev_collector_\w+', page):
            self.assertIn(name, dict(rows))


class ReadmeTest(testtools.TestCase):
    def test_its_links(self):
        links = re.findall(r'<([\w./-]+)>`_', README.read_text('utf-8'))
        self.assertGreater(len(links), 10)
        for link in links:
            self.assertTrue((samples.ROOT / link).exists(), link)

    def test_the_refusal_is_a_real_one(self):
        """Its rows are those of the command, in three of four columns."""
        golden = _rows((samples.DATA / 'osc/target-list.txt').read_text())
        _, _, block = README.read_text('utf-8').partition('$ openstack mdev ')
        shown = _rows(block)
        self.assertEqual(5, len(shown))
        wanted = [golden[0].index(name) for name in shown[0]]
        real = [[row[index] for index in wanted] for row in golden]
        for row in shown:
            self.assertIn(row, real)


def _rows(text):
    """Return the cells of the lines that are rows of a command's table."""
    return [
        [cell.strip() for cell in line.strip().strip('|').split(' | ')]
        for line in text.splitlines()
        if line.strip().startswith('| ')
    ]


class DiagramTest(testtools.TestCase):
    """Diagrams are readable on light and dark pages, and to a reader."""

    def test_diagrams(self):
        found = sorted((DOC / 'images').glob('*.svg'))
        self.assertEqual(
            ['architecture.svg', 'decision.svg'], [one.name for one in found]
        )
        for path in found:
            root = etree.parse(path).getroot()
            _, _, width, height = map(int, root.get('viewBox').split())
            self.assertTrue(root.findtext(f'{SVG}title'))
            style = root.findtext(f'{SVG}style')
            self.assertIn('prefers-color-scheme: dark', style)
            paper = root.find(f'{SVG}rect[@class="paper"]')
            self.assertEqual(
                (width, height),
                (int(paper.get('width')), int(paper.get('height'))),
            )
            # 400 pixels leave 368 to a picture: 10 for the smallest letters.
            sizes = list(map(int, re.findall(r'(\d+)px', style)))
            self.assertGreaterEqual(min(sizes) * 368 / width, 10)
            light, dark = style.split('@media')
            for name in re.findall(r'\.(\w+) {[^}]*(?:fill|stroke): #', light):
                self.assertIn(f'.{name} {{', dark, path.name)
