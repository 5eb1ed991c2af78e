# SPDX-License-Identifier: Apache-2.0
"""Instances that no other host could take. Pure."""

import collections
from collections.abc import Iterable, Iterator, Mapping
import dataclasses

from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet.instances import Instance
from nova_mdev_compat.fleet import model

#: How much each parent has to spare, up to what matters, by resource class.
Free = Mapping[str, Mapping[str, int]]

#: Reasons that are told before the others are only counted.
_TOLD = 3


@dataclasses.dataclass(frozen=True)
class Stranded:
    """An instance that no other host could take now.

    :ivar accepting: names of the hosts that would, had they capacity
    :ivar because: why each host cannot, in an operator's words
    """

    instance: Instance
    accepting: tuple[str, ...]
    because: str


def amounts(instances: Iterable[Instance]) -> set[tuple[str, int]]:
    """Return of how much it must be known which parents have it to spare.

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
        offers = _offers(by_offers, needs, free, unavailable)
        takers = {uuid for uuid, offer in offers.items() if not offer.against}
        found += [
            _stranded(instance, offers)
            for instance in some
            if takers <= {instance.host.uuid}
        ]
    return sorted(
        found, key=lambda one: (one.instance.host.name, one.instance.uuid)
    )


#: Who speaks on some hosts, None where nobody does, and which these are.
ByOffers = Mapping[frozenset[Offer] | None, list[model.Host]]


def _by_offers(cloud: model.Cloud) -> ByOffers:
    offers: dict[int, Offer] = {}
    found = collections.defaultdict(list)
    for host in cloud.hosts:
        if not host.parents:
            continue
        for parent in host.parents:
            # Of parents with equal traits it is one object.
            offers[id(parent.said)] = offers.get(id(parent.said)) or Offer.of(
                parent.said
            )
        found[
            frozenset(offers[id(parent.said)] for parent in host.parents)
            if host.published
            else None
        ].append(host)
    return found


@dataclasses.dataclass(frozen=True)
class HostAnswer:
    """Whether a host takes an instance, and why not.

    :ivar against: why it does not take it; none if it does
    :ivar accepts: it would, had it capacity
    """

    host: model.Host
    against: str
    accepts: bool


def _offers(
    by_offers: ByOffers,
    needs: acceptance.Needs | None,
    free: Free,
    unavailable: Mapping[str, str],
) -> dict[str, HostAnswer]:
    """Return what all hosts say, by UUID.

    Nothing if it is not known what to ask them.
    """
    if needs is None:
        return {}
    return {
        offer.host.uuid: offer
        for offers, hosts in by_offers.items()
        for offer in _offers_of(offers, hosts, needs, free, unavailable)
    }


def _offers_of(
    offers: frozenset[Offer] | None,
    hosts: Iterable[model.Host],
    needs: acceptance.Needs,
    free: Free,
    unavailable: Mapping[str, str],
) -> Iterator[HostAnswer]:
    if offers is None:
        said = str(matching.NOT_PUBLISHED)
    else:
        said = str(acceptance.judge(offers, needs))
    for host in hosts:
        against = said
        if not said and host.uuid in unavailable:
            against = matching.but(unavailable[host.uuid])
        elif not said and not _fits(host, needs, free):
            against = matching.NO_CAPACITY
        yield HostAnswer(host, against, not said)


def _fits(host: model.Host, needs: acceptance.Needs, free: Free) -> bool:
    return acceptance.fits(
        needs,
        {
            need: {
                parent.uuid: free.get(need.resource_class, {}).get(
                    parent.uuid, 0
                )
                for parent in host.parents
                if acceptance.accepts(Offer.of(parent.said), need)
            }
            for need in needs
        },
    )


def _stranded(
    instance: Instance, offers: Mapping[str, HostAnswer]
) -> Stranded:
    others = [
        offer for uuid, offer in offers.items() if uuid != instance.host.uuid
    ]
    because = (
        _because(others)
        if instance.needs is not None
        else matching.no_identity('the source')
    )
    return Stranded(
        instance,
        tuple(sorted(offer.host.name for offer in others if offer.accepts)),
        because,
    )


def _because(others: Iterable[HostAnswer]) -> str:
    """Return the reasons, the most frequent first."""
    counts = collections.Counter(offer.against for offer in others)
    told = counts.most_common(_TOLD)
    clauses = [f'{text} ({_hosts(number)})' for text, number in told]
    rest = counts.total() - sum(number for _, number in told)
    if rest:
        clauses.append(f'other reasons ({_hosts(rest)})')
    return '; '.join(clauses) or 'there is no other host with mdevs'


def _hosts(number: int) -> str:
    return '1 host' if number == 1 else f'{number} hosts'
