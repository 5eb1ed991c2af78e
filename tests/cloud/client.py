# SPDX-License-Identifier: Apache-2.0
"""The real openstackclient, each command in a process of its own.

Python and the client's plugins take longer to start than most commands take
to run. A process that has imported them forks for each command; what runs
there is openstackclient's own main function.
"""

import io
import json
import multiprocessing
import os
import pathlib
import shlex
import sys

from openstackclient import shell

from tests.cloud import process

ROOT = pathlib.Path(__file__).parents[2]
PRELOAD = ['tests.cloud.warm', 'tests.cloud.client']


class Refused(Exception):
    """A command ended with another status than 0.

    :ivar status: its exit status
    :ivar said: what it printed on standard error
    """

    def __init__(self, line, status, stdout, said):
        super().__init__(
            f'openstack {line}: status {status}: {said[-2000:]}'
            f'{stdout[-2000:]}'
        )
        self.status = status
        self.stdout = stdout
        self.said = said


def _run(args, environ):
    """Run openstack in this process, which ends afterwards."""
    # A module that cannot be loaded beforehand is passed over in silence.
    package = sys.modules.get('nova_mdev_compat')
    if package is None or pathlib.Path(package.__file__).parents[1] == ROOT:
        raise process.Failure(
            f'{PRELOAD[0]} was not loaded beforehand, or '
            'found the package of this directory'
        )
    for name in [name for name in os.environ if name.startswith('OS_')]:
        del os.environ[name]
    os.environ.update(environ)
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    sys.argv[:] = ['openstack', *args]
    try:
        status = shell.main(args)
    except SystemExit as exc:
        status = exc.code
    return status or 0, sys.stdout.getvalue(), sys.stderr.getvalue()


class Client:
    """Runs openstack as one user, as many commands at once as asked."""

    def __init__(self, pool, home, **environ):
        self._pool = pool
        self.environ = {'HOME': str(home), **environ}

    def submit(self, line):
        """Begin a command; return what it ends with, once it has."""
        return self._pool.apply_async(_run, (shlex.split(line), self.environ))

    def run(self, line, statuses=(0,)):
        """Return what a command prints.

        :raises Refused: its exit status is none of these
        """
        return self.result(line, self.submit(line), statuses)

    def run_all(self, lines):
        """Run commands at once; return what they printed."""
        some = [self.submit(line) for line in lines]
        return [
            self.result(line, one)
            for line, one in zip(lines, some, strict=True)
        ]

    def rows(self, line, statuses=(0,)):
        """Return what a command lists, or shows."""
        return json.loads(self.run(f'{line} -f json', statuses))

    @staticmethod
    def result(line, future, statuses=(0,)):
        """Wait for a command that was begun; return what it printed."""
        found, stdout, said = future.get(process.DEADLINE)
        if found not in statuses:
            raise Refused(line, found, stdout, said)
        return stdout


def pool(workers):
    """Return where commands run, so many at once."""
    # The process that forks does not get this one's sys.path.
    os.environ['PYTHONPATH'] = str(ROOT)
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(PRELOAD)
    return context.Pool(workers, maxtasksperchild=1)
