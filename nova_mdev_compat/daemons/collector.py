# SPDX-License-Identifier: Apache-2.0
"""The collector's reconcile loop: read this host, publish what differs.

If this host, or a device, cannot be read for
``[collector]acceptance_max_age`` seconds, what it accepts is taken back. The
state file has the times, so that they outlive a restart.
"""

from collections.abc import Callable, Iterable, Mapping
import contextlib
import pathlib
import time

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.common import files
from nova_mdev_compat.common import metrics
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.daemons import host_reader
from nova_mdev_compat.daemons import loop
from nova_mdev_compat.daemons import state as collector_state
from nova_mdev_compat.host import libvirt_events
from nova_mdev_compat.host import node_devices
from nova_mdev_compat.host import remarks
from nova_mdev_compat.host import vfio_watcher
from nova_mdev_compat.publication import devices_file
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication import publishers
from nova_mdev_compat.rules import model

LOG = logging.getLogger(__name__)


class Collector:
    """Reads this host; takes back what it accepts if that may be untrue.

    :param conf: the options of nova-mdev-collector
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        publisher: publishers.Publisher,
        state: collector_state.State,
    ):
        self.conf = conf
        self.publisher = publisher
        self.state = state

    def new_reader(self) -> host_reader.HostReader:
        """Return a reader whose options, rules and plugins can be used.

        If they cannot, what is published may be another driver's. It is
        taken back at once or, if a plugin has only failed, after
        [collector]acceptance_max_age seconds.

        :raises exceptions.BadInput: they cannot be used
        :raises exceptions.Failure: a plugin has failed, or what this host
            accepts cannot be taken back now
        """
        try:
            reader = host_reader.HostReader(self.conf)
            reader.rules.current()
        except exceptions.Failure as exc:
            self._take_back(exc, isinstance(exc, exceptions.BadInput))
            raise
        return reader

    def read(self, reader: host_reader.HostReader) -> host_traits.HostSnapshot:
        """Return what this host is and accepts.

        What it accepts is taken back at once if there are no rules, and after
        [collector]acceptance_max_age seconds if the host cannot be read.

        :raises exceptions.Failure: it cannot be read
        """
        try:
            host = reader.read()
        except Exception as exc:
            self._take_back(exc, isinstance(exc, model.RuleError))
            raise
        return self.state.mark_expired(
            host, self.conf.collector.acceptance_max_age, time.time()
        )

    def _take_back(self, why: Exception, at_once: bool) -> None:
        """Take back what this host accepts: at once, or when it has expired.

        :raises exceptions.Failure: it cannot be done now
        """
        max_age = self.conf.collector.acceptance_max_age
        if not (self.state.host_expired(max_age, time.time()) or at_once):
            return
        try:
            name = self._host_name()
            summary = self.publisher.withhold(name)
        except exceptions.Failure as exc:
            # Not BadInput, so that systemd starts the service again.
            raise exceptions.Failure(
                f'{why}; what this host accepts cannot be taken back now: {exc}'
            ) from why
        self.state.host, self.state.published = name, summary.published
        if summary.changed:
            LOG.warning(
                '%s accepts nothing until this is put right: %s', name, why
            )

    def _host_name(self) -> str:
        try:
            return host_reader.name(self.conf)
        except exceptions.Failure:
            if not self.state.host:
                raise
            return self.state.host


class CollectorLoop(loop.ReconcileLoop):
    """Reads this host, and publishes what differs."""

    on_failure = (
        'What was published before stays, for '
        '[collector]acceptance_max_age seconds at most.'
    )

    def __init__(
        self,
        collector: Collector,
        reader: host_reader.HostReader,
        notify: loop.Notify,
    ):
        self._options = collector.conf.collector
        super().__init__(float(self._options.interval), notify)
        self._collector = collector
        self._reader = reader
        self._fallbacks: dict[str, host_traits.Fallback | None] = {}
        self.state = collector.state

    def reconcile(self) -> str:
        host = self._collector.read(self._reader)
        for remark in host.remarks:
            if remark not in self.state.remarks:
                LOG.warning('%s', remark)
        self.state.remarks = [
            *host.remarks,
            *remarks.of_parents(
                item.parent for item in host.parents if not item.failure
            ),
        ]
        self._write_devices_file(host)
        summary = self._collector.publisher.publish(host)
        if summary.changed:
            LOG.info('%s: %s', host.name, summary)
            _warn_of_nothing(
                item
                for item in host.parents
                if not item.accepts and not item.failure
            )
        self._log_fallbacks(summary.unread)
        self.state.host = host.name
        self.state.published = summary.published
        host.check()
        self.state.last_success = time.time()
        return 'published'

    def _log_fallbacks(
        self, unread: Iterable[host_traits.ParentTraits]
    ) -> None:
        """Log what is published of unreadable devices, when it changes."""
        before, self._fallbacks = (
            self._fallbacks,
            {item.parent.name: item.fallback for item in unread},
        )
        for item in unread:
            if item.fallback != before.get(item.parent.name):
                LOG.warning('%s: %s', item.parent.name, item.note)

    def _write_devices_file(self, host: host_traits.HostSnapshot) -> None:
        """Write the late check's file, whether Placement answers or not."""
        path = pathlib.Path(self._options.devices_file)
        known: Mapping[str, devices_file.DeviceEntry] = {}
        # The old file counts only for devices that cannot be read.
        if host.failures:
            with contextlib.suppress(files.FileError):
                before = devices_file.read(path)
                known = before.devices if before.host == host.name else {}
        try:
            devices_file.write(
                path, host_traits.devices_found(host, time.time(), known)
            )
        except OSError as exc:
            LOG.warning(
                '%s: %s; nova-mdev-guard and nova-mdev-annotator know '
                'nothing new',
                exc.filename,
                exc.strerror,
            )

    def report_status(self, status: str, ready: bool) -> None:
        self.state.failures, self.state.error = self.failures, self.error
        self.state.last_pass = time.time()
        self.state.rules_error = self._reader.rules.fault
        self.state.save(self._options)
        super().report_status(status, ready)


