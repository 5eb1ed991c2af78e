# SPDX-License-Identifier: Apache-2.0
"""Virtual functions that guests get through a VFIO variant driver.

No mdev is involved. libvirt shows such a function as any PCI device and does
not know its vGPU type, so everything is read from sysfs:

* ``physfn`` and ``virtfn<n>``, ``driver``, ``revision``: the kernel's
  Documentation/ABI/testing/sysfs-bus-pci.
* ``vfio-dev/``: a function that VFIO hands out (Documentation/driver-api/
  vfio.rst). Plain vfio-pci has it, too, and cannot migrate a device.
* ``nvidia/current_vgpu_type``: NVIDIA's vendor-specific VFIO framework (Virtual
  GPU Software User Guide): a decimal id, 0 for none. The ids are those of mdev
  types.

The parent of these functions is their physical function.
"""

from collections.abc import Callable, Mapping
import dataclasses
import os
import pathlib
import re

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import text
from nova_mdev_compat.host import parents
from nova_mdev_compat.host import sysfs

#: The driver that hands out any PCI device, and cannot migrate it.
PLAIN = 'vfio-pci'

_TYPE_ID = re.compile(r'[0-9]{1,9}')
_ID = re.compile(r'0x([0-9a-f]{2,4})')
#: How much of current_vgpu_type is compared, in bytes.
_LONGEST_TYPE = 64


@dataclasses.dataclass(frozen=True)
class VirtualFunction:
    """A virtual function.

    :ivar address: ``0000:81:00.4``
    :ivar physical: address of its physical function
    :ivar vendor: ``10de``, empty if sysfs has none
    :ivar product: ``2235``, likewise
    :ivar driver: name of the driver bound to it, empty without one
    :ivar type: ``nvidia-558``, or the name of its variant driver; empty if it
        has none
    :ivar why_no_type: why it has none, empty if it has one
    """

    address: str
    physical: str
    vendor: str
    product: str
    driver: str
    type: str
    why_no_type: str = ''


@dataclasses.dataclass(frozen=True)
class PhysicalFunction:
    """A physical function, some of whose virtual functions have a variant driver.

    :ivar address: ``0000:81:00.0``
    :ivar functions: all its virtual functions, in order of their addresses
    :ivar failure: why some of them could not be read, None if all could
    """

    address: str
    functions: tuple[VirtualFunction, ...]
    failure: sysfs.SysfsError | None = None


def find(root: str) -> tuple[PhysicalFunction, ...]:
    """Return the physical functions that are parents, in order of addresses.

    A function that vanishes meanwhile is left out.

    :param root: where sysfs is
    :raises sysfs.SysfsError: the list of PCI devices cannot be read
    """
    functions: dict[str, list[VirtualFunction]] = {}
    failures: dict[str, sysfs.SysfsError] = {}
    parents = set()
    for path in sysfs.entries(pathlib.Path(root, 'bus/pci/devices')):
        physical = ''
        try:
            physical = sysfs.read_link(path / 'physfn') or ''
            if not physical:
                continue
            function, is_variant = _read(path, physical)
        except sysfs.SysfsError as exc:
            if not physical:
                raise
            failures[physical] = exc
            continue
        if is_variant:
            parents.add(physical)
        functions.setdefault(physical, []).append(function)
    return tuple(
        PhysicalFunction(
            address,
            tuple(
                sorted(functions.get(address, ()), key=lambda one: one.address)
            ),
            failures.get(address),
        )
        for address in sorted(parents | failures.keys())
    )


def find_function(root: str, address: str) -> VirtualFunction | None:
    """Return a virtual function that has a VFIO variant driver.

    None for any other PCI device, and for one that does not exist.

    :param root: where sysfs is
    :raises sysfs.SysfsError: a file exists and cannot be read
    """
    path = pathlib.Path(root, 'bus/pci/devices', address)
    physical = sysfs.read_link(path / 'physfn')
    if not physical:
        return None
    function, is_variant = _read(path, physical)
    return function if is_variant else None


def _read(path: pathlib.Path, physical: str) -> tuple[VirtualFunction, bool]:
    """Return a virtual function, and whether its driver is a variant."""
    driver = sysfs.read_link(path / 'driver') or ''
    nvidia = sysfs.exists(path / 'nvidia')
    function = VirtualFunction(
        path.name,
        physical,
        _pci_id(path / 'vendor'),
        _pci_id(path / 'device'),
        driver,
        *_type(path, driver, nvidia),
    )
    variant = driver not in ('', PLAIN) and sysfs.exists(path / 'vfio-dev')
    return function, nvidia or variant


