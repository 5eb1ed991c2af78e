# SPDX-License-Identifier: Apache-2.0
"""The collector's reconcile loop: read this host, publish what differs.

If this host, or a device, cannot be read for
``[collector]acceptance_max_age`` seconds, what it accepts is taken back. The
state file has the times, so that a restart does not begin to count anew.
"""

from collections.abc import Callable, Iterable, Mapping
import contextlib
import dataclasses
import pathlib
import time

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.common import files
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.daemons import health
from nova_mdev_compat.daemons import host_reader
from nova_mdev_compat.daemons import loop
from nova_mdev_compat.daemons.state import State
from nova_mdev_compat.host import libvirt_events
from nova_mdev_compat.host import node_devices
from nova_mdev_compat.host import remarks
from nova_mdev_compat.publication import devices_file
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication import publishers
from nova_mdev_compat.rules import model

LOG = logging.getLogger(__name__)


class CollectorLoop(loop.ReconcileLoop):
    """Reads this host, and publishes what differs."""

    on_failure = (
        'What was published before stays, for '
        '[collector]acceptance_max_age seconds at most.'
    )

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        reader: host_reader.HostReader,
        publisher: publishers.Publisher,
        notify: loop.Notify,
    ):
        super().__init__(float(conf.collector.interval), notify)
        self._conf = conf
        self._options = conf.collector
        self._reader = reader
        self._publisher = publisher
        self._fallbacks: dict[str, host_traits.Fallback | None] = {}
        self.state = health.load(conf.collector)

    def reconcile(self) -> str:
        host = read_host(self._conf, self._reader, self._publisher, self.state)
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
        summary = self._publisher.publish(host)
        if summary.changed:
            LOG.info('%s: %s', host.name, summary)
            for item in host.parents:
                if not item.accepts and not item.failure:
                    LOG.warning(
                        '%s accepts nothing: %s',
                        item.parent.name,
                        item.why_nothing,
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
        health.write(self._options, self.state)
        super().report_status(status, ready)


class CollectorService(loop.ReconcileService):
    name = 'nova-mdev-collector'

    def new_loop(self) -> CollectorLoop:
        return CollectorLoop(
            self._conf,
            host_reader.HostReader(self._conf),
            publishers.load(self._conf),
            self._notify,
        )

    def new_watcher(
        self, wake: Callable[[str], None]
    ) -> libvirt_events.Watcher:
        return libvirt_events.Watcher(self._conf.collector.libvirt_uri, wake)


def read_host(
    conf: cfg.ConfigOpts,
    reader: host_reader.HostReader,
    publisher: publishers.Publisher,
    state: State,
) -> host_traits.HostSnapshot:
    """Read this host; take back what it accepts if that may be untrue.

    That happens at once if there are no rules, and after
    [collector]acceptance_max_age seconds if the host cannot be read.

    :raises exceptions.Failure: it cannot be read
    """
    max_age = conf.collector.acceptance_max_age
    try:
        host = reader.read()
    except model.RuleError as exc:
        withhold(conf, publisher, state, exc)
        raise
    except Exception as exc:
        if host_expired(state, max_age, time.time()):
            try:
                withhold(conf, publisher, state, exc)
            except exceptions.Failure as failure:
                LOG.error(
                    'What this host accepts cannot be taken back: %s', failure
                )
        raise
    return mark_expired(state, host, max_age, time.time())


def mark_expired(
    state: State, host: host_traits.HostSnapshot, max_age: float, now: float
) -> host_traits.HostSnapshot:
    """Note which devices could not be read; mark those that have expired.

    :param max_age: after how many seconds a device expires
    :param now: in seconds since the epoch
    """
    state.host_unread_since = None
    # min: a clock that was set back must not delay it.
    state.unread_since = {
        name: min(state.unread_since.get(name, now), now)
        for name in host.failures
    }
    return dataclasses.replace(
        host,
        parents=tuple(
            dataclasses.replace(
                item,
                expired=now - state.unread_since[item.parent.name] >= max_age,
            )
            if item.failure
            else item
            for item in host.parents
        ),
    )


def host_expired(state: State, max_age: float, now: float) -> bool:
    """Note that the host could not be read; return whether it has expired.

    :param max_age: after how many seconds it expires
    :param now: in seconds since the epoch
    """
    since = state.host_unread_since
    state.host_unread_since = now if since is None else min(since, now)
    return now - state.host_unread_since >= max_age


def withhold(
    conf: cfg.ConfigOpts,
    publisher: publishers.Publisher,
    state: State,
    why: Exception,
) -> None:
    """Take back what this host accepts; log it if anything changes.

    :raises exceptions.Failure: it cannot be done now
    """
    try:
        name = host_reader.name(conf)
    except exceptions.Failure:
        if not state.host:
            raise
        name = state.host
    summary = publisher.withhold(name)
    state.host, state.published = name, summary.published
    if summary.changed:
        LOG.warning(
            '%s accepts nothing until this is put right: %s', name, why
        )


def new_reader(
    conf: cfg.ConfigOpts, publisher: publishers.Publisher, state: State
) -> host_reader.HostReader:
    """Return a reader whose options, rules and plugins can be used.

    If they cannot, it is unknown what this host accepts, and what is
    published may be another driver's. So it is taken back: at once, or if a
    plugin has only failed, after [collector]acceptance_max_age seconds.

    :raises exceptions.BadInput: they cannot be used
    :raises exceptions.Failure: a plugin has failed, or what this host accepts
        cannot be taken back now
    """
    try:
        reader = host_reader.HostReader(conf)
        reader.rules.current()
    except exceptions.Failure as exc:
        expired = host_expired(
            state, conf.collector.acceptance_max_age, time.time()
        )
        if expired or isinstance(exc, exceptions.BadInput):
            try:
                withhold(conf, publisher, state, exc)
            except exceptions.Failure as failure:
                # Not BadInput, so that systemd starts the service again.
                raise exceptions.Failure(
                    f'{exc}; what this host accepts cannot be taken back '
                    f'now: {failure}'
                ) from exc
        raise
    return reader


def run(conf: cfg.ConfigOpts) -> None:
    """Run the service until a signal ends it.

    :raises exceptions.BadInput: with these options, rules or plugins no run
        could succeed; this host accepts nothing then
    :raises exceptions.Failure: a plugin has failed, or what this host accepts
        cannot be taken back now
    """
    state = health.load(conf.collector)
    try:
        # In this process, so that a mistake ends the start.
        node_devices.check_uri(conf.collector.libvirt_uri)
        health.check_metrics(conf.collector.metrics_file)
        new_reader(conf, publishers.load(conf), state)
    except exceptions.Failure as exc:
        state.failures, state.error = 1, str(exc)
        state.last_pass = time.time()
        health.write(conf.collector, state)
        raise
    loop.run(CollectorService, conf, conf.collector.interval)


def publish_once(conf: cfg.ConfigOpts) -> None:
    """Publish once what this host is and accepts.

    :raises host_traits.PartlyRead: devices could not be read; the others
        are published
    :raises exceptions.Failure: it cannot be done
    """
    publisher, state = publishers.load(conf), health.load(conf.collector)
    before = state.unread_since, state.host_unread_since
    try:
        reader = new_reader(conf, publisher, state)
        host = read_host(conf, reader, publisher, state)
    finally:
        # For operators who run this from time to time, without the service.
        if (state.unread_since, state.host_unread_since) != before:
            health.write(conf.collector, state)
    for remark in host.remarks:
        LOG.warning('%s', remark)
    summary = publisher.publish(host)
    for item in [*host.parents, *summary.unread]:
        if item.fallback or not (item.accepts or item.failure):
            LOG.warning(
                '%s accepts nothing: %s', item.parent.name, item.why_nothing
            )
    LOG.info('%s: %s', host.name, summary)
    host.check()
