# SPDX-License-Identifier: Apache-2.0
"""A real systemd, as the first process of namespaces of its own.

It has only the units of the test, and does not change this machine: its root
directory is read-only, its cgroups are below one that is removed with it, and
its processes end with it.
"""

import os
import pathlib
import shlex
import subprocess
import uuid

import fixtures

from tests import waiting

#: It starts with a target that wants nothing.
UNITS = {'nothing.target': '[Unit]\nDefaultDependencies=no\n'}
#: cgroup2 is at the first path on a host that also has version 1.
CGROUPS = ('/sys/fs/cgroup/unified', '/sys/fs/cgroup')
#: In a container, systemd does not set up the kernel.
INIT = """
mount --make-rprivate /
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mkdir /run/systemd /run/home
mount --bind {home} /run/home
mount --bind {home}/units /etc/systemd/system
mount -o remount,bind,ro /
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  {systemd} --log-target=null --show-status=no --unit=nothing.target
"""


class Systemd(fixtures.Fixture):
    """A systemd; started with sudo unless the test runs as root.

    :param units: text of units by name, and of drop-ins by
        ``<unit>.d/<name>.conf``
    :ivar home: a directory, which its services see as ``/run/home``
    """

    def __init__(self, units):
        super().__init__()
        self._units = {**UNITS, **units}

    def _setUp(self):
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name, text in self._units.items():
            path = self.home / 'units' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._sudo = [] if os.geteuid() == 0 else ['sudo', '-n']
        self._cgroup = self._make_cgroup()
        self.addCleanup(self._remove_cgroup)
        self._start()

    def _make_cgroup(self):
        (root, *_) = [
            path
            for path in CGROUPS
            if pathlib.Path(path, 'cgroup.controllers').exists()
        ]
        path = pathlib.Path(root, f'systemd-test-{uuid.uuid4()}')
        self._run('mkdir', str(path))
        return path

    def _remove_cgroup(self):
        """Remove it and those below, when no process is left in them."""

        def removed():
            self._run(
                *('find', self._cgroup, '-depth', '-type', 'd'),
                *('-exec', 'rmdir', '{}', ';'),
                check=False,
            )
            return not self._cgroup.exists()

        waiting.wait_for(removed, f'{self._cgroup} stays')

    def _start(self):
        init = INIT.format(
            home=shlex.quote(str(self.home)), systemd='/lib/systemd/systemd'
        )
        command = (
            f'echo $$ > {self._cgroup}/cgroup.procs; '
            f'echo $$ > {shlex.quote(str(self.home))}/pid; '
            'exec unshare --mount --pid --ipc --net --cgroup --fork '
            f'--kill-child sh -e -c {shlex.quote(init)}'
        )
        with (self.home / 'log').open('wb') as log:
            self._process = subprocess.Popen(
                [*self._sudo, 'sh', '-e', '-c', command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.addCleanup(self._end)
        waiting.wait_for(
            self._is_up,
            lambda: (
                'systemd does not start: ' + (self.home / 'log').read_text()
            ),
        )

    def _pid(self):
        """Return systemd's pid on this machine."""
        parent = (self.home / 'pid').read_text().strip()
        children = pathlib.Path(f'/proc/{parent}/task/{parent}/children')
        return children.read_text().strip()

    def _is_up(self):
        if self._process.poll() is not None:
            raise AssertionError((self.home / 'log').read_text())
        return (
            self._pid()
            and self.systemctl('is-active', 'nothing.target', check=False)
            == 'active'
        )

    def _end(self):
        self._run('kill', '-KILL', self._pid())
        self._process.wait(waiting.DEADLINE)

    def _run(self, *command, check=True):
        return subprocess.run(
            [*self._sudo, *command],
            check=check,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def systemctl(self, *args, check=True):
        """Run systemctl there; return what it prints."""
        return self._run(
            *('nsenter', '--target', self._pid(), '--mount', '--pid'),
            *('--net', '--ipc', '--cgroup', 'systemctl', *args),
            check=check,
        )

    def state(self, unit):
        """Return a unit's state: ``active``, ``failed``, …"""
        return self.systemctl('is-active', unit, check=False)

    def wait_for(self, unit, state):
        waiting.wait_for(
            lambda: self.state(unit) == state,
            lambda: f'{unit} is {self.state(unit)}',
        )