class CollectorService(loop.ReconcileService):
    name = 'nova-mdev-collector'

    def new_loop(self) -> CollectorLoop:
        return CollectorLoop(
            Collector(
                self._conf,
                publishers.load(self._conf),
                collector_state.load(self._conf.collector),
            ),
            host_reader.HostReader(self._conf),
            self._notify,
        )

    def new_watchers(self, wake: Callable[[str], None]) -> list[loop.Watcher]:
        options = self._conf.collector
        watchers: list[loop.Watcher] = [
            libvirt_events.LibvirtWatcher(options.libvirt_uri, wake)
        ]
        if options.vfio_interval:
            watchers.append(
                vfio_watcher.VfioWatcher(
                    options.sysfs_root, options.vfio_interval, wake
                )
            )
        return watchers


def run(conf: cfg.ConfigOpts) -> None:
    """Run the service until a signal ends it.

    :raises exceptions.BadInput: with these options, rules or plugins no run
        could succeed; this host accepts nothing then
    :raises exceptions.Failure: a plugin has failed, or what this host accepts
        cannot be taken back now
    """
    state = collector_state.load(conf.collector)
    try:
        # In this process, so that a mistake ends the start.
        node_devices.check_uri(conf.collector.libvirt_uri)
        metrics.check(conf.collector.metrics_file, '[collector]metrics_file')
        Collector(conf, publishers.load(conf), state).new_reader()
    except exceptions.Failure as exc:
        state.failures, state.error = 1, str(exc)
        state.last_pass = time.time()
        state.save(conf.collector)
        raise
    loop.run(CollectorService, conf, conf.collector.interval)


def publish_once(conf: cfg.ConfigOpts) -> None:
    """Publish once what this host is and accepts.

    :raises host_traits.PartlyRead: devices could not be read; the others
        are published
    :raises exceptions.Failure: it cannot be done
    """
    state = collector_state.load(conf.collector)
    collector = Collector(conf, publishers.load(conf), state)
    before = state.unread_since, state.host_unread_since
    try:
        host = collector.read(collector.new_reader())
    finally:
        # For operators who run this from time to time, without the service.
        if (state.unread_since, state.host_unread_since) != before:
            state.save(conf.collector)
    for remark in host.remarks:
        LOG.warning('%s', remark)
    summary = collector.publisher.publish(host)
    _warn_of_nothing(
        item
        for item in [*host.parents, *summary.unread]
        if item.fallback or not (item.accepts or item.failure)
    )
    LOG.info('%s: %s', host.name, summary)
    host.check()


def _warn_of_nothing(parents: Iterable[host_traits.ParentTraits]) -> None:
    for item in parents:
        LOG.warning(
            '%s accepts nothing: %s', item.parent.name, item.why_nothing
        )
