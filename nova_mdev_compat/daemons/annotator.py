# SPDX-License-Identifier: Apache-2.0
"""The annotator's reconcile loop: each domain gets its devices' sources."""

import collections
from collections.abc import Callable, Iterable
import dataclasses
import pathlib
import time
from typing import Any

import libvirt
from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.common import files
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import text
from nova_mdev_compat.daemons import domains
from nova_mdev_compat.daemons import loop
from nova_mdev_compat.daemons import updates
from nova_mdev_compat.daemons.updates import DomainState
from nova_mdev_compat.daemons.updates import DomainUpdate
from nova_mdev_compat.host import libvirt_events
from nova_mdev_compat.host import node_devices
from nova_mdev_compat.host import sysfs
from nova_mdev_compat.host import vfio
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file

LOG = logging.getLogger(__name__)

#: How many domains or devices a message names.
MAX_NAMED = 5
#: Longest pause while a domain waits for the end of a job, in seconds.
BUSY_PAUSE = 5.0
#: Our own writes cause METADATA_CHANGE, too. The run that follows finds
#: nothing to write.
EVENTS = (
    *libvirt_events.DOMAIN_EVENTS,
    libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
)

_PlanFor = Callable[[DomainState], DomainUpdate]


@dataclasses.dataclass
class DomainsSummary:
    """The result of a run over all domains.

    :ivar updates: of the domains that have, or had, an annotation
    :ivar written: how many were written
    :ivar busy: names of those that could not be written now
    :ivar failures: one message for each domain that has failed; it names the
        domain
    """

    updates: list[DomainUpdate] = dataclasses.field(default_factory=list)
    written: int = 0
    busy: list[str] = dataclasses.field(default_factory=list)
    failures: list[str] = dataclasses.field(default_factory=list)

    def unknown(self) -> list[str]:
        """Return why sources are not known, each with its devices."""
        names = collections.defaultdict(list)
        for update in self.updates:
            for entry in update.entries:
                names[entry.why].append(
                    f'{entry.device} of domain {update.domain.name}'
                )
        return [
            f'{join_some(devices)}: {why}'
            for why, devices in names.items()
            if why
        ]

    def check(self) -> None:
        """Check that no domain has failed.

        :raises exceptions.Failure: one has
        """
        if self.failures:
            raise exceptions.Failure(join_some(self.failures))


def join_some(texts: Iterable[str]) -> str:
    """Return texts as one; the texts may have commas."""
    return text.join(texts, MAX_NAMED, separator='; ')


class Annotator:
    """Reads all domains, and writes what differs.

    :param options: [collector]
    :raises exceptions.BadInput: no libvirt can be reached with these options
    """

    def __init__(self, options: Any):
        node_devices.check_uri(options.libvirt_uri)
        self._options = options
        self._libvirt = domains.LibvirtHost(
            options.libvirt_uri, options.libvirt_timeout
        )

    def annotate(self, *, write: bool = True) -> DomainsSummary:
        """Give each running domain the sources of its devices.

        :param write: False only returns what would be written
        :raises node_devices.LibvirtError: libvirt does not answer at all
        """
        devices: updates.Devices
        try:
            devices = devices_file.read_fresh(
                pathlib.Path(self._options.devices_file),
                self._options.devices_max_age,
                time.time(),
            )
        except files.FileError as exc:
            devices = str(exc)

        def plan(domain: DomainState) -> DomainUpdate:
            live = domain.live or domain_xml.Domain(())
            locations = {
                name: where
                for name, where in (
                    *((uuid, self._locate_mdev(uuid)) for uuid in live.uuids),
                    *(
                        (address, self._locate_function(address))
                        for address in live.addresses
                    ),
                )
                if where
            }
            return updates.plan_update(
                domain, locations, devices, self._libvirt.name
            )

        with self._libvirt.domains(write=write, running=True) as found:
            return _update_domains(found, plan, write)

    def remove(self) -> DomainsSummary:
        """Remove the annotation of each domain, whether it runs or not.

        :raises node_devices.LibvirtError: libvirt does not answer at all
        """
        with self._libvirt.domains(write=True, running=False) as found:
            return _update_domains(found, updates.plan_removal, write=True)

    def _locate_mdev(self, uuid: str) -> updates.Location:
        """Return where an mdev is, or why that is not known."""
        root = self._options.sysfs_root
        try:
            return sysfs.find_mdev(root, uuid) or (
                f'it is not in {root}/bus/mdev'
            )
        except OSError as exc:
            return f'{exc.filename}: {exc.strerror}'

    def _locate_function(self, address: str) -> updates.Location | None:
        """Return where a virtual function is, or why that is not known.

        None for any other PCI device.
        """
        try:
            found = vfio.find_function(self._options.sysfs_root, address)
        except sysfs.SysfsError as exc:
            return str(exc)
        if found is None:
            return None
        if found.why_no_type:
            return found.why_no_type
        return sysfs.DeviceLocation(found.physical, found.type)


