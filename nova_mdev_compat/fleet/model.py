# SPDX-License-Identifier: Apache-2.0
"""Hosts and their parents, as Placement knows them. Pure."""

from collections.abc import Iterable, Iterator
import dataclasses

from nova_mdev_compat.core import identity
from nova_mdev_compat.core.traits import Description


@dataclasses.dataclass(frozen=True)
class Parent:
    """A device that can create mdevs.

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
        """Its identities; none if they are not completely known."""
        return self.traits.identities()


@dataclasses.dataclass(frozen=True)
class Host:
    """A compute host.

    :ivar uuid: of its root provider
    :ivar name: hypervisor hostname
    :ivar published: a collector runs there, or has
    """

    uuid: str
    name: str
    published: bool
    parents: tuple[Parent, ...] = ()


@dataclasses.dataclass(frozen=True)
class Cloud:
    """All hosts, by name; many may have no parent."""

    hosts: tuple[Host, ...]

    def parents(self) -> Iterator[tuple[Host, Parent]]:
        """Return every parent, with its host."""
        for host in self.hosts:
            for parent in host.parents:
                yield host, parent


def device_name(provider: str, host: str) -> str | None:
    """Return the libvirt name of a parent, None if it is something else.

    nova-compute names a parent's provider ``<host>_<libvirt name>``
    (``LibvirtDriver._ensure_pgpu_providers``); its other providers below a
    root have a colon in their names: PCI addresses, and Neutron's agents.

    :param provider: name of a provider below the root
    :param host: name of the root provider
    """
    name = provider.removeprefix(f'{host}_')
    return None if name == provider or ':' in name else name


def by_name(hosts: Iterable[Host]) -> Cloud:
    """Return hosts in order."""
    return Cloud(tuple(sorted(hosts, key=lambda host: host.name)))
