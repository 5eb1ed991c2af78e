# SPDX-License-Identifier: Apache-2.0
"""A service that makes passes, as often as needed and no oftener."""

import abc
from collections.abc import Callable
import random
import threading
from typing import TYPE_CHECKING

import cotyledon
from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.daemons import systemd
from nova_mdev_compat.daemons import wakeup
from nova_mdev_compat.host import libvirt_events

if TYPE_CHECKING:
    # It is there since cotyledon 2.0 only.
    from cotyledon import types

LOG = logging.getLogger(__name__)

#: First and longest pause after a pass that failed, in seconds.
MIN_PAUSE = 2
JITTER = 0.1
#: For how long the end of the process waits for that of a pass.
GRACE = 10

Notify = Callable[[str], object]


class Passes(abc.ABC):
    """One pass after another, each of which may fail.

    :param interval: between two good ones, in seconds
    :param notify: tells systemd
    :ivar failures: how many have failed since the last good one
    :ivar error: why the last one has failed, None where it has not
    """

    #: A sentence: what a pass that fails leaves as it was.
    stays: str

    def __init__(self, interval: float, notify: Notify):
        self._interval = interval
        self._notify = notify
        self._ready = self._done = False
        self.failures = 0
        self.error: str | None = None

    @abc.abstractmethod
    def make(self) -> str:
        """Make a pass; return in a word what it came to.

        :raises exceptions.PartlyDone: all that could be done was done
        :raises exceptions.Failure: it has failed
        """

    def run_one(self) -> float:
        """Make a pass; return for how long to sleep after it."""
        status = self._try()
        if self.error is None:
            self._succeeded()
        else:
            self.failures += 1
        if self._done and not self._ready:
            self._notify('READY=1')
            self._ready = True
        self.leave_word(status)
        return self._pause()

    def leave_word(self, status: str) -> None:
        """Tell how it fares, after each pass."""
        self._notify('WATCHDOG=1')
        self._notify('STATUS=' + ' '.join(status.split()))

    def _try(self) -> str:
        self.error, self._done = None, True
        try:
            return self.make()
        except exceptions.PartlyDone as exc:
            self.error = str(exc)
        except exceptions.Failure as exc:
            self.error, self._done = str(exc), False
        except Exception as exc:
            # The service has to go on, whatever it is.
            LOG.exception('A pass has failed; this is a bug')
            self.error = f'{type(exc).__name__}: {exc}'
            self._done = False
            return self.error
        # Not in the handler: oslo.log would say it all once more.
        if self._done:
            LOG.error('%s', self.error)
        else:
            LOG.error('%s. %s', self.error, self.stays)
        return self.error

    def _succeeded(self) -> None:
        if self.failures:
            LOG.info('Done again, after %d failures', self.failures)
        self.failures = 0

    def _pause(self) -> float:
        interval = min(self._interval, self.longest())
        if self.failures:
            # Some first tries come soon; a long outage costs no more than a
            # quiet host.
            exponent = min(self.failures - 1, 16)
            interval = min(interval, MIN_PAUSE * 2.0**exponent)
        return interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311

    def longest(self) -> float:
        """Return for how long it may sleep now at most, in seconds."""
        return self._interval


class Service(cotyledon.Service):
    """The process that makes the passes; its parent handles signals."""

    def __init__(
        self, worker_id: 'types.WorkerId', conf: cfg.ConfigOpts, notify: Notify
    ):
        super().__init__(worker_id)
        self._conf = conf
        self._notify = notify
        self._alarm = wakeup.Alarm()
        self._stopped = threading.Event()
        self._ended = threading.Event()

    @abc.abstractmethod
    def passes(self) -> Passes:
        """Return what makes the passes."""

    @abc.abstractmethod
    def watcher(self, wake: Callable[[str], None]) -> libvirt_events.Watcher:
        """Return what wakes the service."""

    def run(self) -> None:
        """Make passes until terminate is called."""
        passes = self.passes()
        watcher = self.watcher(self._alarm.ring)
        watcher.start()
        while not self._stopped.is_set():
            self._alarm.sleep(passes.run_one())
        watcher.stop()
        self._ended.set()

    def terminate(self) -> None:
        """End, after the pass that is under way (SIGTERM).

        The process ends when this returns. A pass that takes long is cut
        off: what it has written by then is true.
        """
        self._notify('STOPPING=1')
        self._stopped.set()
        self._alarm.ring('asked to end')
        self._ended.wait(GRACE)

    def reload(self) -> None:
        """Look again at once, at files too (SIGHUP)."""
        self._alarm.ring('asked to')


def run(service: type[Service], conf: cfg.ConfigOpts, interval: int) -> None:
    """Be a service until a signal ends it."""
    notify = systemd.notifier(interval)
    manager = cotyledon.ServiceManager()
    manager.add(service, workers=1, args=(conf, notify))
    manager.run()
