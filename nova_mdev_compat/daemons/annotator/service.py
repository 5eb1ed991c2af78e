# SPDX-License-Identifier: Apache-2.0
"""The annotator as a service."""

from collections.abc import Callable

import libvirt
from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.daemons.annotator import annotator
from nova_mdev_compat.daemons import loop
from nova_mdev_compat.host import libvirt_events

LOG = logging.getLogger(__name__)

#: Writing fires METADATA_CHANGE at ourselves as well. The pass that it causes
#: finds nothing to write.
EVENTS = (
    *libvirt_events.DOMAIN_EVENTS,
    libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
)

#: Longest pause while a domain waits for the end of a job, in seconds.
BUSY_PAUSE = 5.0


class Passes(loop.Passes):
    """Each looks at all domains, and writes what differs."""

    stays = 'What domains said before stays.'

    def __init__(self, conf: cfg.ConfigOpts, notify: loop.Notify):
        super().__init__(float(conf.annotator.interval), notify)
        self._annotator = annotator.Annotator(conf.collector)
        self._unknown: frozenset[str] = frozenset()
        self._busy = False

    def make(self) -> str:
        self._busy = False
        summary = self._annotator.annotate()
        self._warn(summary)
        self._busy = bool(summary.busy)
        summary.check()
        status = f'{sum(bool(plan.entries) for plan in summary.plans)} domains'
        return '; '.join(
            [f'{status} say what their mdevs are', *summary.unknown()]
        )

    def _warn(self, summary: annotator.Summary) -> None:
        """Tell what is unknown, when that is new."""
        unknown = frozenset(summary.unknown())
        for text in sorted(unknown - self._unknown):
            LOG.warning('%s', text)
        self._unknown = unknown
        if summary.busy:
            LOG.info(
                'In the middle of a job, and looked at again soon: %s',
                annotator.some(summary.busy),
            )

    def longest(self) -> float:
        return BUSY_PAUSE if self._busy else self._interval


class Service(loop.Service):
    name = 'nova-mdev-annotator'

    def passes(self) -> Passes:
        return Passes(self._conf, self._notify)

    def watcher(self, wake: Callable[[str], None]) -> libvirt_events.Watcher:
        # Of devices the collector tells, in its file.
        return libvirt_events.Watcher(
            self._conf.collector.libvirt_uri, wake, EVENTS, ()
        )


def run(conf: cfg.ConfigOpts) -> None:
    """Be a service until a signal ends it.

    :raises exceptions.BadInput: options with which no pass could succeed
    """
    # In this process, so that a mistake shows before anything is started.
    annotator.Annotator(conf.collector)
    loop.run(Service, conf, conf.annotator.interval)
