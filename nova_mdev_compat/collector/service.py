# SPDX-License-Identifier: Apache-2.0
"""The collector as a service: passes, as often as needed and no oftener."""

from collections.abc import Callable
import pathlib
import random
import threading
import time

import cotyledon
from cotyledon import types
from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.collector import alarm
from nova_mdev_compat.collector import events
from nova_mdev_compat.collector import host as collector_host
from nova_mdev_compat.collector import metrics
from nova_mdev_compat.collector import nodedev
from nova_mdev_compat.collector import notification
from nova_mdev_compat.collector import publication
from nova_mdev_compat.collector import publishers
from nova_mdev_compat.collector import state as collector_state
from nova_mdev_compat import exceptions
from nova_mdev_compat.guard import device_file

LOG = logging.getLogger(__name__)

#: First and longest pause after a pass that failed, in seconds.
MIN_PAUSE = 2
JITTER = 0.1
#: For how long the end of the process waits for that of a pass.
GRACE = 10


class Passes:
    """One pass after another, each of which may fail.

    :param notify: tells systemd
    """

    def __init__(self, conf: cfg.ConfigOpts, reader: collector_host.Reader,
                 publisher: publishers.base.Publisher,
                 notify: Callable[[str], object]):
        self._options = conf.collector
        self._reader = reader
        self._publisher = publisher
        self._notify = notify
        self.state = collector_state.State(float(self._options.interval))

    def run_one(self) -> float:
        """Make a pass; return for how long to sleep after it."""
        failure = None
        try:
            self._publish()
        except exceptions.Failure as exc:
            failure = str(exc)
        except Exception as exc:
            # The service has to go on, whatever it is.
            self._failed(f'{type(exc).__name__}: {exc}')
            LOG.exception('A pass has failed; this is a bug')
        if failure:
            self._failed(failure)
            # Not in the handler: oslo.log would say it all once more.
            LOG.error('%s. What was published before stays.', failure)
        self._leave_word()
        return self._pause()

    def _publish(self) -> None:
        host = self._reader.read()
        self._leave_devices(host)
        summary = self._publisher.publish(host)
        if summary.changed:
            LOG.info('%s: %s', host.name, summary)
        for item in host.parents:
            if not item.accepts and summary.changed:
                LOG.warning('%s accepts nothing: %s', item.parent.name,
                            item.why_nothing)
        if self.state.failures:
            LOG.info('Published again, after %d failures',
                     self.state.failures)
        if self.state.last_success is None:
            self._notify('READY=1')
        self.state.host = host.name
        self.state.published = summary.published
        self.state.last_success = time.time()
        self.state.failures, self.state.error = 0, None

    def _leave_devices(self, host: publication.Host) -> None:
        """Leave word for the late check, whether Placement answers or not."""
        path = pathlib.Path(self._options.devices_file)
        try:
            device_file.write(
                path, publication.devices_found(host, time.time()))
        except OSError as exc:
            LOG.warning('%s: %s; nova-mdev-guard and nova-mdev-annotator know '
                        'nothing new', exc.filename, exc.strerror)

    def _failed(self, why: str) -> None:
        self.state.failures += 1
        self.state.error = why

    def _leave_word(self) -> None:
        self.state.last_pass = time.time()
        self.state.rules_error = self._reader.rules.fault
        self._notify('WATCHDOG=1')
        self._notify('STATUS=' + (self.state.error or 'published').replace(
            '\n', ' '))
        try:
            collector_state.write(pathlib.Path(self._options.state_file),
                                  self.state)
            metrics.write(self._options.metrics_file, self.state)
        except OSError as exc:
            LOG.warning('%s: %s; nova-mdev-collector status knows nothing '
                        'new', exc.filename, exc.strerror)

    def _pause(self) -> float:
        interval = float(self._options.interval)
        if self.state.failures:
            # Some first tries come soon; a long outage costs no more than a
            # quiet host.
            exponent = min(self.state.failures - 1, 16)
            interval = min(interval, MIN_PAUSE * 2.0 ** exponent)
        return interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311


class Service(cotyledon.Service):
    """The process that makes the passes; its parent handles signals."""

    name = 'nova-mdev-collector'

    def __init__(self, worker_id: types.WorkerId, conf: cfg.ConfigOpts,
                 notify: Callable[[str], object]):
        super().__init__(worker_id)
        self._conf = conf
        self._notify = notify
        self._alarm = alarm.Alarm()
        self._stopped = threading.Event()
        self._ended = threading.Event()

    def run(self) -> None:
        """Make passes until terminate is called."""
        passes = Passes(self._conf, collector_host.Reader(self._conf),
                        publishers.load(self._conf), self._notify)
        watcher = events.Watcher(self._conf.collector.libvirt_uri,
                                 self._alarm.ring)
        watcher.start()
        while not self._stopped.is_set():
            self._alarm.sleep(passes.run_one())
        watcher.stop()
        self._ended.set()

    def terminate(self) -> None:
        """End, after the pass that is under way (SIGTERM).

        The process ends when this returns. A pass that takes long is cut
        off: what it has published by then is true.
        """
        self._notify('STOPPING=1')
        self._stopped.set()
        self._alarm.ring('asked to end')
        self._ended.wait(GRACE)

    def reload(self) -> None:
        """Look again at once, at rule files too (SIGHUP)."""
        self._alarm.ring('asked to')


def run(conf: cfg.ConfigOpts) -> None:
    """Be a service until a signal ends it.

    :raises exceptions.BadInput: options with which no pass could succeed
    """
    # In this process, so that a mistake shows before anything is started.
    nodedev.check_uri(conf.collector.libvirt_uri)
    collector_host.Reader(conf).rules.current()
    publishers.load(conf)
    metrics.check(conf.collector.metrics_file)
    notify = notification.notifier(conf.collector.interval)
    manager = cotyledon.ServiceManager()
    manager.add(Service, workers=1, args=(conf, notify))
    manager.run()
