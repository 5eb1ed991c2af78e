# SPDX-License-Identifier: Apache-2.0
"""A cloud to play with: instances, and commands to try on them."""

import dataclasses
from importlib import metadata
import os
import shlex
import subprocess
import sys

from tests.cloud import client
from tests.cloud.lab import expect
from tests.cloud import process

#: The host on which each instance starts.
INSTANCES = {
    'vm-old': 'gpu-1',
    'vm-new': 'gpu-3',
    'vm-other': 'gpu-4',
    'vm-unknown': 'gpu-5',
}
HOSTS = """\
gpu-1  two boards 10de:2235, driver 535.54.03     vm-old
gpu-2  10de:2236 and 10de:2235, driver 550.54.14
gpu-3  two boards 10de:2235, driver 550.54.14     vm-new
gpu-4  one board 10de:2236, driver 550.54.14      vm-other
gpu-5  one board 10de:2235, no collector          vm-unknown
"""


@dataclasses.dataclass(frozen=True)
class Command:
    """A command to try.

    :ivar line: for a shell that has read openrc
    :ivar what: what it shows
    :ivar statuses: those that it may end with
    """

    line: str
    what: str
    statuses: tuple[int, ...] = (0,)


def commands(home):
    """Return the commands to try, in order.

    :param home: where logs are
    """
    found = [
        Command('openstack server list --long', 'the instances, their hosts'),
        Command('openstack mdev device list', 'what hosts publish'),
        Command(
            'openstack mdev target list vm-new',
            'where vm-new can go, and why not elsewhere',
        ),
        Command(
            'openstack mdev stranded instance list', 'vm-unknown is stranded'
        ),
        Command(
            f'openstack mdev compatibility list --output {home}/matrix.html',
            'a page for the browser',
        ),
        Command(
            'openstack server migrate --live-migration --host gpu-1 vm-new',
            'refused: gpu-1 does not accept the newer driver',
            (1,),
        ),
        Command(
            f'grep -h "is not at most" {home}/log/scheduler-*.log',
            'the reason, in the log of the scheduler that was asked',
        ),
        Command(
            'openstack server migrate --live-migration --host gpu-3 vm-old',
            'accepted',
        ),
        Command(
            'openstack server show -c OS-EXT-SRV-ATTR:host vm-old',
            'gpu-3, a moment later',
        ),
    ]
    if (
        'mdev_drain_check'
        in metadata.entry_points(group='openstack.mdev.v1').names
    ):
        found.insert(
            4,
            Command(
                'openstack mdev drain check gpu-1',
                'whether gpu-1 can be emptied',
                (0, 1),
            ),
        )
    return found


def seed(lab):
    """Create the instances, in the administrator's project."""
    lab.admin.run_all(
        [
            f'server create --flavor vgpu --image empty --no-network '
            f'--host {host} {name}'
            for name, host in INSTANCES.items()
        ]
    )
    lab.servers.wait_for_rest(INSTANCES)


def try_all(lab):
    """Run each command; return how many there are.

    :raises lab.Wrong: one ends with another status
    """
    path = write_openrc(lab.cloud, lab.plane.home)
    some = commands(lab.plane.home)
    for one in some:
        name, *rest = shlex.split(one.line)
        if name == 'openstack':
            try:
                lab.admin.run(shlex.join(rest), one.statuses)
            except client.Refused as exc:
                expect(False, exc)
        else:
            done = subprocess.run(
                ['bash', '-c', f'. {path}; {one.line}'],
                capture_output=True,
                text=True,
                check=False,
                timeout=process.DEADLINE,
            )
            expect(done.returncode in one.statuses, done)
    return len(some)


def write_openrc(cloud, home):
    """Write what a shell needs to be the administrator; return its path."""
    path = home / 'openrc'
    variables = {
        name: value
        for name, value in cloud.admin.environ.items()
        if name != 'HOME'
    }
    path.write_text(
        ''.join(
            f'export {name}={shlex.quote(value)}\n'
            for name, value in variables.items()
        )
        + f'export PATH={shlex.quote(sys.prefix)}/bin:"$PATH"\n'
    )
    return path


def guide(cloud, home):
    """Return what to try, for people."""
    path = write_openrc(cloud, home)
    some = commands(home)
    lines = [f'  {one.line}\n      # {one.what}' for one in some]
    return '\n'.join(
        [
            '',
            HOSTS,
            'In another shell:',
            '',
            f'  . {os.path.relpath(path)}',
            *lines,
            '',
            f'Logs are in {home}/log. Ctrl-C ends the cloud and removes it.',
        ]
    )
