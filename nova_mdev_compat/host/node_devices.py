# SPDX-License-Identifier: Apache-2.0
"""What libvirt knows of this host, over a read-only connection."""

from collections.abc import Iterator, Mapping
import contextlib
import dataclasses
from urllib import parse

import libvirt

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.host import devices
from nova_mdev_compat.host import libvirt_xml

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
    :ivar mdevs: mdevs, active ones and others that are only defined
    :ivar used: UUIDs of the mdevs that running domains have
    :ivar kept: UUIDs of the mdevs that domains have which do not run
    """

    hostname: str
    parents: tuple[devices.ParentDevice, ...]
    mdevs: tuple[devices.Mdev, ...]
    used: frozenset[str]
    odd: Mapping[str, devices.DeviceError] = dataclasses.field(
        default_factory=dict
    )
    kept: frozenset[str] = frozenset()


def check_uri(uri: str) -> None:
    """Refuse what no libvirt could ever connect to.

    :raises exceptions.BadInput: it is no URI
    """
    if not parse.urlsplit(uri).scheme:
        raise exceptions.BadInput(
            f'[collector]libvirt_uri: {uri!r} is no connection URI; '
            'qemu:///system is one'
        )


def read(uri: str) -> HostDevices:
    """Return what libvirt knows of this host.

    :param uri: connection URI, ``qemu:///system``
    :raises LibvirtError: no connection, or it broke
    :raises devices.DeviceError: a domain whose description cannot be used
    """
    quiet()
    try:
        with contextlib.closing(libvirt.openReadOnly(uri)) as connection:
            return _read(connection)
    except libvirt.libvirtError as exc:
        raise LibvirtError(
            f'libvirt at {uri}: {exc.get_error_message()}: see '
            '[collector]libvirt_uri and whether the daemon runs'
        ) from exc


def quiet() -> None:
    """Keep libvirt from printing every error to stderr as well."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)


def _read(connection: libvirt.virConnect) -> HostDevices:
    parents, odd = _parents(connection)
    mdevs = []
    for device in connection.listAllDevices(
        libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV
    ):
        with _gone_is_fine():
            mdevs.append(
                libvirt_xml.parse_mdev(
                    device.name(), device.XMLDesc(), _is_active(device)
                )
            )
    # In this order a domain that is started meanwhile is in both.
    kept = _mdevs_of(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE)
    used = _mdevs_of(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    return HostDevices(
        connection.getHostname(), tuple(parents), tuple(mdevs), used, odd, kept
    )


def _parents(
    connection: libvirt.virConnect,
) -> tuple[list[devices.ParentDevice], dict[str, devices.DeviceError]]:
    """Return the devices that can create mdevs, and what is wrong with some.

    One device with an odd description must not keep the others from being
    published.
    """
    found, odd = [], {}
    for device in connection.listAllDevices(
        libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV_TYPES
    ):
        with _gone_is_fine():
            name = device.name()
            try:
                found.append(libvirt_xml.parse_parent(name, device.XMLDesc()))
            except devices.DeviceError as exc:
                odd[name] = exc
    return found, odd


def _is_active(device: libvirt.virNodeDevice) -> bool:
    try:
        return bool(device.isActive())
    except libvirt.libvirtError as exc:
        # libvirt before 7.3, which knows no mdev that is only defined; and
        # its test driver.
        if exc.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return True


def _mdevs_of(connection: libvirt.virConnect, which: int) -> frozenset[str]:
    """Return the UUIDs of the mdevs of some domains.

    :param which: libvirt's flag of those that run, or that do not
    """
    found: set[str] = set()
    for domain in connection.listAllDomains(which):
        with _gone_is_fine():
            found |= libvirt_xml.parse_domain(domain.name(), domain.XMLDesc())
    return frozenset(found)


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    """Let a device or domain vanish between the list and its description."""
    try:
        yield
    except libvirt.libvirtError as exc:
        if exc.get_error_code() not in _GONE:
            raise
