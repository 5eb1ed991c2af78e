# SPDX-License-Identifier: Apache-2.0
"""Where an instance could live-migrate to, host by host. Pure."""

import collections
from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import enum

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet.survey import Survey
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import providers


class Standing(enum.Enum):
    """What a host is for an instance, the best first: a verdict, or more."""

    COMPATIBLE = 'compatible'
    #: It accepts, but cannot take the instance now.
    UNAVAILABLE = 'unavailable'
    UNKNOWN = 'unknown'
    INCOMPATIBLE = 'incompatible'
    WITHOUT = 'no mdevs'


@dataclasses.dataclass(frozen=True)
class TargetHost:
    """A host, and what it is for an instance.

    :ivar because: clauses in an operator's words; empty if it is compatible
    :ivar devices: names of those that accept and have capacity
    :ivar refusing: names of those with virtual functions that do not accept,
        if the host accepts an instance with virtual functions
    """

    host: str
    standing: Standing
    because: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    refusing: tuple[str, ...] = ()


def find(
    survey: Survey, unavailable: Mapping[str, str], source: str
) -> list[TargetHost]:
    """Return all hosts but the source, the compatible ones first.

    :param unavailable: why hosts cannot take any instance now, as a clause
        after "accepts, but", by UUID of the root provider
    :param source: UUID of its root provider
    """
    offers = survey.offers()
    with_vgpus = set(offers).union(
        item.root
        for some in (survey.with_type, survey.physical)
        for item in some.values()
    )
    boards = collections.defaultdict(list)
    for item in survey.physical.values():
        if not item.is_root:
            boards[item.root].append(item)
    found = dict(_unpublished(survey))
    for uuid, root in survey.hosts.items():
        if uuid not in with_vgpus:
            found[uuid] = TargetHost(root.name, Standing.WITHOUT)
            continue
        answer = acceptance.judge(offers.get(uuid, frozenset()), survey.wanted)
        if not answer:
            found[uuid] = TargetHost(
                root.name,
                Standing(answer.kind.value),
                tuple(map(str, answer.reasons)),
            )
            continue
        why = tuple(_shortages(survey, uuid, unavailable))
        found[uuid] = TargetHost(
            root.name,
            Standing.UNAVAILABLE if why else Standing.COMPATIBLE,
            why,
            _devices(survey, root),
            tuple(sorted(_refusing(survey, root, boards[uuid]))),
        )
    found.pop(source, None)
    best_first = list(Standing)
    return sorted(
        found.values(),
        key=lambda target: (best_first.index(target.standing), target.host),
    )


def _unpublished(survey: Survey) -> Iterator[tuple[str, TargetHost]]:
    """Yield the hosts on which nothing is published that can be read."""
    unread = {**survey.unpublished, **survey.other_schema}
    roots = {uuid: item for uuid, item in unread.items() if item.is_root}
    with_vgpus = {item.root for item in survey.with_functions.values()}
    frameworks = {need.framework for need in survey.wanted}
    for item in unread.values():
        if item.root in roots:
            name = providers.device_name(item.name, roots[item.root].name)
            if name and providers.framework(name) in frameworks:
                with_vgpus.add(item.root)
    for uuid, root in roots.items():
        if uuid not in with_vgpus:
            yield uuid, TargetHost(root.name, Standing.WITHOUT)
            continue
        why = matching.NOT_PUBLISHED
        if uuid in survey.other_schema:
            why = matching.other_schema(survey.schemas)
        yield uuid, TargetHost(root.name, Standing.UNKNOWN, (str(why),))


def _shortages(
    survey: Survey, root: str, unavailable: Mapping[str, str]
) -> Iterator[str]:
    """Yield why a host that accepts cannot take the instance now."""
    if root in unavailable:
        yield matching.but(unavailable[root])
    if not acceptance.fits(
        survey.wanted,
        {need: survey.free[need, root] for need in survey.wanted},
    ):
        yield matching.NO_CAPACITY
    if survey.room and root not in survey.with_room:
        amounts = ', '.join(
            f'{amount} {name}' for name, amount in sorted(survey.room.items())
        )
        yield matching.but(f'has no room for {amounts}')


def _devices(survey: Survey, root: client.Provider) -> tuple[str, ...]:
    """Return the names of devices that accept and have capacity."""
    found = {
        providers.device_name(provider.name, root.name) or provider.name
        for need in survey.wanted
        for provider in survey.free[need, root.uuid]
    }
    return tuple(sorted(found))


def _refusing(
    survey: Survey, root: client.Provider, boards: Iterable[client.Provider]
) -> Iterator[str]:
    """Yield the names of parents of virtual functions that do not accept.

    Where the root advertises, all parents accept the same.

    :param boards: providers of these parents
    """
    needs = [need for need in survey.wanted if need.framework == identity.VFIO]
    for board in boards:
        one = board.inventory_uuid
        if root.uuid in survey.accepts:
            one = root.uuid
        offered = Offer(
            frozenset(survey.accepts.get(one, ())),
            frozenset(survey.serves.get(one, ())),
        )
        if not all(acceptance.accepts(offered, need) for need in needs):
            yield providers.device_name(board.name, root.name) or board.name
