# SPDX-License-Identifier: Apache-2.0
"""The bounds of libraries, and what is installed to try them.

That they work is seen by tools/bounds.sh, which needs a package index.
"""

import re
import subprocess
import sys

import ddt
import testtools

from nova_mdev_compat.core import versions
from tests.unit import samples

TOOL = samples.ROOT / 'tools' / 'bounds.py'
ALL = 'collector,metrics,nvidia,osc,rules'
DISTRIBUTIONS = ('debian-13', 'ubuntu-24.04')
_LINE = re.compile(
    r'(?P<name>[\w.-]+)>=(?P<bound>[\w.]+)'
    r'(,==(?P<version>[\w.]+))?'
)


def run(*args, status=0):
    """Return what the tool prints, line by line, and what it says."""
    done = subprocess.run(
        [sys.executable, TOOL, *args],
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == status, done
    return done.stdout.splitlines(), done.stderr


@ddt.ddt
class BoundsTest(testtools.TestCase):
    def requirements(self, name):
        """Return bound and version of what a set installs, by package."""
        lines, _ = run('requirements', name, ALL)
        matches = [_LINE.fullmatch(line) for line in lines]
        self.assertNotIn(None, matches, lines)
        return {
            match['name']: (match['bound'], match['version'])
            for match in matches
        }

    def test_sets(self):
        self.assertEqual(([' '.join(['lowest', *DISTRIBUTIONS])], ''), run())

    def test_lowest(self):
        for name, (bound, version) in self.requirements('lowest').items():
            self.assertEqual(bound, version, name)

    @ddt.data(*DISTRIBUTIONS)
    def test_what_distributions_ship_is_allowed(self, distribution):
        """The collector has to run with the packages of its host."""
        found = self.requirements(distribution)
        self.assertIsNone(found.pop('nvidia-ml-py')[1])
        for name, (bound, version) in found.items():
            self.assertIsNotNone(version, name)
            self.assertLessEqual(
                versions.key(bound), versions.key(version), name
            )

    def test_each_extra(self):
        lines, _ = run('requirements', 'lowest', 'rules')
        self.assertEqual(
            {'cliff', 'stevedore', 'tqdm'},
            {line.partition('>')[0] for line in lines}
            & {'cliff', 'stevedore', 'tqdm', 'lxml', 'osc-lib'},
        )

    def test_others_are_no_newer_than_the_default(self):
        lines, _ = run('constraints', 'debian-13')
        self.assertIn('cmd2==2.5.11', lines)
        lines, _ = run('constraints', 'lowest')
        self.assertFalse(
            [
                line
                for line in lines
                if '==' in line and 'python_version' not in line
            ]
        )

    @ddt.data(
        (
            ('constraints', 'debian-12'),
            'bounds: there is no set "debian-12" '
            'in distributions/; there are: lowest, debian-13, ubuntu-24.04\n',
        ),
        (
            ('requirements', 'lowest', 'rules,x'),
            'bounds: there is no extra "x"\n',
        ),
        (('requirements',), None),
    )
    @ddt.unpack
    def test_wrong_arguments(self, args, expected):
        lines, said = run(*args, status=2)
        self.assertEqual([], lines)
        self.assertIn(expected or 'python tools/bounds.py', said)
