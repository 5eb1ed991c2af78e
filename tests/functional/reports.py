# SPDX-License-Identifier: Apache-2.0
"""Public reports: what is in tests/data/reports, and the commands run on it.

A directory there is one report: what somebody had, with names, addresses and
serials replaced, and ``expected.yaml``, which says what the commands have to
make of it. README.rst there has both forms.
"""

import fnmatch
import json
import pathlib
import sys
import time

import yaml

from nova_mdev_compat.publication import snapshot
from tests.functional import collector_base
from tests.functional import commands
from tests.unit import samples
from tests import waiting

DIRECTORY = samples.DATA / 'reports'
COMMANDS = collector_base.COMMAND.parent
#: Serves what libvirt's test driver cannot read.
STAND_IN = pathlib.Path(__file__).with_name('reports_libvirt.py')


def having(command):
    """Return the names of the reports that say something of a command.

    :param command: ``collector``, ``guard`` or ``rules``
    """
    return [
        path.name
        for path in sorted(DIRECTORY.iterdir())
        if path.is_dir() and command in Report(path).expected
    ]


class Report:
    """One report.

    :ivar path: its directory
    :ivar expected: what ``expected.yaml`` says
    """

    def __init__(self, path):
        self.path = path
        self.expected = yaml.safe_load(
            (path / 'expected.yaml').read_text('utf-8')
        )

    def collect(self, home, *args, options=()):
        """Run the collector on the report; return the finished process.

        :param home: a directory for what the command may not find elsewhere
        :param options: more options of [collector], as text
        """
        node = self.path / 'node.xml'
        own = home / 'own.conf'
        lines = [
            '[DEFAULT]',
            f'state_path = {home}',
            '[collector]',
            f'sysfs_root = {self.path}/sys',
            f'rules_dirs = {samples.SHIPPED_RULES},{self.path}/rules.d',
            *options,
        ]
        command = [COMMANDS / 'nova-mdev-collector']
        if node.exists():
            # The test driver has this machine's name.
            lines += [
                f'libvirt_uri = test://{node}',
                'hypervisor_hostname = gpu-1',
            ]
        else:
            command = [sys.executable, '-P', STAND_IN, self.path]
        own.write_text('\n'.join(lines) + '\n')
        return _run(
            [
                *command,
                '--config-file',
                self.path / 'nova.conf',
                '--config-file',
                own,
                *args,
            ]
        )

    def guard(self, home, domain, options):
        """Run the guard on the report; return the finished process.

        :param domain: name that libvirt gives
        :param options: of [guard], by name
        """
        devices = json.loads((self.path / 'devices.json').read_text())
        (home / 'devices.json').write_text(
            json.dumps({**devices, 'read_at': time.time()})
        )
        conf = home / 'guard.conf'
        conf.write_text(
            '\n'.join(
                [
                    '[collector]',
                    f'devices_file = {home}/devices.json',
                    f'sysfs_root = {self.path}/sys',
                    '[guard]',
                    *(f'{name} = {value}' for name, value in options.items()),
                ]
            )
        )
        return _run(
            [
                COMMANDS / 'nova-mdev-guard',
                f'--config-file={conf}',
                '--',
                domain,
                'migrate',
                'begin',
                '-',
            ],
            (self.path / 'domain.xml').read_text(),
        )

    def validate(self, *files):
        """Run nova-mdev-rules; return the finished process."""
        return _run(
            [
                COMMANDS / 'nova-mdev-rules',
                'validate',
                *(self.path / 'rules.d' / name for name in files),
            ]
        )


def _run(command, text='', **kwargs):
    return commands.run(
        command,
        text,
        encoding='utf-8',
        errors='surrogateescape',
        timeout=waiting.DEADLINE,
        **kwargs,
    )


class Found:
    """What a collector printed of a host.

    :ivar name: the host's name
    :ivar parents: its parents, by name
    """

    def __init__(self, text):
        host = snapshot.load('what the collector printed', text.encode())
        self.name = host.name
        self.parents = {item.parent.name: item for item in host.parents}

    def accepted_by(self, name):
        """Return the names of those of the host that one of them accepts."""
        patterns = self.parents[name].accepts.values()
        return {
            other
            for other, item in self.parents.items()
            if (source := item.parent.target())
            and any(pattern.judge(source) for pattern in patterns)
        }

    def because(self, name):
        """Return all that is said of why a parent accepts what it does."""
        item = self.parents[name]
        return '\n'.join(
            [
                item.note or '',
                *(
                    str(reason)
                    for outcome in item.outcomes
                    for reason in outcome.reasons
                ),
            ]
        )

    def matching(self, globs):
        """Return the names that match a glob, of which each matches some.

        :raises KeyError: one matches none
        """
        found = set()
        for glob in globs:
            names = fnmatch.filter(self.parents, glob)
            if not names:
                raise KeyError(glob)
            found.update(names)
        return found
