# SPDX-License-Identifier: Apache-2.0
"""Names of the providers below a compute node's. Pure.

nova-compute names them:

* ``<host>_<libvirt name>``, ``gpu-1_pci_0000_84_00_0``: a parent of mdevs
  (``LibvirtDriver._ensure_pgpu_providers``).
* ``<host>_<PCI address>``, ``gpu-1_0000:84:00.0``, in upper case: a physical
  function, with ``[pci]report_in_placement``
  (``PlacementView._get_rp_name_for_address``).
* anything else with a colon: Neutron's agents and bridges.

Ours is below a physical function's, ``gpu-1_0000:84:00.0_mdev_compat``, because
nova-compute replaces the traits of its own.
"""

import re
import uuid

from nova_mdev_compat.core import identity

_SUFFIX = '_mdev_compat'
#: Makes the UUID of our provider from that of Nova's.
_NAMESPACE = uuid.UUID('66b1583f-d4c2-4760-a0a1-8c7da69e366b')
_ADDRESS = re.compile(r'[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]')


def device_name(provider: str, host: str) -> str | None:
    """Return the name of a parent, None if the provider is something else.

    :param provider: name of a provider below the root
    :param host: name of the root provider
    :returns: libvirt's name of a parent of mdevs, ``pci_0000_84_00_0``; the
        address of a physical function, ``0000:84:00.0``
    """
    name = provider.removeprefix(f'{host}_')
    if name == provider:
        return None
    if ':' not in name:
        return name
    if not is_ours(name):
        return None
    return pci_address(provider.removesuffix(_SUFFIX), host)


def pci_address(provider: str, host: str) -> str | None:
    """Return the PCI address of Nova's provider, None if it has none."""
    address = provider.removeprefix(f'{host}_').lower()
    return address if _ADDRESS.fullmatch(address) else None


def is_address(device: str) -> bool:
    """Return whether a parent's name is that of a physical function."""
    return _ADDRESS.fullmatch(device) is not None


def framework(device: str) -> str:
    """Return the framework of a parent by its name: MDEV or VFIO."""
    return identity.VFIO if is_address(device) else identity.MDEV


def is_ours(provider: str) -> bool:
    """Return whether a provider is one of ours, by its name."""
    return provider.endswith(_SUFFIX)


def child_name(provider: str) -> str:
    """Return the name of our provider below Nova's."""
    return provider + _SUFFIX


def child_uuid(parent: str) -> str:
    """Return the UUID of our provider below Nova's, whether it exists or not.

    :param parent: UUID of Nova's provider of a physical function
    """
    return str(uuid.uuid5(_NAMESPACE, parent))
