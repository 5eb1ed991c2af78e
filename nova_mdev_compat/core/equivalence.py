# SPDX-License-Identifier: Apache-2.0
"""Device classes: devices that are equal in all that matters to a question.

A cloud has thousands of devices and few classes, so classes are compared and
shown instead of devices.
"""

import collections
import dataclasses
import functools

from nova_mdev_compat.core import identity


@dataclasses.dataclass(frozen=True, order=True)
class Member:
    """A device of a host."""

    host: str
    device: str

    def __str__(self) -> str:
        return f'{self.host}:{self.device}'


@dataclasses.dataclass(frozen=True)
class DeviceClass:
    """Devices that are equal in all that matters to a question.

    :ivar members: in order
    :ivar sources: their identities as sources, one for each type that they
        serve or have in use
    """

    members: tuple[Member, ...]
    sources: tuple[identity.Identity, ...]

    @functools.cached_property
    def by_host(self) -> collections.Counter[str]:
        """The number of members on each host."""
        return collections.Counter(member.host for member in self.members)


def number_of_pairs(origin: DeviceClass, destination: DeviceClass) -> int:
    """Return the number of pairs of devices on different hosts."""
    here, there = origin.by_host, destination.by_host
    return len(origin.members) * len(destination.members) - sum(
        count * there[host] for host, count in here.items() if host in there
    )
