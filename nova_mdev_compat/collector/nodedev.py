# SPDX-License-Identifier: Apache-2.0
"""What libvirt knows of this host, over a read-only connection."""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import dataclasses
from typing import TypeVar
from urllib import parse

import libvirt

from nova_mdev_compat.collector import devices
from nova_mdev_compat.collector import xml
from nova_mdev_compat import exceptions

_Parsed = TypeVar('_Parsed')

_GONE = (libvirt.VIR_ERR_NO_NODE_DEVICE, libvirt.VIR_ERR_NO_DOMAIN)


class LibvirtError(exceptions.Failure):
    """libvirt does not answer, or refuses."""


@dataclasses.dataclass(frozen=True)
class HostDevices:
    """What libvirt knows of a host.

    :ivar hostname: libvirt's own name of the host
    :ivar parents: devices that can create mdevs
    :ivar odd: why others of them have a description that cannot be used, by
        libvirt's name
    :ivar mdevs: existing mdevs, defined or active
    :ivar used: UUIDs of the mdevs that running domains have
    """

    hostname: str
    parents: tuple[devices.ParentDevice, ...]
    mdevs: tuple[devices.Mdev, ...]
    used: frozenset[str]
    odd: Mapping[str, devices.DeviceError] = dataclasses.field(
        default_factory=dict)


def check_uri(uri: str) -> None:
    """Refuse what no libvirt could ever connect to.

    :raises exceptions.BadInput: it is no URI
    """
    if not parse.urlsplit(uri).scheme:
        raise exceptions.BadInput(
            f'[collector]libvirt_uri: {uri!r} is no connection URI; '
            'qemu:///system is one')


def read(uri: str) -> HostDevices:
    """Return what libvirt knows of this host.

    :param uri: connection URI, ``qemu:///system``
    :raises LibvirtError: no connection, or it broke
    :raises devices.DeviceError: a description that cannot be used
    """
    quiet()
    try:
        with contextlib.closing(libvirt.openReadOnly(uri)) as connection:
            return _read(connection)
    except libvirt.libvirtError as exc:
        raise LibvirtError(
            f'libvirt at {uri}: {exc.get_error_message()}: see '
            '[collector]libvirt_uri and whether the daemon runs') from exc


def quiet() -> None:
    """Keep libvirt from printing every error to stderr as well."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)


def _read(connection: libvirt.virConnect) -> HostDevices:
    parents, odd = _parents(connection)
    mdevs = _devices(
        connection, libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV,
        xml.parse_mdev)
    used: set[str] = set()
    running = libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE
    for domain in connection.listAllDomains(running):
        with _gone_is_fine():
            used |= xml.parse_domain(domain.name(), domain.XMLDesc())
    return HostDevices(connection.getHostname(), tuple(parents),
                       tuple(mdevs), frozenset(used), odd)


def _parents(connection: libvirt.virConnect,
             ) -> tuple[list[devices.ParentDevice],
                        dict[str, devices.DeviceError]]:
    """Return the devices that can create mdevs, and what is wrong with some.

    One device with an odd description must not keep the others from being
    published.
    """
    found, odd = [], {}
    for device in connection.listAllDevices(
            libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV_TYPES):
        with _gone_is_fine():
            name = device.name()
            try:
                found.append(xml.parse_parent(name, device.XMLDesc()))
            except devices.DeviceError as exc:
                odd[name] = exc
    return found, odd


def _devices(connection: libvirt.virConnect, capability: int,
             parse: Callable[[str, str], _Parsed]) -> list[_Parsed]:
    found = []
    for device in connection.listAllDevices(capability):
        with _gone_is_fine():
            found.append(parse(device.name(), device.XMLDesc()))
    return found


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    """Let a device or domain vanish between the list and its description."""
    try:
        yield
    except libvirt.libvirtError as exc:
        if exc.get_error_code() not in _GONE:
            raise
