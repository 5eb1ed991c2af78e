# SPDX-License-Identifier: Apache-2.0
"""Hosts and their parents, as Placement knows them. Pure."""

from collections.abc import Iterable, Iterator
import dataclasses

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.traits import Description
from nova_mdev_compat.core import verdict


@dataclasses.dataclass(frozen=True)
class Parent:
    """A device that can create mdevs, published or not.

    :ivar uuid: of its resource provider
    :ivar name: libvirt's, ``pci_0000_84_00_0``
    :ivar traits: the content of its provider's traits, even if no collector
        has published there
    """

    uuid: str
    name: str
    traits: Description

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


def device_name(provider: str, host: str) -> str | None:
    """Return the libvirt name of a parent, None if it is something else.

    nova-compute names a parent's provider ``<host>_<libvirt name>``
    (``LibvirtDriver._ensure_pgpu_providers``). Other providers below a root,
    such as PCI devices and Neutron's agents, have a colon in their names.

    :param provider: name of a provider below the root
    :param host: name of the root provider
    """
    name = provider.removeprefix(f'{host}_')
    return None if name == provider or ':' in name else name


def by_name(hosts: Iterable[Host]) -> Cloud:
    """Return the cloud of hosts."""
    return Cloud(tuple(sorted(hosts, key=lambda host: host.name)))
