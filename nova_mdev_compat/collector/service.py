# SPDX-License-Identifier: Apache-2.0
"""The collector as a service."""

from collections.abc import Callable
import pathlib
import time

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.collector import events
from nova_mdev_compat.collector import host as collector_host
from nova_mdev_compat.collector import metrics
from nova_mdev_compat.collector import nodedev
from nova_mdev_compat.collector import passes
from nova_mdev_compat.collector import publication
from nova_mdev_compat.collector import publishers
from nova_mdev_compat.collector import state as collector_state
from nova_mdev_compat.guard import device_file

LOG = logging.getLogger(__name__)


class Passes(passes.Passes):
    """Each reads this host, and publishes what differs."""

    stays = 'What was published before stays.'

    def __init__(self, conf: cfg.ConfigOpts, reader: collector_host.Reader,
                 publisher: publishers.base.Publisher, notify: passes.Notify):
        super().__init__(float(conf.collector.interval), notify)
        self._options = conf.collector
        self._reader = reader
        self._publisher = publisher
        self.state = collector_state.State(float(self._options.interval))

    def make(self) -> str:
        host = self._reader.read()
        self._leave_devices(host)
        summary = self._publisher.publish(host)
        if summary.changed:
            LOG.info('%s: %s', host.name, summary)
        for item in host.parents:
            if not item.accepts and summary.changed:
                LOG.warning('%s accepts nothing: %s', item.parent.name,
                            item.why_nothing)
        self.state.host = host.name
        self.state.published = summary.published
        self.state.last_success = time.time()
        return 'published'

    def _leave_devices(self, host: publication.Host) -> None:
        """Leave word for the late check, whether Placement answers or not."""
        path = pathlib.Path(self._options.devices_file)
        try:
            device_file.write(
                path, publication.devices_found(host, time.time()))
        except OSError as exc:
            LOG.warning('%s: %s; nova-mdev-guard and nova-mdev-annotator know '
                        'nothing new', exc.filename, exc.strerror)

    def leave_word(self, status: str) -> None:
        super().leave_word(status)
        self.state.failures, self.state.error = self.failures, self.error
        self.state.last_pass = time.time()
        self.state.rules_error = self._reader.rules.fault
        try:
            collector_state.write(pathlib.Path(self._options.state_file),
                                  self.state)
            metrics.write(self._options.metrics_file, self.state)
        except OSError as exc:
            LOG.warning('%s: %s; nova-mdev-collector status knows nothing '
                        'new', exc.filename, exc.strerror)


class Service(passes.Service):
    name = 'nova-mdev-collector'

    def passes(self) -> Passes:
        return Passes(self._conf, collector_host.Reader(self._conf),
                      publishers.load(self._conf), self._notify)

    def watcher(self, wake: Callable[[str], None]) -> events.Watcher:
        return events.Watcher(self._conf.collector.libvirt_uri, wake)


def run(conf: cfg.ConfigOpts) -> None:
    """Be a service until a signal ends it.

    :raises exceptions.BadInput: options with which no pass could succeed
    """
    # In this process, so that a mistake shows before anything is started.
    nodedev.check_uri(conf.collector.libvirt_uri)
    collector_host.Reader(conf).rules.current()
    publishers.load(conf)
    metrics.check(conf.collector.metrics_file)
    passes.run(Service, conf, conf.collector.interval)
