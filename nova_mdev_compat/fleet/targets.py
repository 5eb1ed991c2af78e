# SPDX-License-Identifier: Apache-2.0
"""Where an instance could live-migrate to, host by host. Pure."""

import collections
from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import enum

from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet import model
from nova_mdev_compat.fleet import survey
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
#: What parents have to spare, by need and by root provider.
Free = dict[tuple[acceptance.Need, str], dict[client.Provider, int]]

_ORDER = {standing: index for index, standing in enumerate(Standing)}


@dataclasses.dataclass(frozen=True)
class Target:
    """A host, and what it is for an instance.

    :ivar because: clauses in an operator's words; none where it is
        compatible
    :ivar devices: libvirt names of those that accept and have capacity
    """

    host: str
    standing: Standing
    because: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


class Judge:
    """Knows what a survey has found.

    :param unavailable: why hosts cannot take any instance now, as a clause
        after "accepts, but", by UUID of the root provider
    """

    def __init__(
        self,
        answers: survey.Answers,
        wanted: Sequence[acceptance.Need],
        room: Mapping[str, int],
        unavailable: Mapping[str, str],
    ):
        self._answers = answers
        self._wanted = tuple(wanted)
        self._room = room
        self._unavailable = unavailable
        self._voices = _voices(answers)
        self._free = _free(answers)
        self._with_mdevs = {
            item.root for item in self._found(survey.ANY_TYPE)
        } | set(self._voices)

    def targets(self, source: str) -> list[Target]:
        """Return all hosts but the source, the compatible ones first.

        :param source: UUID of its root provider
        """
        found = [
            *map(self._target, self._found(survey.HOSTS)),
            *self._silent(),
        ]
        return sorted(
            (target for uuid, target in found if uuid != source),
            key=lambda target: (_ORDER[target.standing], target.host),
        )

    def _found(self, about: str) -> list[client.Provider]:
        return list(self._answers.get(about, {}).values())

    def _silent(self) -> Iterator[tuple[str, Target]]:
        """Return the hosts that publish nothing that can be read."""
        why = dict.fromkeys(
            self._answers.get(survey.SILENT, ()), matching.NOT_PUBLISHED
        )
        found = self._found(survey.SILENT)
        for about, strangers in self._answers.items():
            if isinstance(about, survey.Strangers):
                why.update(
                    dict.fromkeys(
                        strangers, matching.other_schema(about.schemas)
                    )
                )
                found += strangers.values()
        roots = {item.uuid: item.name for item in found if item.is_root}
        with_mdevs = {
            item.root
            for item in found
            if item.root in roots
            and model.device_name(item.name, roots[item.root])
        }
        for uuid, name in roots.items():
            yield (
                uuid,
                (
                    Target(name, Standing.UNKNOWN, (str(why[uuid]),))
                    if uuid in with_mdevs
                    else Target(name, Standing.WITHOUT)
                ),
            )

    def _target(self, root: client.Provider) -> tuple[str, Target]:
        return root.uuid, self._judged(root)

    def _judged(self, root: client.Provider) -> Target:
        if root.uuid not in self._with_mdevs:
            return Target(root.name, Standing.WITHOUT)
        said = acceptance.judge(
            frozenset(self._voices.get(root.uuid, ())), self._wanted
        )
        if not said:
            return Target(
                root.name, _STANDINGS[said.kind], tuple(map(str, said.reasons))
            )
        why = tuple(self._against(root.uuid))
        return Target(
            root.name,
            Standing.UNAVAILABLE if why else Standing.COMPATIBLE,
            why,
            self._devices(root),
        )

    def _against(self, root: str) -> Iterator[str]:
        """Return why a host that accepts cannot take the instance now."""
        if root in self._unavailable:
            yield matching.but(self._unavailable[root])
        if not acceptance.fits(
            self._wanted,
            {need: self._free[need, root] for need in self._wanted},
        ):
            yield matching.NO_CAPACITY
        if self._room and root not in self._answers[survey.ROOM]:
            yield matching.but(
                'has no room for '
                + ', '.join(
                    f'{amount} {name}'
                    for name, amount in sorted(self._room.items())
                )
            )

    def _devices(self, root: client.Provider) -> tuple[str, ...]:
        return tuple(
            sorted(
                {
                    model.device_name(provider.name, root.name)
                    or provider.name
                    for need in self._wanted
                    for provider in self._free[need, root.uuid]
                }
            )
        )


def _voices(answers: survey.Answers) -> dict[str, set[Offer]]:
    """Return who speaks for each host, by the UUID of its root provider."""
    accepts, serves = (
        collections.defaultdict(set),
        collections.defaultdict(set),
    )
    roots = {}
    for about, found in answers.items():
        for provider in found.values():
            if isinstance(about, pattern.Pattern):
                accepts[provider.uuid].add(about)
                roots[provider.uuid] = provider.root
            elif isinstance(about, survey.Serves):
                serves[provider.uuid].add(about.mdev_type)
    voices = collections.defaultdict(set)
    for uuid, root in roots.items():
        voices[root].add(
            Offer(frozenset(accepts[uuid]), frozenset(serves[uuid]))
        )
    return voices


def _free(answers: survey.Answers) -> Free:
    """Return how much accepting parents have to spare, up to what is asked."""
    free: Free = collections.defaultdict(dict)
    for about, found in answers.items():
        if isinstance(about, survey.Free):
            for provider in found.values():
                some = free[about.need, provider.root]
                some[provider] = max(about.amount, some.get(provider, 0))
    return free
