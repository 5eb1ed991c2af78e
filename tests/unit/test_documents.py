# SPDX-License-Identifier: Apache-2.0
"""What the documents say of the code."""

import json
import pathlib
import re
import types

import fixtures
from lxml import etree
from prometheus_client import parser
import testtools
import yaml

from nova_mdev_compat.daemons import state as collector_state
from nova_mdev_compat.scheduler import counters
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


class FilterMetricsTest(testtools.TestCase):
    """The page, the alerts and the dashboard have what the filter counts."""

    MONITORING = samples.ROOT / 'etc/monitoring'
    METRICS = {
        'nova_mdev_collector_healthy',
        'nova_mdev_collector_consecutive_failures',
        'nova_mdev_collector_last_success_timestamp_seconds',
        'nova_mdev_collector_accept_patterns',
        f'{counters.NAME}_total',
    }

    def test_the_table_has_all_reasons(self):
        page = (DOC / 'operator/metrics.rst').read_text('utf-8')
        rows = re.findall(r'^   \* - ``(\w+)``\n     - ``(\w+)``$', page, re.M)
        self.assertEqual(
            [
                (result, reason.value)
                for result, reasons in counters.REASONS.items()
                if result != counters.PERMISSIVE
                for reason in reasons
            ],
            rows[1:],
        )
        self.assertEqual(
            counters.REASONS[counters.REFUSED],
            counters.REASONS[counters.PERMISSIVE],
        )

    def assert_known(self, expressions):
        """Return the metrics used; check the labels' values."""
        used = set(re.findall(r'nova_mdev_\w+', ' '.join(expressions)))
        self.assertEqual(self.METRICS, used | self.METRICS)
        results = re.findall(r'result!?="(\w+)"', ' '.join(expressions))
        self.assertEqual(set(results), set(results) & set(counters.REASONS))
        return used

    def test_alerts(self):
        content = yaml.safe_load((self.MONITORING / 'alerts.yaml').read_text())
        rules = [
            rule for group in content['groups'] for rule in group['rules']
        ]
        used = self.assert_known([rule['expr'] for rule in rules])
        self.assertIn(f'{counters.NAME}_total', used)
        names = [rule['alert'] for rule in rules]
        self.assertEqual(sorted(set(names)), sorted(names))
        for rule in rules:
            self.assertTrue(rule['annotations']['summary'], rule)

    def test_dashboard(self):
        content = json.loads((self.MONITORING / 'dashboard.json').read_text())
        panels = content['panels']
        used = self.assert_known(
            [item['expr'] for panel in panels for item in panel['targets']]
        )
        self.assertEqual(self.METRICS, used)
        source = {'type': 'prometheus', 'uid': '${datasource}'}
        for panel in panels:
            self.assertEqual(source, panel['datasource'], panel['title'])
            for item in panel['targets']:
                self.assertEqual(source, item['datasource'], panel['title'])
        ids = [panel['id'] for panel in panels]
        self.assertEqual(sorted(set(ids)), ids)


class GlossaryTest(testtools.TestCase):
    def test_classes_exist(self):
        """Where an entry ends in the name of a class, there is one."""
        page = (DOC / 'glossary.rst').read_text('utf-8')
        named = re.findall(r'In\s+(?:code|the plugin API):\s+``(\w+)``', page)
        self.assertGreater(len(named), 10)
        code = '\n'.join(
            path.read_text('utf-8')
            for path in (samples.ROOT / 'nova_mdev_compat').rglob('*.py')
        )
        defined = set(re.findall(r'^class (\w+)', code, re.M))
        self.assertEqual([], sorted(set(named) - defined))


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
        self.assertGreaterEqual(len(found), 2)
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
