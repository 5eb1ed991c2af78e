# SPDX-License-Identifier: Apache-2.0
"""Read libvirt's devices and domains, over a read-only connection."""

from collections.abc import Iterator, Mapping
import contextlib
import dataclasses
from urllib import parse

import libvirt

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.host import libvirt_xml
from nova_mdev_compat.host.parents import DeviceError
from nova_mdev_compat.host.parents import Mdev
from nova_mdev_compat.host.parents import ParentDevice

_GONE = (libvirt.VIR_ERR_NO_NODE_DEVICE, libvirt.VIR_ERR_NO_DOMAIN)


class LibvirtError(exceptions.Failure):
    """libvirt does not answer, or returns an error."""


@dataclasses.dataclass(frozen=True)
class HostDevices:
    """A host's devices and domains, as libvirt describes them.

    :ivar hostname: libvirt's name of the host
    :ivar parents: devices that can create mdevs
    :ivar mdevs: active mdevs, and inactive ones, which are only defined
    :ivar used: UUIDs of the mdevs of running domains
    :ivar odd: errors of parents whose description cannot be used, by
        libvirt's name
    :ivar kept: UUIDs of the mdevs of domains that do not run
    """

    hostname: str
    parents: tuple[ParentDevice, ...]
    mdevs: tuple[Mdev, ...]
    used: frozenset[str]
    odd: Mapping[str, DeviceError] = dataclasses.field(default_factory=dict)
    kept: frozenset[str] = frozenset()


def check_uri(uri: str) -> None:
    """Check that libvirt could connect to a URI.

    :raises exceptions.BadInput: it is not a URI
    """
    if not parse.urlsplit(uri).scheme:
        raise exceptions.BadInput(
            f'[collector]libvirt_uri: {uri!r} is not a connection URI '
            'such as qemu:///system'
        )


def read(uri: str) -> HostDevices:
    """Read this host's devices and domains.

    :param uri: connection URI, ``qemu:///system``
    :raises LibvirtError: there is no connection, or it broke
    :raises DeviceError: a domain's description cannot be used
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
    found, odd = [], {}
    for device in connection.listAllDevices(
        libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV_TYPES
    ):
        with _ignore_gone():
            name = device.name()
            try:
                found.append(libvirt_xml.parse_parent(name, device.XMLDesc()))
            except DeviceError as exc:
                # The others are published all the same.
                odd[name] = exc
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
    # In this order, a domain that starts meanwhile is in both.
    kept = _mdevs_of(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE)
    used = _mdevs_of(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    return HostDevices(
        connection.getHostname(), tuple(found), tuple(mdevs), used, odd, kept
    )


def _is_active(device: libvirt.virNodeDevice) -> bool:
    try:
        return bool(device.isActive())
    except libvirt.libvirtError as exc:
        # libvirt before 7.3, which has no inactive mdevs, and its test
        # driver.
        if exc.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return True


def _mdevs_of(connection: libvirt.virConnect, flag: int) -> frozenset[str]:
    """Return the UUIDs of the mdevs of some domains.

    :param flag: libvirt's, for domains that run or that do not
    """
    found: set[str] = set()
    for domain in connection.listAllDomains(flag):
        with _ignore_gone():
            found |= libvirt_xml.parse_domain(domain.name(), domain.XMLDesc())
    return frozenset(found)


@contextlib.contextmanager
def _ignore_gone() -> Iterator[None]:
    """Ignore that a device or domain vanished since it was listed."""
    try:
        yield
    except libvirt.libvirtError as exc:
        if exc.get_error_code() not in _GONE:
            raise
