# SPDX-License-Identifier: Apache-2.0
"""A daemon's reconcile loop: its process, its wake-ups, and systemd.

Each run reads everything anew and writes what differs. A run follows an
event, or the end of the interval.
"""

import abc
from collections.abc import Callable, Sequence
import os
import random
import threading
import time
from typing import Protocol, TYPE_CHECKING

import cotyledon
from oslo_config import cfg
from oslo_log import log as logging
import sdnotify

from nova_mdev_compat.core import exceptions

if TYPE_CHECKING:
    # Only since cotyledon 2.0.
    from cotyledon import types

LOG = logging.getLogger(__name__)

#: Pause after the first failure, in seconds; it doubles with each further one.
MIN_PAUSE = 2
JITTER = 0.1
#: For how long the end of the process waits for the end of a run, in seconds.
GRACE = 10
#: A burst of events ends when none has come for this long …
SETTLE = 0.3
#: … and is cut off after this. Both in seconds.
MAX_SETTLE = 1.5
#: The watchdog waits for at least so many intervals.
WATCHDOG_INTERVALS = 3

#: Sends systemd a message such as ``READY=1``.
Notify = Callable[[str], object]


class ReconcileLoop(abc.ABC):
    """Reconciles again and again; each run may fail.

    :param interval: between two successful runs, in seconds
    :param notify: sends systemd a message
    :ivar max_sleep: for how many seconds the loop may sleep at most; a run
        may set it
    :ivar failures: how many runs have failed since the last success
    :ivar error: why the last run failed, None if it succeeded
    """

    #: A sentence for the log: what a failed run leaves as it was.
    on_failure: str

    def __init__(self, interval: float, notify: Notify):
        self._interval = self.max_sleep = interval
        self._notify = notify
        self._ready_sent = False
        self.failures = 0
        self.error: str | None = None

    @abc.abstractmethod
    def reconcile(self) -> str:
        """Write what differs; return the status for systemd.

        :raises exceptions.PartlyDone: all that could be done was done
        :raises exceptions.Failure: it has failed
        """

    def report_status(self, status: str, ready: bool) -> None:
        """Report the state of the service, after each run.

        An override that writes files does so before it calls this one: they
        exist when systemd receives READY.

        :param ready: the run has done all that could be done
        """
        # cotyledon would send READY before the first run.
        if ready and not self._ready_sent:
            self._notify('READY=1')
            self._ready_sent = True
        self._notify('WATCHDOG=1')
        self._notify('STATUS=' + ' '.join(status.split()))

    def run_once(self) -> float:
        """Reconcile and report; return for how many seconds to sleep."""
        status, ready = self._reconcile_safely()
        interval = min(self._interval, self.max_sleep)
        if self.error is None:
            if self.failures:
                LOG.info('Succeeded again, after %d failures', self.failures)
            self.failures = 0
        else:
            self.failures += 1
            # The first retries come soon. In a long outage they are as rare as
            # runs on a healthy host.
            exponent = min(self.failures - 1, 16)
            interval = min(interval, MIN_PAUSE * 2.0**exponent)
        self.report_status(status, ready)
        return interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311

    def _reconcile_safely(self) -> tuple[str, bool]:
        """Return the status, and whether all that is possible was done."""
        self.error = None
        try:
            return self.reconcile(), True
        except exceptions.Failure as exc:
            self.error, done = str(exc), isinstance(exc, exceptions.PartlyDone)
        except Exception as exc:
            # The service goes on after any error.
            LOG.exception('A run has failed; this is a bug')
            self.error = f'{type(exc).__name__}: {exc}'
            return self.error, False
        # Not in the handlers: oslo.log would repeat the exception.
        remaining = '' if done else f'. {self.on_failure}'
        LOG.error('%s%s', self.error, remaining)
        return self.error, done


class Wakeup:
    """Ends a sleep early; a burst of events ends it once."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self, reason: str) -> None:
        if not self._event.is_set():
            LOG.debug('Reconciling again: %s', reason)
        self._event.set()

    def sleep(self, seconds: float) -> None:
        """Sleep until it is set and the burst is over, or time is up."""
        if not self._event.wait(seconds):
            return
        end = time.monotonic() + MAX_SETTLE
        while self._event.is_set() and time.monotonic() < end:
            self._event.clear()
            self._event.wait(SETTLE)
        self._event.clear()


class Watcher(Protocol):
    """Wakes the loop, from threads of its own."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


class ReconcileService(cotyledon.Service):
    """The process that runs the loop; its parent handles signals."""

    def __init__(
        self, worker_id: 'types.WorkerId', conf: cfg.ConfigOpts, notify: Notify
    ):
        super().__init__(worker_id)
        self._conf = conf
        self._notify = notify
        self._wakeup = Wakeup()
        self._stopped = threading.Event()
        self._ended = threading.Event()

    @abc.abstractmethod
    def new_loop(self) -> ReconcileLoop:
        """Return the loop to run."""

    @abc.abstractmethod
    def new_watchers(self, wake: Callable[[str], None]) -> Sequence[Watcher]:
        """Return what wakes the loop."""

    def run(self) -> None:
        """Reconcile until terminate is called."""
        loop = self.new_loop()
        watchers = self.new_watchers(self._wakeup.set)
        for watcher in watchers:
            watcher.start()
        while not self._stopped.is_set():
            self._wakeup.sleep(loop.run_once())
        for watcher in watchers:
            watcher.stop()
        self._ended.set()

    def terminate(self) -> None:
        """End after the current run (SIGTERM).

        The process ends when this returns. A run that takes long is cut off:
        what it has written by then is true.
        """
        self._notify('STOPPING=1')
        self._stopped.set()
        self._wakeup.set('SIGTERM')
        self._ended.wait(GRACE)

    def reload(self) -> None:
        """Reconcile now, with files read anew (SIGHUP)."""
        self._wakeup.set('SIGHUP')


def run(
    service: type[ReconcileService], conf: cfg.ConfigOpts, interval: int
) -> None:
    """Run a service until a signal ends it.

    :param interval: between two successful runs, in seconds
    """
    manager = cotyledon.ServiceManager()
    manager.add(service, workers=1, args=(conf, new_notifier(interval)))
    manager.run()


def new_notifier(interval: float) -> Notify:
    """Return the only function that sends systemd messages (sd_notify).

    :param interval: between two successful runs, in seconds
    """
    notify: Notify = sdnotify.SystemdNotifier().notify
    # cotyledon would use it.
    os.environ.pop('NOTIFY_SOCKET', None)
    # A service that sleeps for an interval does not hang.
    watchdog = int(os.environ.pop('WATCHDOG_USEC', 0))
    needed = interval * WATCHDOG_INTERVALS * 1e6
    if 0 < watchdog < needed:
        notify(f'WATCHDOG_USEC={needed:.0f}')
    return notify
