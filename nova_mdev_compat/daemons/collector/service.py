# SPDX-License-Identifier: Apache-2.0
"""The collector as a service."""

from collections.abc import Callable, Iterable, Mapping
import contextlib
import pathlib
import time

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.common import files
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.daemons.collector import host_reader
from nova_mdev_compat.daemons.collector import metrics
from nova_mdev_compat.daemons.collector import state as collector_state
from nova_mdev_compat.daemons.collector import unread
from nova_mdev_compat.daemons import loop
from nova_mdev_compat.host import libvirt_events
from nova_mdev_compat.host import node_devices
from nova_mdev_compat.host import remarks
from nova_mdev_compat.publication import devices_file
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication import publishers
from nova_mdev_compat.rules import model

LOG = logging.getLogger(__name__)


class Passes(loop.Passes):
    """Each reads this host, and publishes what differs."""

    stays = (
        'What was published before stays, for '
        '[collector]acceptance_max_age seconds at most.'
    )

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        reader: host_reader.Reader,
        publisher: publishers.base.Publisher,
        notify: loop.Notify,
    ):
        super().__init__(float(conf.collector.interval), notify)
        self._conf = conf
        self._options = conf.collector
        self._reader = reader
        self._publisher = publisher
        self._standings: dict[str, host_traits.Standing | None] = {}
        self.state = remembered(conf)

    def make(self) -> str:
        host = read(self._conf, self._reader, self._publisher, self.state)
        for remark in host.remarks:
            if remark not in self.state.remarks:
                LOG.warning('%s', remark)
        self.state.remarks = [
            *host.remarks,
            *remarks.of_parents(
                item.parent for item in host.parents if not item.failure
            ),
        ]
        self._leave_devices(host)
        summary = self._publisher.publish(host)
        if summary.changed:
            LOG.info('%s: %s', host.name, summary)
        for item in host.parents:
            if not item.accepts and not item.failure and summary.changed:
                LOG.warning(
                    '%s accepts nothing: %s',
                    item.parent.name,
                    item.why_nothing,
                )
        self._tell_standings(summary.unread)
        self.state.host = host.name
        self.state.published = summary.published
        host.check()
        self.state.last_success = time.time()
        return 'published'

    def _tell_standings(
        self, unread: Iterable[host_traits.ParentTraits]
    ) -> None:
        """Say what becomes of devices that cannot be read, when it changes."""
        before, self._standings = (
            self._standings,
            {item.parent.name: item.standing for item in unread},
        )
        for item in unread:
            if item.standing != before.get(item.parent.name):
                LOG.warning('%s: %s', item.parent.name, item.note)

    def _leave_devices(self, host: host_traits.Host) -> None:
        """Leave word for the late check, whether Placement answers or not."""
        path = pathlib.Path(self._options.devices_file)
        known: Mapping[str, devices_file.Device] = {}
        # What was left there counts only for devices that cannot be read.
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

    def leave_word(self, status: str) -> None:
        super().leave_word(status)
        self.state.failures, self.state.error = self.failures, self.error
        self.state.last_pass = time.time()
        self.state.rules_error = self._reader.rules.fault
        try:
            collector_state.write(
                pathlib.Path(self._options.state_file), self.state
            )
            metrics.write(self._options.metrics_file, self.state)
        except OSError as exc:
            LOG.warning(
                '%s: %s; nova-mdev-collector status knows nothing new',
                exc.filename,
                exc.strerror,
            )


class Service(loop.Service):
    name = 'nova-mdev-collector'

    def passes(self) -> Passes:
        return Passes(
            self._conf,
            host_reader.Reader(self._conf),
            publishers.load(self._conf),
            self._notify,
        )

    def watcher(self, wake: Callable[[str], None]) -> libvirt_events.Watcher:
        return libvirt_events.Watcher(self._conf.collector.libvirt_uri, wake)


def remembered(conf: cfg.ConfigOpts) -> collector_state.State:
    """Return a new state that knows what the last process left undone."""
    state = collector_state.State(float(conf.collector.interval))
    try:
        last = collector_state.read(pathlib.Path(conf.collector.state_file))
    except files.FileError:
        return state
    state.host = last.host
    state.host_unread_since = last.host_unread_since
    state.unread_since = last.unread_since
    return state