def parent_id(physical: PhysicalFunction) -> str:
    """Return the canonical parent id of a physical function.

    It is made of the ids that guests see, those of its virtual functions.

    :raises parents.DeviceError: they have none, or different ones
    """
    ids = {(one.vendor, one.product) for one in physical.functions}
    try:
        ((vendor, product),) = ids
        return identity.pci_parent(vendor, product)
    except (ValueError, identity.IdentityError) as exc:
        shown = text.join(f'{one}:{other}' for one, other in sorted(ids))
        raise parents.DeviceError(
            f'PCI device {physical.address}: PCI ids of its virtual '
            f'functions: {shown}; they must be one pair'
        ) from exc


def facts(tree: sysfs.Sysfs, physical: PhysicalFunction) -> dict[str, str]:
    """Return the facts of a parent of virtual functions.

    :returns: as Sysfs.facts, and framework, revision, firmware, psid; one
        without a file is left out
    :raises sysfs.SysfsError: a file exists and cannot be read
    """
    devices = tree.root / 'bus/pci/devices'
    one = physical.functions[0]
    found = tree.facts(
        parents.ParentDevice(
            name=one.address,
            path=None,
            address=one.address,
            vendor=one.vendor,
            product=one.product,
            driver=one.driver or None,
            types={},
        )
    )
    found['framework'] = 'vfio'
    revisions = {
        _pci_id(devices / one.address / 'revision')
        for one in physical.functions
    }
    if len(revisions) == 1:
        found['revision'] = revisions.pop()
    # Documentation/ABI/stable/sysfs-class-infiniband. mlx5 has the firmware of
    # the board there, and its PSID (drivers/infiniband/hw/mlx5/main.c).
    for port in sysfs.entries(devices / physical.address / 'infiniband'):
        found['firmware'] = sysfs.read_text(port / 'fw_ver') or ''
        found['psid'] = sysfs.read_text(port / 'board_id') or ''
    return {name: value for name, value in found.items() if value}


def watched(root: str) -> Mapping[str, tuple[str, str]]:
    """Return what tells that a parent may have changed.

    This is called every few seconds, so it reads as little as possible, and
    without pathlib, which would take most of the time.

    :returns: driver and vGPU type of each virtual function, by its address; if
        one cannot be read, the error
    :raises OSError: the list of PCI devices cannot be read
    """
    devices = f'{root}/bus/pci/devices'
    try:
        names = os.listdir(devices)
    except FileNotFoundError:
        return {}
    found = {}
    for name in names:
        path = f'{devices}/{name}'
        try:
            os.readlink(f'{path}/physfn')
        except OSError:
            continue  # not a virtual function
        found[name] = (
            _look(os.readlink, f'{path}/driver'),
            _look(_first_bytes, f'{path}/nvidia/current_vgpu_type'),
        )
    return found


def _look(read: Callable[[str], str], path: str) -> str:
    try:
        return read(path)
    except OSError as exc:
        return f'{exc.strerror}'


def _first_bytes(path: str) -> str:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, _LONGEST_TYPE).decode('utf-8', 'replace')
    finally:
        os.close(file)


def _type(path: pathlib.Path, driver: str, nvidia: bool) -> tuple[str, str]:
    """Return a function's type, and why it has none."""
    if nvidia:
        return _nvidia_type(path)
    if not driver:
        return '', 'no driver is bound to it'
    if driver == PLAIN:
        return '', f'driver {PLAIN} is bound to it, which cannot migrate it'
    if not sysfs.exists(path / 'vfio-dev'):
        return '', f'driver {driver} is bound to it, which guests do not get'
    return driver, ''


def _nvidia_type(path: pathlib.Path) -> tuple[str, str]:
    found = sysfs.read_text(path / 'nvidia/current_vgpu_type')
    if found is None:
        return '', 'its nvidia/current_vgpu_type is missing'
    if not _TYPE_ID.fullmatch(found):
        return '', f'its nvidia/current_vgpu_type is {found[:40]!r}'
    if int(found) == 0:
        return '', 'no vGPU type is set (current_vgpu_type is 0)'
    return f'nvidia-{int(found)}', ''


def _pci_id(path: pathlib.Path) -> str:
    found = _ID.fullmatch(sysfs.read_text(path) or '')
    return found.group(1) if found else ''
