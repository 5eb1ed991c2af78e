# SPDX-License-Identifier: Apache-2.0
"""Each side needs only its own half, and the wheel brings the rules."""

import pathlib
import subprocess
import sys
import tempfile
import zipfile

import testtools

ROOT = pathlib.Path(__file__).parents[2]
WITHOUT = """
import sys
for name in {missing!r}:
    sys.modules[name] = None  # importing it fails from here on
import {module}
"""
#: What the extra "collector" brings.
COLLECTOR_ONLY = ['libvirt', 'lxml', 'prettytable', 'tenacity']


class PackagingTest(testtools.TestCase):

    def run_python(self, *args):
        done = subprocess.run([sys.executable, *args], capture_output=True,
                              text=True, check=False, cwd=ROOT)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done.stdout

    def test_scheduler_side_without_libvirt(self):
        self.run_python('-c', WITHOUT.format(
            missing=['libvirt', 'nova_mdev_compat.collector'],
            module='nova_mdev_compat.filters'))

    def test_filter_imports_nothing_of_the_extra(self):
        """Nova has some of it, but we must not rely on that."""
        for path in (ROOT / 'nova_mdev_compat').glob('*.py'):
            for name in COLLECTOR_ONLY:
                self.assertNotIn(f'import {name}', path.read_text(), path)

    def test_compute_side_without_nova(self):
        self.run_python('-c', WITHOUT.format(
            missing=['nova', 'oslo_db', 'placement'],
            module='nova_mdev_compat.cmd.collector'))

    def test_guard_without_extras(self):
        """What libvirt starts needs nothing but the package."""
        self.run_python('-c', WITHOUT.format(
            missing=[*COLLECTOR_ONLY, 'cotyledon', 'jsonschema',
                     'keystoneauth1', 'nova', 'oslo_log', 'stevedore'],
            module='nova_mdev_compat.guard.hook'))

    def test_wheel(self):
        """It has the package, the default rules and the entry points."""
        with tempfile.TemporaryDirectory() as directory:
            self.run_python('-m', 'pip', 'wheel', '--no-deps', '--quiet',
                            '--no-build-isolation', '--wheel-dir', directory,
                            str(ROOT))
            (wheel,) = pathlib.Path(directory).glob('*.whl')
            with zipfile.ZipFile(wheel) as archive:
                names = archive.namelist()
        ends = [
            *(f'.data/data/share/nova-mdev-compat/rules.d/{path.name}'
              for path in (ROOT / 'etc/nova-mdev-compat/rules.d').iterdir()),
            *(f'.data/data/share/nova-mdev-compat/systemd/{path.name}'
              for path in (ROOT / 'etc/systemd').iterdir()),
            '.data/data/share/nova-mdev-compat/hooks/qemu.d/nova-mdev-guard',
            'nova_mdev_compat/rules/loader.py', '/entry_points.txt']
        for end in ends:
            self.assertEqual(1, sum(name.endswith(end) for name in names),
                             (end, names))
        self.assertFalse([name for name in names if name.startswith('tests')])
