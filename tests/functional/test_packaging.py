# SPDX-License-Identifier: Apache-2.0
"""Each side needs only its own half; what the wheel brings besides code."""

from importlib import metadata
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

import ddt
import testtools

from tests.functional import plain

ROOT = pathlib.Path(__file__).parents[2]
WITHOUT = """
import sys
for name in {missing!r}:
    sys.modules[name] = None  # importing it fails from here on
import {module}
"""
#: What the extra "collector" brings.
COLLECTOR_ONLY = ['libvirt', 'lxml', 'prettytable', 'tenacity']


#: Loads entry points of ours as whoever owns their groups does.
LOAD = """
from importlib import metadata
for point in metadata.distribution('nova-mdev-compat').entry_points:
    if point.group in {groups!r}:
        point.load()
        print(point.group, point.name)
"""


class PackagingTestCase(testtools.TestCase):
    def run_python(self, *args, status=0):
        """Return what it printed, and what it wrote to stderr."""
        done = subprocess.run(
            [sys.executable, *args],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        return done.stdout, done.stderr


@ddt.ddt
class PlainTest(PackagingTestCase):
    """The package without its extras, in environments that others own."""

    def test_openstack(self):
        """openstackclient loads each command of ours, whatever is asked."""
        shown, said = self.run_python(
            '-c',
            plain.without('python-openstackclient', 'osc-placement')
            + 'from openstackclient import shell\n'
            "sys.exit(shell.main(['--help']))",
        )
        self.assertEqual('', said)
        for item in metadata.entry_points(group='openstack.mdev.v1'):
            line = f'\n  {item.name.replace("_", " ")}  '
            self.assertEqual(not item.load().deprecated, line in shown, line)

    @ddt.data(
        (
            'python-openstackclient',
            {'openstack.cli.extension', 'openstack.mdev.v1'},
        ),
        # oslo-config-generator reads the options of all packages.
        ('oslo.config', {'oslo.config.opts'}),
        ('stevedore', {'nova_mdev_compat.vendors'}),
        (
            'cliff',
            {
                'nova_mdev_compat.rules.commands',
                'nova_mdev_compat.rules.formatters',
            },
        ),
    )
    @ddt.unpack
    def test_loads_beside(self, owner, groups):
        shown, said = self.run_python(
            '-c', plain.without(owner) + LOAD.format(groups=groups)
        )
        self.assertEqual('', said)
        self.assertEqual(
            groups, {line.split()[0] for line in shown.splitlines()}
        )

    @ddt.data('annotator', 'collector')
    def test_says_which_extra(self, name):
        shown, said = self.run_python(
            '-c',
            plain.without() + 'from nova_mdev_compat.cmd import start\n'
            f'sys.exit(start.{name}())',
            status=2,
        )
        self.assertEqual('', shown)
        self.assertRegex(
            said,
            rf"^nova-mdev-{name}: .*'?libvirt'?.*: "
            r"pip install 'nova-mdev-compat\[collector\]'\n$",
        )

    def test_is_broken(self):
        """No extra brings what is missing of this package itself."""
        _, said = self.run_python(
            '-c',
            'import sys\n'
            "sys.modules['nova_mdev_compat.daemons.loop'] = None\n"
            'from nova_mdev_compat.cmd import start\n'
            'sys.exit(start.annotator())',
            status=1,
        )
        self.assertIn('ModuleNotFoundError', said)
        self.assertNotIn('pip install', said)


class PackagingTest(PackagingTestCase):
    def test_scheduler_side_without_libvirt(self):
        self.run_python(
            '-c',
            WITHOUT.format(
                missing=[
                    'libvirt',
                    'nova_mdev_compat.daemons',
                    'nova_mdev_compat.host',
                    'nova_mdev_compat.publication',
                ],
                module='nova_mdev_compat.filters',
            ),
        )

    def test_filter_imports_nothing_of_the_extra(self):
        """Nova has some of it, but we must not rely on that."""
        home = ROOT / 'nova_mdev_compat'
        paths = [
            home / 'filters.py',
            *(
                path
                for folder in ('core', 'conf', 'placement', 'scheduler')
                for path in (home / folder).glob('*.py')
            ),
        ]
        self.assertGreater(len(paths), 20)
        for path in paths:
            for name in COLLECTOR_ONLY:
                self.assertNotIn(f'import {name}', path.read_text(), path)

    def test_compute_side_without_nova(self):
        self.run_python(
            '-c',
            WITHOUT.format(
                missing=['nova', 'oslo_db', 'placement'],
                module='nova_mdev_compat.cmd.collector',
            ),
        )

    def test_guard_without_extras(self):
        """What libvirt starts needs nothing but the package."""
        self.run_python(
            '-c',
            WITHOUT.format(
                missing=[
                    *COLLECTOR_ONLY,
                    'cotyledon',
                    'jsonschema',
                    'keystoneauth1',
                    'nova',
                    'oslo_log',
                ],
                module='nova_mdev_compat.late_check.hook',
            ),
        )

    def _pages(self):
        """Return manual pages: of the commands, and those that units name."""
        pages = {('openstack-mdev', '1')}
        for point in metadata.distribution('nova-mdev-compat').entry_points:
            if point.group == 'console_scripts':
                section = '1' if point.name == 'nova-mdev-rules' else '8'
                pages.add((point.name, section))
        for path in (ROOT / 'etc/systemd').glob('*.service'):
            named = re.findall(r'man:(\S+)\((\d)\)', path.read_text())
            self.assertTrue(named, path)
            pages.update(named)
        return pages

    def test_wheel(self):
        """It has all that a host needs, and what units refer to."""
        with tempfile.TemporaryDirectory() as directory:
            self.run_python(
                '-m',
                'pip',
                'wheel',
                '--no-deps',
                '--quiet',
                '--no-build-isolation',
                '--wheel-dir',
                directory,
                str(ROOT),
            )
            (wheel,) = pathlib.Path(directory).glob('*.whl')
            with zipfile.ZipFile(wheel) as archive:
                names = archive.namelist()
        ends = [
            *(
                f'.data/data/share/nova-mdev-compat/rules.d/{path.name}'
                for path in (ROOT / 'etc/nova-mdev-compat/rules.d').iterdir()
            ),
            *(
                f'.data/data/share/nova-mdev-compat/systemd/{path.name}'
                for path in (ROOT / 'etc/systemd').iterdir()
            ),
            *(
                f'.data/data/share/nova-mdev-compat/monitoring/{path.name}'
                for path in (ROOT / 'etc/monitoring').iterdir()
            ),
            '.data/data/share/nova-mdev-compat/hooks/qemu.d/nova-mdev-guard',
            'placement/nova-mdev-collector-policy.yaml',
            *(
                f'.data/data/share/nova-mdev-compat/samples/{path.name}'
                for path in (ROOT / 'etc/nova-mdev-compat').glob('*.sample')
            ),
            *(
                f'.data/data/share/man/man{section}/{name}.{section}'
                for name, section in self._pages()
            ),
            'nova_mdev_compat/osc/matrix.html.j2',
            'nova_mdev_compat/rules/loader.py',
            '/entry_points.txt',
        ]
        for end in ends:
            self.assertEqual(
                1, sum(name.endswith(end) for name in names), (end, names)
            )
        self.assertFalse([name for name in names if name.startswith('tests')])
