# SPDX-License-Identifier: Apache-2.0
"""Where an instance could live-migrate to, host by host. Pure."""

from collections.abc import Iterator, Mapping
import dataclasses
import enum

from nova_mdev_compat.core import matching
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet import model
from nova_mdev_compat.fleet.survey import Survey
from nova_mdev_compat.placement import client


class Standing(enum.Enum):
    """What a host is for an instance, the best first."""

    COMPATIBLE = 'compatible'
    #: It accepts, but could not take the instance now.
    UNAVAILABLE = 'unavailable'
    UNKNOWN = 'unknown'
    INCOMPATIBLE = 'incompatible'
    WITHOUT = 'no mdevs'


_STANDINGS = {
    verdict.Status.COMPATIBLE: Standing.COMPATIBLE,
    verdict.Status.UNKNOWN: Standing.UNKNOWN,
    verdict.Status.INCOMPATIBLE: Standing.INCOMPATIBLE,
}

_ORDER = {standing: index for index, standing in enumerate(Standing)}


@dataclasses.dataclass(frozen=True)
class TargetHost:
    """A host, and what it is for an instance.

    :ivar because: clauses in an operator's words; none where it is
        compatible
    :ivar devices: libvirt names of those that accept and have capacity
    """

    host: str
    standing: Standing
    because: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


def find(
    survey: Survey,
    wanted: acceptance.Needs,
    room: Mapping[str, int],
    unavailable: Mapping[str, str],
    source: str,
) -> list[TargetHost]:
    """Return all hosts but the source, the compatible ones first.

    :param room: as for survey.ask
    :param unavailable: why hosts cannot take any instance now, as a clause
        after "accepts, but", by UUID of the root provider
    :param source: UUID of its root provider
    """
    offers = survey.offers()
    with_mdevs = {item.root for item in survey.with_type.values()} | set(
        offers
    )
    found = dict(_unpublished(survey))
    for uuid, root in survey.hosts.items():
        if uuid not in with_mdevs:
            found[uuid] = TargetHost(root.name, Standing.WITHOUT)
            continue
        answer = acceptance.judge(offers.get(uuid, frozenset()), wanted)
        if not answer:
            found[uuid] = TargetHost(
                root.name,
                _STANDINGS[answer.kind],
                tuple(map(str, answer.reasons)),
            )
            continue
        why = []
        if uuid in unavailable:
            why.append(matching.but(unavailable[uuid]))
        why += _shortages(survey, wanted, room, uuid)
        found[uuid] = TargetHost(
            root.name,
            Standing.UNAVAILABLE if why else Standing.COMPATIBLE,
            tuple(why),
            _devices(survey, wanted, root),
        )
    found.pop(source, None)
    return sorted(
        found.values(),
        key=lambda target: (_ORDER[target.standing], target.host),
    )


def _unpublished(survey: Survey) -> Iterator[tuple[str, TargetHost]]:
    """Return the hosts on which nothing is published that can be read."""
    providers = {**survey.unpublished, **survey.other_schema}
    roots = {uuid: item for uuid, item in providers.items() if item.is_root}
    with_mdevs = {
        item.root
        for item in providers.values()
        if item.root in roots
        and model.device_name(item.name, roots[item.root].name)
    }
    for uuid, root in roots.items():
        if uuid not in with_mdevs:
            yield uuid, TargetHost(root.name, Standing.WITHOUT)
            continue
        why = matching.NOT_PUBLISHED
        if uuid in survey.other_schema:
            why = matching.other_schema(survey.schemas)
        yield uuid, TargetHost(root.name, Standing.UNKNOWN, (str(why),))


def _shortages(
    survey: Survey,
    wanted: acceptance.Needs,
    room: Mapping[str, int],
    root: str,
) -> Iterator[str]:
    """Return what a host that accepts is short of."""
    if not acceptance.fits(
        wanted, {need: survey.free[need, root] for need in wanted}
    ):
        yield matching.NO_CAPACITY
    if room and root not in survey.with_room:
        amounts = ', '.join(
            f'{amount} {name}' for name, amount in sorted(room.items())
        )
        yield matching.but(f'has no room for {amounts}')


def _devices(
    survey: Survey, wanted: acceptance.Needs, root: client.Provider
) -> tuple[str, ...]:
    return tuple(
        sorted(
            {
                model.device_name(provider.name, root.name) or provider.name
                for need in wanted
                for provider in survey.free[need, root.uuid]
            }
        )
    )
