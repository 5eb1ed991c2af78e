# SPDX-License-Identifier: Apache-2.0
"""The releases of OpenStack: what is tested, and what says so."""

import configparser
import doctest
import importlib.util
import pathlib
import re
import subprocess
import sys

import ddt
import fixtures
from hypothesis import given
from hypothesis import strategies as st
import testtools
import yaml

from nova_mdev_compat.checks import filter_enabled
from tests.unit import samples

TOOL = samples.ROOT / 'tools' / 'releases.py'
DIFFERENCES = samples.ROOT / 'releases' / 'differences.yaml'
PAGE = samples.ROOT / 'doc/source/contributor/releases.rst'
FUNCTIONAL = samples.ROOT / 'tests' / 'functional'


def _load():
    # A script, in no package.
    spec = importlib.util.spec_from_file_location('releases', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = _load()
NAMES = st.text('ab-._', min_size=1).filter(
    lambda name: name.strip('-._') == name
)
PINS = st.dictionaries(
    st.sampled_from('abcd'),
    st.lists(st.sampled_from(['x==1', 'x==2 ; y']), min_size=1),
)


def load_tests(loader, tests, pattern):
    tests.addTests(doctest.DocTestSuite(tool))
    return tests


class StatedTest(testtools.TestCase):
    """What is said in several places is the same in all of them."""

    def setUp(self):
        super().setUp()
        self.known = tool.releases()

    def test_tested(self):
        self.assertEqual(sorted(self.known), list(filter_enabled.TESTED))

    def test_the_oldest_is_tested(self):
        self.assertEqual(filter_enabled.OLDEST, filter_enabled.TESTED[0])

    def test_names(self):
        """Nova 29 is of 2024.1, and there are two releases a year."""
        for number, (name, _) in self.known.items():
            year, half = divmod(number - 29, 2)
            self.assertEqual(f'{2024 + year}.{half + 1}', name)

    def test_placement_is_of_the_same_release(self):
        for number, (name, pins) in self.known.items():
            version = tool.version(pins, tool.PLACEMENT)
            self.assertEqual(str(number - 18), version.partition('.')[0], name)

    def test_range_in_metadata(self):
        parser = configparser.ConfigParser()
        parser.read(samples.ROOT / 'setup.cfg')
        first, last = filter_enabled.OLDEST, filter_enabled.TESTED[-1] + 1
        self.assertIn(
            f'nova>={first}.0.0,<{last}',
            parser['extras']['scheduler'].splitlines(),
        )

    def test_range_of_what_tests_need(self):
        text = (samples.ROOT / 'test-requirements-functional.txt').read_text()
        first, last = filter_enabled.OLDEST, filter_enabled.TESTED[-1] + 1
        for line in (
            f'nova>={first}.0.0,<{last}',
            f'openstack-placement>={first - 18}.0.0,<{last - 18}',
        ):
            self.assertIn(line, text.splitlines())

    def test_tox(self):
        (numbers,) = re.findall(
            r'^\[testenv:functional.*-nova\{([\d,]+)\}\]$',
            (samples.ROOT / 'tox.ini').read_text(),
            re.MULTILINE,
        )
        self.assertEqual(
            list(filter_enabled.TESTED),
            [int(number) for number in numbers.split(',')],
        )

    def test_the_default_is_the_newest(self):
        self.assertEqual(
            filter_enabled.TESTED[-1], tool.major(tool.read(tool.DEFAULT))
        )

    def test_documentation(self):
        """The page has each release with its Nova and Placement."""
        rows = re.findall(
            r'^(\d{4}\.\d) +(\d+) +(\d+)\b', PAGE.read_text(), re.MULTILINE
        )
        self.assertEqual(
            [
                (name, str(number), str(number - 18))
                for number, (name, _) in sorted(self.known.items())
            ],
            rows,
        )

    def test_every_pin_has_a_reason(self):
        """In the comment above it, but for the release's own numbers."""
        for path in tool.DIRECTORY.glob('*.txt'):
            above = ''
            for line in path.read_text().splitlines():
                if not re.match(f'#|{tool.NOVA}==|{tool.PLACEMENT}==', line):
                    self.assertTrue(above.startswith('# '), (path, line))
                above = line

    def test_no_pin_is_that_of_the_default(self):
        base = tool.read(tool.DEFAULT)
        for path in tool.DIRECTORY.glob('*.txt'):
            for package, lines in tool.read(path).items():
                self.assertNotEqual(base.get(package), lines, path)


class DifferencesTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.table = yaml.safe_load(DIFFERENCES.read_text())

    def test_table(self):
        for item in self.table:
            self.assertEqual({'name', 'releases', 'reason'}, set(item))
            self.assertRegex(item['name'], '^[a-z]+(-[a-z]+)*$')
            self.assertTrue(item['reason'].endswith('.'), item)

    def test_of_releases_that_are_tested(self):
        """A difference from the newest is none of the newest."""
        for item in self.table:
            self.assertLessEqual(
                set(item['releases']), set(filter_enabled.TESTED[:-1]), item
            )
            self.assertTrue(item['releases'], item)

    def test_tests_ask_for_each(self):
        asked = {
            name
            for path in FUNCTIONAL.glob('test_*.py')
            for name in re.findall(
                r"differences\.here\('([^']+)'\)", path.read_text()
            )
        }
        self.assertEqual({item['name'] for item in self.table}, asked)

    def test_documentation(self):
        page = ' '.join(PAGE.read_text().split())
        for item in self.table:
            novas = ', '.join(map(str, item['releases']))
            self.assertIn(
                f'``{item["name"]}`` (Nova {novas}): {item["reason"].strip()}',
                page,
            )


@ddt.ddt
class ToolTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.home / 'releases').mkdir()
        (self.home / 'constraints.txt').write_text(
            'nova==34.0.0\nOslo.Utils==10.2.0\nnumpy==1 ; a\nnumpy==2 ; b\n'
        )
        self.useFixture(
            fixtures.MonkeyPatch(
                f'{__name__}.tool.DEFAULT', self.home / 'constraints.txt'
            )
        )
        self.useFixture(
            fixtures.MonkeyPatch(
                f'{__name__}.tool.DIRECTORY', self.home / 'releases'
            )
        )

    def write(self, name, text):
        (self.home / 'releases' / name).write_text(text)

    def test_constraints(self):
        self.write('2024.1.txt', '# why\nnova==29.4.0\noslo_utils==7.4.0\n')
        self.assertEqual(
            '# For OpenStack 2024.1, by tools/releases.py.\nnova==29.4.0\n'
            'numpy==1 ; a\nnumpy==2 ; b\noslo_utils==7.4.0\n',
            tool.constraints(29),
        )

    def test_the_default(self):
        self.write('2026.2.txt', '# nothing differs\n')
        self.assertEqual({34}, set(tool.releases()))
        self.assertIn('\nnova==34.0.0\n', tool.constraints(34))

    @ddt.data(
        ('nova', '2024.1.txt:1: "nova" is not PACKAGE==VERSION'),
        (
            'nova==29 six==1',
            '2024.1.txt:1: "nova==29 six==1" is not PACKAGE==VERSION',
        ),
        ('nova==29\nnova==30', '2024.1.txt: nova has 2 pins, not one'),
        ('six==1', '2026.2.txt and 2024.1.txt have the same Nova, 34'),
    )
    @ddt.unpack
    def test_wrong_files(self, text, expected):
        self.write('2024.1.txt', text)
        self.write('2026.2.txt', '')
        exc = self.assertRaises(tool.ReleaseError, tool.releases)
        self.assertEqual(expected, str(exc))

    def test_not_text(self):
        (self.home / 'releases' / '2024.1.txt').write_bytes(b'\xff')
        exc = self.assertRaises(tool.ReleaseError, tool.releases)
        self.assertIn('2024.1.txt: ', str(exc))

    @given(NAMES)
    def test_names_as_indexes_compare_them(self, name):
        for other in (name.upper(), name.replace('_', '.')):
            self.assertEqual(tool.canonical(name), tool.canonical(other))

    @given(PINS, PINS)
    def test_overlay(self, base, other):
        found = tool.overlay(base, other)
        self.assertEqual(set(base) | set(other), set(found))
        for name, lines in found.items():
            self.assertEqual(other.get(name, base.get(name)), lines)


@ddt.ddt
class CommandTest(testtools.TestCase):
    def run_tool(self, *args):
        return subprocess.run(
            [sys.executable, TOOL, *args],
            text=True,
            capture_output=True,
            check=False,
        )

    def test_list(self):
        done = self.run_tool()
        self.assertEqual(
            (0, ' '.join(map(str, filter_enabled.TESTED)) + '\n', ''),
            (done.returncode, done.stdout, done.stderr),
        )

    def test_one(self):
        done = self.run_tool('29')
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        self.assertEqual(
            1, len(re.findall('^nova==29', done.stdout, re.MULTILINE))
        )
        self.assertNotIn('nova==34', done.stdout)

    @ddt.data(
        (
            '30',
            'there is no Nova 30 in releases/; there are: '
            + ', '.join(map(str, filter_enabled.TESTED)),
        ),
        ('x', '"x" is no number of a Nova: give it as 29'),
    )
    @ddt.unpack
    def test_no_such_release(self, argument, expected):
        done = self.run_tool(argument)
        self.assertEqual(
            (2, '', f'releases: {expected}\n'),
            (done.returncode, done.stdout, done.stderr),
        )
