# SPDX-License-Identifier: Apache-2.0
"""On which devices an instance can land from which, by numbers. Pure.

Devices that are the same in all that decides have one number. What a host is
is the set of its devices' numbers; how an instance is on a host is the sorted
numbers of the devices that it has mdevs of. When it has moved, it is what the
devices are on which it has landed.
"""

from collections.abc import Iterable, Sequence
import dataclasses

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import acceptance

#: The devices of an instance's mdevs.
Stay = tuple[int, ...]
#: The devices of a host.
Profile = frozenset[int]

_NO_IDENTITY = verdict.Verdict(verdict.Status.UNKNOWN, (matching.NO_IDENTITY,))
_NOT_PUBLISHED = verdict.Verdict(
    verdict.Status.UNKNOWN, (matching.NOT_PUBLISHED,)
)


@dataclasses.dataclass(frozen=True)
class Device:
    """Devices that are the same in all that decides.

    :ivar identities: what they are, in facts that somebody asks about; none
        where that is not completely known
    :ivar voice: what they accept; None where no collector has published
    :ivar types: mdev types that they serve, or have in use
    """

    identities: frozenset[identity.Identity]
    voice: Offer | None
    types: frozenset[str]


class Landing:
    """Knows devices by their numbers, and remembers its answers."""

    def __init__(self, devices: Sequence[Device]):
        self.devices = devices
        self._takers: dict[Stay, tuple[frozenset[int], ...]] = {}
        self._landings: dict[tuple[Stay, Profile], tuple[Stay, ...]] = {}

    def takers(self, stay: Stay) -> tuple[frozenset[int], ...]:
        """Return the devices on which each of the mdevs can land."""
        if stay not in self._takers:
            wanted = {
                need.resource_class: need
                for need in self._needs(stay, range(len(stay))) or ()
            }
            self._takers[stay] = tuple(
                frozenset(
                    number
                    for number, device in enumerate(self.devices)
                    if device.voice
                    and key in wanted
                    and acceptance.accepts(device.voice, wanted[key])
                )
                for key in map(str, range(len(stay)))
            )
        return self._takers[stay]

    def lands(self, stay: Stay, profile: Profile) -> tuple[Stay, ...]:
        """Return how an instance can then be on a host.

        Not at all where that does not accept all of its mdevs.
        """
        if (stay, profile) not in self._landings:
            found: set[Stay] = {()}
            for takers in self.takers(stay):
                found = {
                    tuple(sorted((*one, number)))
                    for one in found
                    for number in takers & profile
                }
            self._landings[stay, profile] = tuple(sorted(found))
        return self._landings[stay, profile]

    def reachable(self, stays: Iterable[Stay]) -> frozenset[int]:
        """Return the devices on which an instance can ever be."""
        everywhere = frozenset(range(len(self.devices)))
        todo = sorted(stays)
        seen = set(todo)
        for stay in todo:  # which grows meanwhile
            new = set(self.lands(stay, everywhere)) - seen
            seen |= new
            todo += sorted(new)
        return frozenset(number for stay in seen for number in stay)

    def judge(self, stay: Stay, profile: Profile) -> verdict.Verdict:
        """Return whether a host accepts all mdevs, or why not."""
        wanted = self._needs(stay, [''] * len(stay))
        voices = [self.devices[number].voice for number in profile]
        if wanted is None:
            return _NO_IDENTITY
        if None in voices:
            return _NOT_PUBLISHED
        return acceptance.judge(
            frozenset(voice for voice in voices if voice), wanted
        )

    def _needs(
        self, stay: Stay, labels: Sequence[object]
    ) -> acceptance.Needs | None:
        """Return what an instance needs elsewhere, None if nobody knows.

        :param labels: of the mdevs, to tell them apart by
        """
        held = [
            (self.devices[number].identities, str(label), 1)
            for number, label in zip(stay, labels, strict=True)
        ]
        if not all(identities for identities, _, _ in held):
            return None
        return acceptance.needs(held)