def read(
    conf: cfg.ConfigOpts,
    reader: host_reader.Reader,
    publisher: publishers.base.Publisher,
    state: collector_state.State,
) -> host_traits.Host:
    """Read this host; take back what it accepts where that cannot be vouched.

    That is at once where there are no rules to judge by, and where the host
    cannot be read after [collector]acceptance_max_age seconds.

    :raises exceptions.Failure: it cannot be read
    """
    max_age = conf.collector.acceptance_max_age
    try:
        host = reader.read()
    except model.RuleError as exc:
        withhold(conf, publisher, state, exc)
        raise
    except Exception as exc:
        if unread.host_expired(state, max_age, time.time()):
            try:
                withhold(conf, publisher, state, exc)
            except exceptions.Failure as failure:
                LOG.error(
                    'What this host accepts cannot be taken back: %s', failure
                )
        raise
    return unread.mark(state, host, max_age, time.time())


def withhold(
    conf: cfg.ConfigOpts,
    publisher: publishers.base.Publisher,
    state: collector_state.State,
    why: Exception,
) -> None:
    """Take back what this host accepts, and say so where that is news.

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
    conf: cfg.ConfigOpts,
    publisher: publishers.base.Publisher,
    state: collector_state.State,
) -> host_reader.Reader:
    """Return a reader whose options, rules and plugins can be used.

    Where they cannot, nobody knows what this host accepts: what is published
    may be of another driver. So it is taken back; where a plugin only fails,
    after [collector]acceptance_max_age seconds.

    :raises exceptions.BadInput: they cannot be used
    :raises exceptions.Failure: a plugin has failed, or what this host accepts
        cannot be taken back now
    """
    try:
        reader = host_reader.Reader(conf)
        reader.rules.current()
    except exceptions.Failure as exc:
        expired = unread.host_expired(
            state, conf.collector.acceptance_max_age, time.time()
        )
        if expired or isinstance(exc, exceptions.BadInput):
            try:
                withhold(conf, publisher, state, exc)
            except exceptions.Failure as failure:
                # No BadInput, so that systemd tries it again.
                raise exceptions.Failure(
                    f'{exc}; what this host accepts cannot be taken back '
                    f'now: {failure}'
                ) from exc
        raise
    return reader


def run(conf: cfg.ConfigOpts) -> None:
    """Be a service until a signal ends it.

    :raises exceptions.BadInput: options, rules or plugins with which no pass
        could succeed; this host accepts nothing then
    :raises exceptions.Failure: a plugin has failed, or what this host accepts
        cannot be taken back now
    """
    # In this process, so that a mistake shows before anything is started.
    node_devices.check_uri(conf.collector.libvirt_uri)
    metrics.check(conf.collector.metrics_file)
    publisher, state = publishers.load(conf), remembered(conf)
    try:
        new_reader(conf, publisher, state)
    except exceptions.Failure as exc:
        state.failures, state.error = 1, str(exc)
        state.last_pass = time.time()
        _write(conf, state)
        raise
    loop.run(Service, conf, conf.collector.interval)


def publish_once(conf: cfg.ConfigOpts) -> None:
    """Publish once what this host is and accepts.

    :raises publication.PartlyRead: devices could not be read; the others
        are published
    :raises exceptions.Failure: it cannot be done
    """
    publisher, state = publishers.load(conf), remembered(conf)
    before = state.unread_since, state.host_unread_since
    try:
        host = read(conf, new_reader(conf, publisher, state), publisher, state)
    finally:
        # For whoever runs this from time to time, in the service's place.
        if (state.unread_since, state.host_unread_since) != before:
            _write(conf, state)
    for remark in host.remarks:
        LOG.warning('%s', remark)
    summary = publisher.publish(host)
    for item in [*host.parents, *summary.unread]:
        if item.standing or not (item.accepts or item.failure):
            LOG.warning(
                '%s accepts nothing: %s', item.parent.name, item.why_nothing
            )
    LOG.info('%s: %s', host.name, summary)
    host.check()


def _write(conf: cfg.ConfigOpts, state: collector_state.State) -> None:
    try:
        collector_state.write(pathlib.Path(conf.collector.state_file), state)
    except OSError as exc:
        LOG.warning(
            '%s: %s; nova-mdev-collector status knows nothing new',
            exc.filename,
            exc.strerror,
        )
