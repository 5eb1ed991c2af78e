# SPDX-License-Identifier: Apache-2.0
"""Processes, their logs and their end.

Whatever is started here or by pifpaf, and whatever those start, is a
descendant of this process, also what makes a daemon of itself (Erlang's epmd):
this process takes in orphans. Their ids are in a file, so that the next run
can end what one that was killed has left.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import subprocess
import time

import psutil

#: How many seconds anything here may take to start or to end.
DEADLINE = 90
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Failure(Exception):
    """Something did not start, answer or end."""


def wait_for(condition, what, deadline=DEADLINE, pause=0.2):
    """Return what condition returns, as soon as that is true.

    :param what: what is waited for, as a clause after "did not"
    :param deadline: in seconds
    :raises Failure: the deadline has passed
    """
    end = time.monotonic() + deadline
    while not (found := condition()):
        if time.monotonic() > end:
            raise Failure(f'did not {what} within {deadline} s')
        time.sleep(pause)
    return found


class Process:
    """A program that runs until it is stopped.

    :ivar log: its output, of all its starts
    """

    def __init__(self, name, argv, home, **environ):
        self.name = name
        self.log = pathlib.Path(home) / 'log' / f'{name}.log'
        self._argv = [str(arg) for arg in argv]
        self._home = home
        self._environ = environ
        self._process = None
        self._runs = False

    def start(self):
        with self.log.open('ab') as log:
            self._process = psutil.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._home,
                env=environment(self._environ),
                start_new_session=True,
            )
        self._runs = True

    @property
    def pid(self):
        return self._process.pid

    def check(self):
        """Raise Failure if it has ended by itself."""
        if self._runs and self._process.poll() is not None:
            raise Failure(
                f'{self.name} has ended with {self._process.returncode}; its '
                f'log is {self.log}:\n' + self.read_log()[-3000:]
            )
        return self

    def read_log(self):
        return self.log.read_text('utf-8', 'replace')

    def ask_to_end(self):
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.terminate()

    def stop(self):
        end(self._all())

    def kill(self):
        """End it as a power cut does."""
        self._runs = False
        some = self._all()
        for one in some:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(some, timeout=DEADLINE)

    def _all(self):
        with contextlib.suppress(psutil.NoSuchProcess):
            return [self._process, *self._process.children(recursive=True)]
        return [self._process]


def output(argv, home):
    """Run a program to its end; return what subprocess.run does."""
    return subprocess.run(
        [str(arg) for arg in argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=home,
        check=False,
        env=environment({}),
        timeout=DEADLINE,
    )


def environment(more):
    """Return the environment of a program: nothing of ours that it heeds."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(('OS_', 'PYTHON', 'RABBITMQ_', 'ERL_'))
    }
    return {**kept, **{name: str(value) for name, value in more.items()}}


def command(name, argv, home, **environ):
    """Run a program to its end; its output goes into a log.

    :raises Failure: its exit status is not 0
    """
    log = pathlib.Path(home) / 'log' / f'{name}.log'
    with log.open('ab') as output:
        done = subprocess.run(
            [str(arg) for arg in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=home,
            check=False,
            env=environment(environ),
        )
    if done.returncode:
        raise Failure(
            f'{" ".join(map(str, argv))} has ended with {done.returncode}:\n'
            + log.read_text('utf-8', 'replace')[-3000:]
        )


def adopt_orphans():
    """Make this process the parent of descendants that lose theirs."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise Failure('the kernel refuses PR_SET_CHILD_SUBREAPER')


def remember(path):
    """Write down which processes are descendants of this one."""
    some = psutil.Process().children(recursive=True)
    text = json.dumps([[one.pid, one.create_time()] for one in some])
    path.with_suffix('.new').write_text(text)
    path.with_suffix('.new').replace(path)


def forget(path):
    """End the processes that an earlier run has left; return how many."""
    if not path.exists():
        return 0
    left = []
    for pid, created in json.loads(path.read_text()):
        with contextlib.suppress(psutil.NoSuchProcess):
            one = psutil.Process(pid)
            # Another process may have its id by now.
            if abs(one.create_time() - created) < 0.1:
                left.append(one)
    end(left)
    path.unlink()
    return len(left)


def end_all():
    """End what was started here; return what would not.

    Python's own helpers, which stay in this process's session, end by
    themselves.
    """
    some = []
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(one.pid) != os.getsid(0):
                some.append(one)
    return end(some)


def end(some, patience=15):
    """Ask processes to end, then end them; return those that are left."""
    for one in some:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.terminate()
    _, left = psutil.wait_procs(some, timeout=patience)
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    return psutil.wait_procs(left, timeout=patience)[1]
