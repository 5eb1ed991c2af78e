# SPDX-License-Identifier: Apache-2.0
"""Instances that no other host could take. Pure."""

import collections
from collections.abc import Iterable, Iterator, Mapping
import dataclasses

from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import text
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet.instances import Instance
from nova_mdev_compat.fleet import model

#: How much each parent has to spare, up to what matters, by resource class.
Free = Mapping[str, Mapping[str, int]]

#: A message names this many reasons, and counts the rest.
_REASONS = 3


@dataclasses.dataclass(frozen=True)
class Stranded:
    """An instance that no other host could take now.

    :ivar accepting: names of the hosts that would, had they capacity
    :ivar because: why each host cannot, in an operator's words
    """

    instance: Instance
    accepting: tuple[str, ...]
    because: str


@dataclasses.dataclass(frozen=True)
class HostAnswer:
    """Whether a host takes an instance, and why not.

    :ivar against: why it does not take it; none if it does
    :ivar accepts: it would, had it capacity
    """

    host: model.Host
    against: str
    accepts: bool


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

    :param free: what parents have to spare
    :param unavailable: why hosts cannot take any instance now, as a clause
        after "accepts, but", by UUID
    """
    alike = collections.defaultdict(list)
    for instance in instances:
        alike[instance.needs].append(instance)
    by_offers = _by_offers(cloud)
    found = []
    for needs, some in alike.items():
        answers: dict[str, HostAnswer] = {}
        if needs is not None:
            answers = {
                one.host.uuid: one
                for one in _answers(by_offers, needs, free, unavailable)
            }
        takers = {uuid for uuid, one in answers.items() if not one.against}
        found += [
            _stranded(instance, answers.values())
            for instance in some
            if takers <= {instance.host.uuid}
        ]
    return sorted(
        found, key=lambda one: (one.instance.host.name, one.instance.uuid)
    )


def _by_offers(
    cloud: model.Cloud,
) -> dict[frozenset[Offer] | None, list[model.Host]]:
    """Return hosts with parents by what they offer; None if unpublished."""
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
            found[offers if host.published else None].append(host)
    return found


def _answers(
    by_offers: Mapping[frozenset[Offer] | None, list[model.Host]],
    needs: acceptance.Needs,
    free: Free,
    unavailable: Mapping[str, str],
) -> Iterator[HostAnswer]:
    """Yield the answer of every host."""
    for offers, hosts in by_offers.items():
        refusal = str(
            matching.NOT_PUBLISHED
            if offers is None
            else acceptance.judge(offers, needs)
        )
        for host in hosts:
            against = refusal
            if not refusal and host.uuid in unavailable:
                against = matching.but(unavailable[host.uuid])
            elif not refusal and not _fits(host, needs, free):
                against = matching.NO_CAPACITY
            yield HostAnswer(host, against, not refusal)


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


def _stranded(instance: Instance, answers: Iterable[HostAnswer]) -> Stranded:
    others = [one for one in answers if one.host.uuid != instance.host.uuid]
    accepting = sorted(one.host.name for one in others if one.accepts)
    counts = collections.Counter(one.against for one in others)
    clauses = [
        f'{reason} ({text.count(number, "host")})'
        for reason, number in counts.most_common(_REASONS)
    ]
    rest = counts.total() - sum(
        number for _, number in counts.most_common(_REASONS)
    )
    if rest:
        clauses.append(f'other reasons ({text.count(rest, "host")})')
    because = '; '.join(clauses) or 'there is no other host with mdevs'
    if instance.needs is None:
        because = matching.no_identity('the source')
    return Stranded(instance, tuple(accepting), because)
