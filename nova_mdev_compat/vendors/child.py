# SPDX-License-Identifier: Apache-2.0
"""Call a vendor's library in a separate process.

A library stays loaded in a process even if its driver is replaced. It may also
hang or crash. So a short-lived child process loads it, answers and ends.
"""

import dataclasses
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from typing import IO, Any

from oslo_log import log as logging

from nova_mdev_compat.vendors import child_main

LOG = logging.getLogger(__name__)

#: Shares of a plugin's time limit: for the child to answer, and to end after
#: it is killed. The plugin has the rest.
_TO_ANSWER, _TO_DIE = 0.8, 0.1
#: In bytes: the longest answer, the end of the other output that is kept, and
#: the size of a pipe.
_MOST, _KEPT, _PIPE = 1 << 20, 4096, 1 << 16
#: Characters of the other output that an error quotes.
_QUOTED = 200


@dataclasses.dataclass(frozen=True)
class Answers:
    """The answers of a child, and how it ended.

    :ivar items: decoded from JSON, in order
    :ivar trouble: why items may be missing, as the rest of a sentence that
        begins with "the process"; None if the child ended normally
    """

    items: tuple[Any, ...]
    trouble: str | None


class Child:
    """Runs a module in a new process for each question, one at a time.

    The module has a function ``answer(question)``, which yields items.
    Question and items are JSON values. An item that was yielded is valid even
    if the process fails later. The module should import little, because every
    process imports it again. It uses sys.path of this process; the working
    directory and PYTHON* variables are ignored. Its output and that of its
    libraries goes to the log.

    :param module: full name of the module
    :param timeout: seconds that a question may take in all: the plugin's
        [collector]vendor_timeout
    """

    def __init__(self, module: str, timeout: float):
        self._module = module
        self._limit = timeout * _TO_ANSWER
        self._grace = timeout * _TO_DIE
        self._stuck: subprocess.Popen[bytes] | None = None

    def ask(self, question: object) -> Answers:
        """Return the answers of a new child.

        A child that takes too long is killed. If it hangs in the kernel, it
        does not end even then. No other child starts before it ends.
        """
        if self._stuck is not None and self._stuck.poll() is None:
            return Answers(
                (),
                f'of an earlier question, process {self._stuck.pid}, was '
                'killed and has not ended: it hangs in the kernel; no other '
                'process starts before it ends',
            )
        self._stuck = None
        try:
            process = self._start(question)
        except OSError as exc:
            return Answers((), f'could not be started: {exc}')
        with process.stdout, process.stderr:
            return self._receive(process)

    def _start(self, question: object) -> Any:
        order = json.dumps(
            {
                'parent': os.getpid(),
                'module': self._module,
                'path': [path for path in sys.path if os.path.isabs(path)],
                'question': question,
            }
        )
        # A session of its own keeps the collector's SIGHUP from it, and
        # allows to kill it with all its child processes.
        return subprocess.Popen(  # noqa: S603
            [sys.executable, '-I', child_main.__file__, order],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd='/',
        )

    def _receive(self, process: Any) -> Answers:
        end = time.monotonic() + self._limit
        answered, output = _collect(process.stdout, process.stderr, end)
        trouble: str | None
        if len(answered) > _MOST:
            trouble = self._kill(process, f'answered more than {_MOST} bytes')
        else:
            try:
                trouble = _ending(process.wait(end - time.monotonic()))
            except subprocess.TimeoutExpired:
                trouble = self._kill(
                    process, f'did not answer within {self._limit:g} seconds'
                )
        items, fault = _items(answered)
        trouble = trouble or fault
        text = output.decode(errors='replace').strip()
        if text:
            LOG.debug('%s, process %d: %s', self._module, process.pid, text)
        if trouble and text:
            trouble += f'; it printed: {text.splitlines()[-1][-_QUOTED:]}'
        return Answers(items, trouble)

    def _kill(self, process: Any, why: str) -> str:
        """Kill a running child; return how that went.

        :param why: the reason, as the rest of a sentence
        """
        os.killpg(process.pid, signal.SIGKILL)
        try:
            process.wait(self._grace)
        except subprocess.TimeoutExpired:
            self._stuck = process
            return (
                f'{why}, was killed, and has not ended: it hangs in the '
                f'kernel (process {process.pid})'
            )
        return f'{why} and was killed'


def _collect(
    answers: IO[bytes], rest: IO[bytes], end: float
) -> tuple[bytes, bytes]:
    """Return the answers of a child, and the end of its other output.

    Reading stops when the child ends and so closes the pipe of its answers,
    when the time is over, or when the answers are too long.
    """
    found = {answers: b'', rest: b''}
    with selectors.DefaultSelector() as selector:
        for pipe in found:
            selector.register(pipe, selectors.EVENT_READ, pipe)

        def read(timeout: float) -> None:
            for key, _ in selector.select(timeout):
                data = os.read(key.fd, _PIPE)
                if data:
                    found[key.data] += data
                else:
                    selector.unregister(key.fileobj)
            found[rest] = found[rest][-_KEPT:]

        while answers in selector.get_map() and len(found[answers]) <= _MOST:
            left = end - time.monotonic()
            if left <= 0:
                break
            read(left)
        # One read empties a pipe whose writer has ended.
        read(0)
    return found[answers], found[rest]


def _ending(status: int) -> str | None:
    """Return how a process ended, None if normally."""
    if status >= 0:
        return f'ended with status {status}' if status else None
    try:
        name = signal.Signals(-status).name
    except ValueError:  # one of the real-time signals
        name = f'signal {-status}'
    return f'was terminated by {name}'


def _items(answered: bytes) -> tuple[tuple[Any, ...], str | None]:
    """Return the answers before the first invalid one, and its error."""
    *lines, rest = answered.split(b'\n')
    items = []
    for line in lines:
        try:
            items.append(json.loads(line))
        except (ValueError, RecursionError):
            rest = line
            break
    fault = f'answered with invalid JSON: {rest[:_QUOTED]!r}' if rest else None
    return tuple(items), fault
