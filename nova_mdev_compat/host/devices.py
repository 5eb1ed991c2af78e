# SPDX-License-Identifier: Apache-2.0
"""What libvirt's description of a parent or an mdev comes down to."""

import dataclasses

from nova_mdev_compat.core import exceptions

#: The device API that live migration of mdevs is about; others, such as
#: vfio-ccw and vfio-ap, are not migratable.
VFIO_PCI = 'vfio-pci'


class DeviceError(exceptions.BadInput):
    """A device whose description cannot be used; the message names it."""


@dataclasses.dataclass(frozen=True)
class ParentDevice:
    """A node device that can create mdevs.

    :ivar name: libvirt's name, ``pci_0000_84_00_0``
    :ivar path: its sysfs path below ``/sys``, None where libvirt has none
    :ivar address: ``0000:84:00.0``, None where it is no PCI device
    :ivar vendor: ``0x10de``, None likewise
    :ivar product: ``0x2235``, None likewise
    :ivar driver: name of the driver bound to it, None where not given
    :ivar types: device API by mdev type, ``{'nvidia-558': 'vfio-pci'}``
    :ivar board: address of its physical function, None where it is no
        virtual one
    """

    name: str
    path: str | None
    address: str | None
    vendor: str | None
    product: str | None
    driver: str | None
    types: dict[str, str]
    board: str | None = None


@dataclasses.dataclass(frozen=True)
class Mdev:
    """A mediated device.

    ``uuid``, ``type`` and ``parent`` are empty where libvirt does not say.

    :ivar uuid: in lower case
    :ivar type: its mdev type
    :ivar parent: libvirt's name of its parent; ``computer`` where that is
        gone
    :ivar name: libvirt's name of itself
    :ivar active: it exists; one that does not is only defined
    :ivar fault: what its description lacks, empty where that is nothing
    """

    uuid: str
    type: str
    parent: str
    name: str = ''
    active: bool = True
    fault: str = ''
