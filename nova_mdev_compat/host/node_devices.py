# SPDX-License-Identifier: Apache-2.0
"""Read devices and domains from libvirt over a read-only connection."""

from collections.abc import Iterator
import contextlib
from urllib import parse

import libvirt

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.host import libvirt_xml
from nova_mdev_compat.host import parents

_GONE = (libvirt.VIR_ERR_NO_NODE_DEVICE, libvirt.VIR_ERR_NO_DOMAIN)


class LibvirtError(exceptions.Failure):
    """libvirt does not answer or returns an error."""


def check_uri(uri: str) -> None:
    """Check the form of a connection URI.

    :raises exceptions.BadInput: it is not a URI
    """
    if not parse.urlsplit(uri).scheme:
        raise exceptions.BadInput(
            f'[collector]libvirt_uri: {uri!r} is not a connection URI '
            'such as qemu:///system'
        )


def read(uri: str) -> parents.HostDevices:
    """Read this host's devices and domains.

    :param uri: connection URI, ``qemu:///system``
    :raises LibvirtError: there is no connection, or it breaks
    :raises DeviceError: the description of a domain is invalid
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
    """Keep libvirt from printing its errors on stderr, too."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)


def _read(connection: libvirt.virConnect) -> parents.HostDevices:
    found, odd = [], {}
    for device in connection.listAllDevices(
        libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV_TYPES
    ):
        with _ignore_gone():
            name = device.name()
            try:
                found.append(libvirt_xml.parse_parent(name, device.XMLDesc()))
            except parents.DeviceError as exc:
                odd[name] = exc  # the others are published
    mdevs = []
    for device in connection.listAllDevices(
        libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV
    ):
        with _ignore_gone():
            mdevs.append(
                libvirt_xml.parse_mdev(
                    device.name(), device.XMLDesc(), _is_active(device)
                )
            )
    # In this order, a domain that starts in between is in both.
    kept = _mdevs_of(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE)
    used = _mdevs_of(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    return parents.HostDevices(
        connection.getHostname(), tuple(found), tuple(mdevs), used, odd, kept
    )


def _is_active(device: libvirt.virNodeDevice) -> bool:
    try:
        return bool(device.isActive())
    except libvirt.libvirtError as exc:
        # libvirt before 7.3 and its test driver: they have no inactive mdevs.
        if exc.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return True


def _mdevs_of(connection: libvirt.virConnect, flag: int) -> frozenset[str]:
    """Return the UUIDs of the mdevs of some domains.

    :param flag: of libvirt, for domains that run or do not run
    """
    found: set[str] = set()
    for domain in connection.listAllDomains(flag):
        with _ignore_gone():
            found |= libvirt_xml.parse_domain(domain.name(), domain.XMLDesc())
    return frozenset(found)


@contextlib.contextmanager
def _ignore_gone() -> Iterator[None]:
    """Ignore a device or domain that vanished after it was listed."""
    try:
        yield
    except libvirt.libvirtError as exc:
        if exc.get_error_code() not in _GONE:
            raise
