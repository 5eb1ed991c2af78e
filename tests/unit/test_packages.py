# SPDX-License-Identifier: Apache-2.0
"""Packages for distributions need what setup.cfg needs, and hold all of it."""

import configparser
import re

import ddt
from packaging import requirements
from packaging import version
import testtools

from tests.unit import samples

DEPLOY = samples.ROOT / 'deploy'
SPEC = (DEPLOY / 'rpm' / 'python-nova-mdev-compat.spec').read_text('utf-8')
CONTROL = (DEPLOY / 'debian' / 'control').read_text('utf-8')
#: Names that differ from python3- and the distribution's name.
DEBIAN = {
    'libvirt-python': 'python3-libvirt',
    'python-openstackclient': 'python3-openstackclient',
    'pyyaml': 'python3-yaml',
}
#: Extra, Debian's package, rpm's package.
EXTRAS = [
    ('collector', 'nova-mdev-collector', 'openstack-nova-mdev-collector'),
    ('rules', 'python3-nova-mdev-compat', 'python3-nova-mdev-compat'),
    ('osc', 'python3-osc-mdev', 'python3-osc-mdev'),
]


def _setup():
    config = configparser.ConfigParser(delimiters=['='])
    config.read(samples.ROOT / 'setup.cfg')
    return config


def _requirements(lines):
    """Return (name, lowest version) of each line."""
    found = {}
    for line in lines.splitlines():
        if line and not line.startswith('#'):
            item = requirements.Requirement(line)
            (bound,) = item.specifier
            found[item.name.lower()] = bound.version
    return found


def _debian(package):
    """Return what a binary package depends on, with the lowest version."""
    stanza = CONTROL.partition(f'Package: {package}\n')[2].partition('\n\n')[0]
    field = re.search(r'^Depends:(.*(?:\n .*)*)', stanza, re.M)[1]
    return dict(re.findall(r'([a-z][\w.+-]+) \(>= (?:\d+:)?([\d.]+)\)', field))


def _rpm(package):
    part = SPEC.partition(f'%package -n     {package}\n')[2]
    part = part.partition('%description')[0]
    return dict(re.findall(r'python3dist\((\S+)\) >= (\S+)', part))


@ddt.ddt
class DependenciesTest(testtools.TestCase):
    def assertBounds(self, wanted, found):
        self.assertEqual(
            {name: version.Version(text) for name, text in wanted.items()},
            {
                name: version.Version(text)
                for name, text in found.items()
                if name in wanted
            },
        )

    @ddt.data(*EXTRAS)
    @ddt.unpack
    def test_extra(self, extra, debian, rpm):
        wanted = _requirements(_setup()['extras'][extra])
        self.assertTrue(wanted)
        self.assertBounds(wanted, _rpm(rpm))
        self.assertBounds(
            {
                DEBIAN.get(name, f'python3-{name}'): bound
                for name, bound in wanted.items()
            },
            {**_debian('python3-nova-mdev-compat'), **_debian(debian)},
        )

    def test_base(self):
        """rpm takes these from the package's own metadata."""
        text = (samples.ROOT / 'requirements.txt').read_text('utf-8')
        self.assertBounds(
            {
                DEBIAN.get(name, f'python3-{name}'): bound
                for name, bound in _requirements(text).items()
            },
            _debian('python3-nova-mdev-compat'),
        )


class FilesTest(testtools.TestCase):
    def test_commands_and_samples(self):
        """Each is in one package, of Debian's and of rpm's."""
        scripts = _setup()['entry_points']['console_scripts']
        names = [
            *re.findall(r'^(\S+) =', scripts, re.M),
            *(path.name for path in (samples.ROOT / 'etc').rglob('*.sample')),
            *(path.name for path in (samples.ROOT / 'doc/man').glob('*/*')),
        ]
        self.assertGreater(len(names), 12)
        debian = '\n'.join(
            path.read_text('utf-8')
            for path in (DEPLOY / 'debian').glob('*.install')
        )
        for name in names:
            for text in (debian, SPEC.partition('\n%files')[2]):
                lines = re.findall(rf'^\S*/{re.escape(name)}\*?$', text, re.M)
                self.assertEqual(1, len(lines), name)

    def test_maintainer_scripts(self):
        """A hook without its command would refuse every migration."""
        hook = '/libvirt/hooks/qemu.d/nova-mdev-guard'
        script = DEPLOY / 'debian' / 'nova-mdev-late-check.prerm'
        self.assertIn(f'rm -f /etc{hook}', script.read_text('utf-8'))
        self.assertIn(f'rm -f %{{_sysconfdir}}{hook}', SPEC)
