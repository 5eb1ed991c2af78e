# SPDX-License-Identifier: Apache-2.0
"""What sysfs tells of parents and mdevs; every path is below one root.

The kernel documents these files in Documentation/ABI/testing: sysfs-bus-pci
(``subsystem_vendor``, ``subsystem_device``, ``driver``, ``physfn``) and
sysfs-module (``/sys/module/<module>/version``, only if the module declares a
version: vendors' modules do; in-tree modules mostly do not, or never change
it). ``/sys/module/<module>/taint`` has the flags of
Documentation/admin-guide/tainted-kernels that are about a module
(kernel/module/main.c: modinfo_attrs). Like ``initstate`` it exists only for a
module that was loaded, and not for one that is built in.
Documentation/driver-api/vfio-mediated-device.rst has the links of mdevs.

The late check imports this module: it must not import oslo.config or libvirt.
"""

import dataclasses
import errno
import os
import pathlib
import re
from typing import TYPE_CHECKING

from nova_mdev_compat.core import exceptions

if TYPE_CHECKING:
    from nova_mdev_compat.host import parents

#: Errors of a read from a device that vanishes meanwhile.
_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENOTDIR})
#: Taint flag of an out-of-tree module, and the flags that an in-tree module
#: may have: a staging driver, and an unsigned module. Other flags do not tell,
#: such as that of a module loaded by force, which may be another kernel's.
_OUT_OF_TREE = 'O'
_IN_TREE = frozenset('CE')
_MDEV_UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')


class SysfsError(exceptions.Failure):
    """A file that exists and cannot be read."""


@dataclasses.dataclass(frozen=True)
class MdevLocation:
    """Where an mdev is.

    :ivar device: libvirt's name of its parent, ``pci_0000_84_00_0``
    :ivar type: its mdev type, ``nvidia-558``
    """

    device: str
    type: str


def find_mdev(root: str, uuid: str) -> MdevLocation | None:
    """Return where an mdev is, None if there is none.

    ``/sys/bus/mdev/devices`` links to the mdev's directory, which is in its
    parent's; ``mdev_type`` in it links to its type. libvirt is not asked,
    because it waits for the late check's answer.

    :param root: where sysfs is
    :param uuid: in lower case; any other text is not an mdev
    :raises OSError: it exists and cannot be read
    """
    if not _MDEV_UUID.fullmatch(uuid):
        return None
    path = pathlib.Path(root, 'bus/mdev/devices', uuid)
    if not path.exists():
        return None
    parent = pathlib.Path(os.path.realpath(path)).parent
    return MdevLocation(
        _libvirt_name(parent), (path / 'mdev_type').readlink().name
    )


def _libvirt_name(device: pathlib.Path) -> str:
    """Return libvirt's name of a device.

    By libvirt's ``node_device_udev.c``: ``udevGetDeviceType`` knows parents on
    the buses pci, css and matrix and in the class mtty.
    ``udevGenerateDeviceName`` takes subsystem and name in sysfs, and replaces
    everything but ASCII letters and digits; ``udevProcessAPMatrix`` has a
    fixed name for vfio-ap's parent, whose subsystem and name are ``matrix``.
    """
    subsystem = (device / 'subsystem').readlink().name
    if subsystem == 'matrix':
        return 'ap_matrix'
    return re.sub(r'[^A-Za-z0-9]', '_', f'{subsystem}_{device.name}')


class Sysfs:
    """A tree with the layout of ``/sys``.

    :param root: where the tree is
    """

    def __init__(self, root: str):
        self.root = pathlib.Path(root)

    def facts(self, device: 'parents.ParentDevice') -> dict[str, str]:
        """Return a parent's facts: module, driver, intree, subsystem.

        A fact without a file is left out. The subsystem is the board's: a
        virtual function's own ids do not identify the board.

        :raises SysfsError: a file exists and cannot be read
        """
        path = self.path(device)
        driver = device.driver or self._link(path / 'driver')
        name = self._link(path / 'driver/module') or driver
        facts = {'module': driver}
        if name:
            # A driver's name may have dashes, a module's directory has none.
            module = self.root / 'module' / name.replace('-', '_')
            facts['driver'] = self._text(module / 'version')
            facts['intree'] = self._intree(module)
        board = path / 'physfn' if self._link(path / 'physfn') else path
        vendor = self._text(board / 'subsystem_vendor')
        product = self._text(board / 'subsystem_device')
        if vendor and product:
            facts['subsystem'] = (
                f'{vendor.removeprefix("0x")}:{product.removeprefix("0x")}'
            )
        return {name: value for name, value in facts.items() if value}

    def subsystem(self, device: 'parents.ParentDevice') -> str | None:
        """Return the name of the subsystem that a device belongs to."""
        return self._link(self.path(device) / 'subsystem')

    def board_address(self, device: 'parents.ParentDevice') -> str | None:
        """Return the PCI address of the board that has a device.

        It is the physical function's address for a virtual function, and
        the device's own otherwise; None if it is not a PCI device.
        """
        return self._link(self.path(device) / 'physfn') or device.address

    def vendor_specific(self) -> list[str]:
        """Return PCI addresses of functions that have vGPUs without mdevs.

        On newer kernels (RHEL 10, Ubuntu 24.04) NVIDIA's virtual functions
        have ``nvidia/current_vgpu_type`` instead: the vendor-specific VFIO
        framework of its vGPU user guide.
        """
        return sorted(
            path.parent.parent.name
            for path in (self.root / 'bus/pci/devices').glob(
                '*/nvidia/current_vgpu_type'
            )
        )

    def path(self, device: 'parents.ParentDevice') -> pathlib.Path:
        """Return where a device's files are."""
        if device.path:
            # Never absolute: it would lead out of the root.
            return self.root / device.path.removeprefix('/sys').lstrip('/')
        return self.root / 'bus/pci/devices' / (device.address or device.name)

    def _intree(self, module: pathlib.Path) -> str | None:
        """Return whether a module is from the kernel's own tree: yes or no.

        None if that is not known: /sys/module may not have a built-in
        driver at all.
        """
        flags = self._text(module / 'taint')
        if flags is None:
            built_in = _exists(module) and not _exists(module / 'initstate')
            return 'yes' if built_in else None
        if _OUT_OF_TREE in flags:
            return 'no'
        return 'yes' if _IN_TREE.issuperset(flags) else None

    def _text(self, path: pathlib.Path) -> str | None:
        try:
            return path.read_text('utf-8', 'replace').strip()
        except OSError as exc:
            _check_gone(path, exc)
            return None

    def _link(self, path: pathlib.Path) -> str | None:
        try:
            return path.readlink().name
        except OSError as exc:
            _check_gone(path, exc)
            return None


def _exists(path: pathlib.Path) -> bool:
    try:
        path.stat()
    except OSError as exc:
        _check_gone(path, exc)
        return False
    return True


def _check_gone(path: pathlib.Path, exc: OSError) -> None:
    """Accept that a file is missing; raise every other error."""
    if exc.errno not in _GONE:
        raise SysfsError(f'{path}: {exc.strerror}') from exc
