# SPDX-License-Identifier: Apache-2.0
"""The supported releases of OpenStack are the same wherever they are named."""

import configparser
import re
import subprocess
import sys

import ddt
import testtools
import yaml

from nova_mdev_compat.checks import filter_enabled
from tests.unit import samples

DIRECTORY = samples.ROOT / 'releases'
FIRST, AFTER = filter_enabled.OLDEST, filter_enabled.TESTED[-1] + 1


def run_tool(*args):
    return subprocess.run(
        [sys.executable, samples.ROOT / 'tools/releases.py', *args],
        capture_output=True,
        text=True,
        check=False,
    )


@ddt.ddt
class ReleasesTest(testtools.TestCase):
    def test_tested(self):
        self.assertEqual(
            ' '.join(map(str, filter_enabled.TESTED)) + '\n', run_tool().stdout
        )
        self.assertEqual(filter_enabled.OLDEST, filter_enabled.TESTED[0])

    def test_range_in_metadata(self):
        parser = configparser.ConfigParser()
        parser.read(samples.ROOT / 'setup.cfg')
        self.assertIn(
            f'nova>={FIRST}.0.0,<{AFTER}',
            parser['extras']['scheduler'].splitlines(),
        )

    def test_range_of_what_tests_need(self):
        text = (samples.ROOT / 'test-requirements-functional.txt').read_text()
        for line in (
            f'nova>={FIRST}.0.0,<{AFTER}',
            f'openstack-placement>={FIRST - 18}.0.0,<{AFTER - 18}',
        ):
            self.assertIn(line, text.splitlines())

    @ddt.data(*filter_enabled.TESTED)
    def test_constraints(self, number):
        """Nova and Placement of one release, each package once."""
        done = run_tool(str(number))
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        lines = done.stdout.splitlines()
        for start in (
            'nova',
            f'nova=={number}.',
            'openstack-placement',
            f'openstack-placement=={number - 18}.',
        ):
            self.assertEqual(
                1,
                sum(
                    line.startswith(start if '==' in start else f'{start}==')
                    for line in lines
                ),
                start,
            )
        # Those of constraints.txt for one Python each have a marker.
        names = [
            re.split('==', line)[0]
            for line in lines
            if ';' not in line and not line.startswith('#')
        ]
        self.assertEqual(len(names), len(set(names)))

    def test_no_such_release(self):
        done = run_tool('30')
        self.assertEqual((2, ''), (done.returncode, done.stdout))
        self.assertIn(
            'there is no Nova 30 in releases/; there are: '
            + ', '.join(map(str, filter_enabled.TESTED)),
            done.stderr,
        )

    def test_tests_ask_for_each_difference(self):
        table = yaml.safe_load((DIRECTORY / 'differences.yaml').read_text())
        asked = {
            name
            for path in (samples.ROOT / 'tests/functional').glob('test_*.py')
            for name in re.findall(
                r"differences\.(?:here|leave_out)\('([^']+)'\)",
                path.read_text(),
            )
        }
        self.assertEqual({item['name'] for item in table}, asked)
        for item in table:
            # The newest is what the others differ from.
            self.assertLessEqual(
                set(item['releases']), set(filter_enabled.TESTED[:-1]), item
            )
