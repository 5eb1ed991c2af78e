# SPDX-License-Identifier: Apache-2.0
"""Hosts and their parents, as Placement knows them. Pure."""

from collections.abc import Iterable, Iterator
import dataclasses

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.traits import Description
from nova_mdev_compat.core import verdict
from nova_mdev_compat.placement import providers


@dataclasses.dataclass(frozen=True)
class Parent:
    """A device that vGPUs come from.

    A parent of mdevs may be unpublished. A physical function is known only
    where a collector has published.

    :ivar uuid: of Nova's resource provider, which has its inventory and is
        the one that allocations name
    :ivar name: libvirt's, ``pci_0000_84_00_0``; the address of a physical
        function, ``0000:84:00.0``
    :ivar traits: the content of its provider's traits, even if no collector
        has published there
    """

    uuid: str
    name: str
    traits: Description

    @property
    def framework(self) -> str:
        """What guests get from it: MDEV or VFIO."""
        return providers.framework(self.name)

    @property
    def identities(self) -> frozenset[identity.Identity]:
        """One for each of its types; empty if not completely known."""
        return self.traits.identities()


@dataclasses.dataclass(frozen=True)
class Host:
    """A compute host.

    :ivar uuid: of its root provider
    :ivar name: hypervisor hostname
    :ivar published: it carries traits of our schema, and of no other
    :ivar schemas: the other schemas that it carries, by their traits
    """

    uuid: str
    name: str
    published: bool
    parents: tuple[Parent, ...] = ()
    schemas: tuple[str, ...] = ()

    @property
    def unpublished(self) -> verdict.Reason | None:
        """Why nothing is known of its parents, None if it has published."""
        if self.published:
            return None
        if self.schemas:
            return matching.other_schema(self.schemas)
        return matching.NOT_PUBLISHED


@dataclasses.dataclass(frozen=True)
class Cloud:
    """All hosts, by name, also those without parents."""

    hosts: tuple[Host, ...]

    def parents(self) -> Iterator[tuple[Host, Parent]]:
        """Yield every parent, with its host."""
        for host in self.hosts:
            for parent in host.parents:
                yield host, parent


def by_name(hosts: Iterable[Host]) -> Cloud:
    """Return the cloud of hosts."""
    return Cloud(tuple(sorted(hosts, key=lambda host: host.name)))