def _update_domains(
    found: Iterable[domains.LibvirtDomain], plan: _PlanFor, write: bool
) -> DomainsSummary:
    """Update each domain; one that fails does not stop the others."""
    summary = DomainsSummary()
    for domain in found:
        try:
            _update_domain(domain, plan, write, summary)
        except domains.LibvirtDomainError as exc:
            summary.failures.append(str(exc))
        except domains.LibvirtTimeout as exc:
            summary.failures.append(str(exc))
            break  # the others would get no answer either
    return summary


def _update_domain(
    domain: domains.LibvirtDomain,
    plan: _PlanFor,
    write: bool,
    summary: DomainsSummary,
) -> None:
    # A second time if it stops between reading and writing, and is still
    # defined.
    for _ in range(2):
        state = domain.read()
        if state is None:
            return
        update = plan(state)
        result = domain.write(update) if write and update.where else None
        if result is domains.WriteResult.GONE:
            continue
        if update.entries or update.where:
            summary.updates.append(update)
        if result is domains.WriteResult.WRITTEN:
            summary.written += 1
            sources = '; '.join(
                f'{entry.device}: {entry.device.identity or "unknown"}'
                for entry in update.entries
            )
            LOG.info(
                'domain %s: %s', state.name, sources or 'annotation removed'
            )
        elif result is domains.WriteResult.BUSY:
            summary.busy.append(state.name)
        return


class AnnotatorLoop(loop.ReconcileLoop):
    """Reads all domains, and writes what differs."""

    on_failure = 'The domains keep their annotations.'

    def __init__(self, conf: cfg.ConfigOpts, notify: loop.Notify):
        super().__init__(float(conf.annotator.interval), notify)
        self._annotator = Annotator(conf.collector)
        self._unknown: frozenset[str] = frozenset()

    def reconcile(self) -> str:
        self.max_sleep = self._interval
        summary = self._annotator.annotate()
        unknown = summary.unknown()
        for why in sorted(set(unknown) - self._unknown):
            LOG.warning('%s', why)
        self._unknown = frozenset(unknown)
        if summary.busy:
            self.max_sleep = BUSY_PAUSE
            LOG.info(
                'Domains with a job, which are tried again soon: %s',
                join_some(summary.busy),
            )
        summary.check()
        count = sum(bool(update.entries) for update in summary.updates)
        return '; '.join(
            [f'{text.count(count, "domain")} with annotated devices', *unknown]
        )


class AnnotatorService(loop.ReconcileService):
    name = 'nova-mdev-annotator'

    def new_loop(self) -> AnnotatorLoop:
        return AnnotatorLoop(self._conf, self._notify)

    def new_watchers(self, wake: Callable[[str], None]) -> list[loop.Watcher]:
        # The collector's file has the devices.
        return [
            libvirt_events.LibvirtWatcher(
                self._conf.collector.libvirt_uri, wake, EVENTS, ()
            )
        ]


def run(conf: cfg.ConfigOpts) -> None:
    """Run the service until a signal ends it.

    :raises exceptions.BadInput: with these options no run could succeed
    """
    # In this process, so that a mistake ends the start.
    Annotator(conf.collector)
    loop.run(AnnotatorService, conf, conf.annotator.interval)
