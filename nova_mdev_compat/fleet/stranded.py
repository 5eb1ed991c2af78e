# SPDX-License-Identifier: Apache-2.0
"""Instances and sources that no other host could take. Pure."""

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
import dataclasses

from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import text
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.fleet.instances import Instance
from nova_mdev_compat.fleet import model
from nova_mdev_compat.fleet.targets import Standing
from nova_mdev_compat.fleet.targets import TargetHost

#: Free capacity of each parent by UUID, up to what matters, by resource class.
Free = Mapping[str, Mapping[str, int]]

#: A message names this many reasons, and counts the rest.
_REASONS = 3


@dataclasses.dataclass(frozen=True)
class Stranded:
    """An instance that no other host could take now.

    :ivar accepting: names of the hosts that accept it
    :ivar because: why each host cannot take it, in an operator's words
    """

    instance: Instance
    accepting: tuple[str, ...]
    because: str


@dataclasses.dataclass(frozen=True)
class StrandedSource:
    """A source on hosts from which no other host accepts it.

    :ivar cell: any cell of its row
    :ivar hosts: those of its class that this holds for, in order
    :ivar unknown: a verdict is unknown, so the unknown policy decides
    """

    cell: device_classes.Cell
    hosts: tuple[str, ...]
    unknown: bool


def sources(
    rows: Iterable[Sequence[device_classes.Cell]],
) -> list[StrandedSource]:
    """Return the sources whose guests would be stranded, whatever is free.

    :param rows: see device_classes.matrix
    """
    found: dict[tuple[int, bool], StrandedSource] = {}
    for index, row in enumerate(rows):
        hosts_of = {
            status: {
                host
                for cell in row
                if cell.verdict.kind is status
                for host in cell.destination.by_host
            }
            for status in verdict.Status
        }
        for host in sorted(row[0].origin.by_host):
            if hosts_of[verdict.Status.COMPATIBLE] - {host}:
                continue
            unknown = bool(hosts_of[verdict.Status.UNKNOWN] - {host})
            before = found.get((index, unknown))
            found[index, unknown] = StrandedSource(
                row[0], (*(before.hosts if before else ()), host), unknown
            )
    return list(found.values())


def amounts(instances: Iterable[Instance]) -> set[tuple[str, int]]:
    """Return the amounts of free capacity that matter.

    :returns: resource classes and amounts
    """
    return {
        (need.resource_class, amount)
        for instance in instances
        for needs in [instance.needs or ()]
        for need in needs
        for amount in range(1, acceptance.most(need, needs) + 1)
    }


def find(
    cloud: model.Cloud,
    instances: Iterable[Instance],
    free: Free,
    unavailable: Mapping[str, str],
) -> list[Stranded]:
    """Return the instances that no other host could take now.

    :param free: of all parents
    :param unavailable: why hosts cannot take any instance now, as a clause
        after "accepts, but", by UUID
    """
    alike = collections.defaultdict(list)
    for instance in instances:
        alike[instance.needs].append(instance)
    grouped = by_offers(cloud)
    found = []
    for needs, some in alike.items():
        answered: list[TargetHost] = []
        if needs is not None:
            answered = list(answers(grouped, needs, free, unavailable))
        takers = {
            one.host for one in answered if one.standing is Standing.COMPATIBLE
        }
        found += [
            _stranded(instance, answered)
            for instance in some
            if takers <= {instance.host.name}
        ]
    return sorted(
        found, key=lambda one: (one.instance.host.name, one.instance.uuid)
    )


def by_offers(
    cloud: model.Cloud,
) -> dict[frozenset[Offer] | verdict.Reason, list[model.Host]]:
    """Return hosts with parents by their offers, or by why these are unknown."""
    # Parents with equal traits share one description.
    offer_of = {
        id(parent.traits): Offer.of(parent.traits)
        for _, parent in cloud.parents()
    }
    found = collections.defaultdict(list)
    for host in cloud.hosts:
        if host.parents:
            offers = frozenset(
                offer_of[id(parent.traits)] for parent in host.parents
            )
            found[host.unpublished or offers].append(host)
    return found


def answers(
    grouped: Mapping[frozenset[Offer] | verdict.Reason, list[model.Host]],
    needs: acceptance.Needs,
    free: Free,
    unavailable: Mapping[str, str],
) -> Iterator[TargetHost]:
    """Yield what each host with devices is for an instance, without these.

    :param grouped: hosts by what by_offers returns
    :param unavailable: as for find
    """
    for offers, hosts in grouped.items():
        if isinstance(offers, verdict.Reason):
            answer = verdict.Verdict.from_reasons((offers,))
        else:
            answer = acceptance.judge(offers, needs)
        for host in hosts:
            standing, because = Standing(answer.kind.value), str(answer)
            if answer and host.uuid in unavailable:
                because = matching.but(unavailable[host.uuid])
            elif answer and not _fits(host, needs, free):
                because = matching.NO_CAPACITY
            if answer and because:
                standing = Standing.UNAVAILABLE
            yield TargetHost(host.name, standing, (because,))


def _fits(host: model.Host, needs: acceptance.Needs, free: Free) -> bool:
    return acceptance.fits(
        needs,
        {
            need: {
                parent.uuid: free.get(need.resource_class, {}).get(
                    parent.uuid, 0
                )
                for parent in host.parents
                if acceptance.accepts(Offer.of(parent.traits), need)
            }
            for need in needs
        },
    )


def _stranded(instance: Instance, answered: Iterable[TargetHost]) -> Stranded:
    others = [one for one in answered if one.host != instance.host.name]
    accepting = sorted(
        one.host for one in others if one.standing is Standing.UNAVAILABLE
    )
    return Stranded(instance, tuple(accepting), because(instance, others))


def because(instance: Instance, others: Iterable[TargetHost]) -> str:
    """Return why no other host can take an instance now."""
    if instance.needs is None:
        return matching.no_identity('the source', instance.host.schemas)
    counts = collections.Counter(one.because[0] for one in others)
    first = dict(counts.most_common(_REASONS))
    if rest := counts.total() - sum(first.values()):
        first['other reasons'] = rest
    reasons = [
        f'{reason} ({text.count(number, "host")})'
        for reason, number in first.items()
    ]
    return '; '.join(reasons) or 'there is no other host with vGPUs'
