# SPDX-License-Identifier: Apache-2.0
"""Where an mdev is, by its UUID alone: its parent and its type.

The kernel documents the links in
Documentation/driver-api/vfio-mediated-device.rst: ``/sys/bus/mdev/devices``
leads to the mdev's directory, which is in its parent's, and ``mdev_type`` in
it to its type. libvirt is not asked: it waits for the answer.
"""

import dataclasses
import os
import pathlib
import re

_UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an mdev is.

    :ivar device: libvirt's name of its parent, ``pci_0000_84_00_0``
    :ivar type: its mdev type, ``nvidia-558``
    """

    device: str
    type: str


def find(root: str, uuid: str) -> Place | None:
    """Return where an mdev is, None where there is none.

    :param root: where sysfs is
    :param uuid: in lower case; anything else is no mdev
    :raises OSError: it is there, and cannot be read
    """
    if not _UUID.fullmatch(uuid):
        return None
    path = pathlib.Path(root, 'bus/mdev/devices', uuid)
    if not path.exists():
        return None
    home = pathlib.Path(os.path.realpath(path)).parent
    return Place(_name(home), (path / 'mdev_type').readlink().name)


def _name(device: pathlib.Path) -> str:
    """Return libvirt's name of a device.

    By libvirt's ``node_device_udev.c``: ``udevGetDeviceType`` knows parents on
    the buses pci, css and matrix and in the class mtty.
    ``udevGenerateDeviceName`` takes subsystem and name in sysfs, and replaces
    everything but ASCII letters and digits; but ``udevProcessAPMatrix`` has a
    name of its own for vfio-ap's parent, where both are ``matrix``.
    """
    subsystem = (device / 'subsystem').readlink().name
    if subsystem == 'matrix':
        return 'ap_matrix'
    return re.sub(r'[^A-Za-z0-9]', '_', f'{subsystem}_{device.name}')
