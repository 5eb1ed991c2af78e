# SPDX-License-Identifier: Apache-2.0
"""This host's domains, each made to say what its mdevs are."""

import collections
from collections.abc import Callable, Iterable, Sequence
import dataclasses
from typing import Any

from oslo_log import log as logging

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.daemons.annotator import domains
from nova_mdev_compat.daemons.annotator import mdevs as places
from nova_mdev_compat.daemons.annotator import plan as annotations
from nova_mdev_compat.host import node_devices

LOG = logging.getLogger(__name__)

#: How many are named in one line.
MAX_NAMED = 5

_Decide = Callable[[annotations.Seen], annotations.Plan]


@dataclasses.dataclass
class Summary:
    """What a pass came to.

    :ivar plans: of the domains that have, or had, something to say
    :ivar written: how many were written
    :ivar busy: names of those that could not be written now
    :ivar failures: one text for each domain that has failed; it names the
        domain
    """

    plans: list[annotations.Plan] = dataclasses.field(default_factory=list)
    written: int = 0
    busy: list[str] = dataclasses.field(default_factory=list)
    failures: list[str] = dataclasses.field(default_factory=list)

    def unknown(self) -> list[str]:
        """Return what is not known, each with the mdevs that it is about."""
        mdevs = collections.defaultdict(list)
        for plan in self.plans:
            for entry in plan.entries:
                mdevs[entry.why].append(
                    f'mdev {entry.mdev.uuid} of domain {plan.seen.name}'
                )
        return [f'{some(names)}: {why}' for why, names in mdevs.items() if why]

    def check(self) -> None:
        """Tell whether all went well.

        :raises exceptions.Failure: a domain has failed
        """
        if self.failures:
            raise exceptions.Failure(some(self.failures))


def some(texts: Sequence[str]) -> str:
    """Return texts as one, which does not become endless."""
    more = len(texts) - MAX_NAMED
    return '; '.join(
        [*texts[:MAX_NAMED], *([f'and {more} more'] if more > 0 else [])]
    )


class Annotator:
    """Looks at all domains, and writes what differs.

    :param options: [collector]
    :raises exceptions.BadInput: options with which libvirt is never reached
    """

    def __init__(self, options: Any):
        node_devices.check_uri(options.libvirt_uri)
        self._options = options
        self._host = domains.Host(options.libvirt_uri, options.libvirt_timeout)

    def annotate(self, *, write: bool = True) -> Summary:
        """Have each running domain say what its mdevs are.

        :param write: False only tells what would be written
        :raises nodedev.LibvirtError: libvirt does not answer at all
        """
        devices = places.devices(self._options)

        def decide(seen: annotations.Seen) -> annotations.Plan:
            uuids = seen.live.uuids if seen.live else ()
            where = places.places(self._options.sysfs_root, uuids)
            return annotations.keep(seen, where, devices, self._host.name)

        with self._host.domains(write=write, running=True) as found:
            return _go(found, decide, write)

    def remove(self) -> Summary:
        """Have no domain say anything, whether it runs or not.

        :raises nodedev.LibvirtError: libvirt does not answer at all
        """
        with self._host.domains(write=True, running=False) as found:
            return _go(found, annotations.drop, write=True)


def _go(
    found: Iterable[domains.Domain], decide: _Decide, write: bool
) -> Summary:
    """Do the same with each domain, whatever becomes of the others."""
    summary = Summary()
    for domain in found:
        try:
            _do(domain, decide, write, summary)
        except domains.DomainError as exc:
            summary.failures.append(str(exc))
        except domains.SilenceError as exc:
            summary.failures.append(str(exc))
            break  # nobody else would be answered
    return summary


def _do(
    domain: domains.Domain, decide: _Decide, write: bool, summary: Summary
) -> None:
    seen = domain.read()
    # Once more for a domain that stops between reading and writing, and is
    # still defined.
    for _ in range(2):
        if seen is None:
            return
        plan = decide(seen)
        outcome = domain.write(plan) if write and plan.where else None
        if outcome is not domains.Outcome.GONE:
            _count(plan, outcome, summary)
            return
        seen = domain.read()


def _count(
    plan: annotations.Plan, outcome: domains.Outcome | None, summary: Summary
) -> None:
    if plan.entries or plan.where:
        summary.plans.append(plan)
    if outcome is domains.Outcome.WRITTEN:
        summary.written += 1
        LOG.info('domain %s: %s', plan.seen.name, _say(plan))
    elif outcome is domains.Outcome.BUSY:
        summary.busy.append(plan.seen.name)


def _say(plan: annotations.Plan) -> str:
    return (
        '; '.join(
            f'mdev {entry.mdev.uuid}: {entry.mdev.identity or "unknown"}'
            for entry in plan.entries
        )
        or 'annotation removed'
    )
