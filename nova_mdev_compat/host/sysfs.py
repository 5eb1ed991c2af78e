# SPDX-License-Identifier: Apache-2.0
"""Read parents and mdevs from sysfs, below a root directory.

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

from collections.abc import Callable
import dataclasses
import errno
import os
import pathlib
import re
from typing import TYPE_CHECKING, TypeVar

from nova_mdev_compat.core import exceptions

if TYPE_CHECKING:
    from nova_mdev_compat.host import parents

_Result = TypeVar('_Result')

#: Errors of a file that does not exist, or of a device that vanishes.
_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENOTDIR})
#: How much of a file is read, in bytes; sysfs shows at most a page.
_MAX_SIZE = 4096
#: The taint flag of an out-of-tree module, and the flags that an in-tree
#: module may have: of a staging driver, and of an unsigned module. Other flags
#: do not decide it: a module that was loaded by force may be of another kernel.
_OUT_OF_TREE = 'O'
_IN_TREE = frozenset('CE')
_MDEV_UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')


class SysfsError(exceptions.Failure):
    """A file exists and cannot be read."""


@dataclasses.dataclass(frozen=True)
class DeviceLocation:
    """The parent and type of an mdev or virtual function.

    :ivar device: libvirt's name of an mdev's parent, ``pci_0000_84_00_0``, or
        the address of a physical function
    :ivar type: its type, ``nvidia-558``
    """

    device: str
    type: str


def find_mdev(root: str, uuid: str) -> DeviceLocation | None:
    """Return parent and type of an mdev, None if it does not exist.

    ``/sys/bus/mdev/devices`` links to the mdev's directory, which is in that
    of its parent and has a link ``mdev_type``. libvirt cannot be asked: it
    waits for the late check.

    :param root: directory of sysfs
    :param uuid: in lower case; any other text is not an mdev
    :raises OSError: the mdev exists and cannot be read
    """
    if not _MDEV_UUID.fullmatch(uuid):
        return None
    path = pathlib.Path(root, 'bus/mdev/devices', uuid)
    if not path.exists():
        return None
    parent = pathlib.Path(os.path.realpath(path)).parent
    return DeviceLocation(
        _libvirt_name(parent), (path / 'mdev_type').readlink().name
    )


def _libvirt_name(device: pathlib.Path) -> str:
    """Return libvirt's name of a device.

    See ``node_device_udev.c`` of libvirt. ``udevGetDeviceType`` knows parents
    on the buses pci, css and matrix and in the class mtty.
    ``udevGenerateDeviceName`` joins subsystem and name in sysfs, and replaces
    everything but ASCII letters and digits. ``udevProcessAPMatrix`` has a
    fixed name for the parent of vfio-ap, whose subsystem and name are
    ``matrix``.
    """
    subsystem = (device / 'subsystem').readlink().name
    if subsystem == 'matrix':
        return 'ap_matrix'
    return re.sub(r'[^A-Za-z0-9]', '_', f'{subsystem}_{device.name}')


class Sysfs:
    """A directory tree with the layout of ``/sys``.

    :param root: its directory
    """

    def __init__(self, root: str):
        self.root = pathlib.Path(root)

    def facts(self, device: 'parents.ParentDevice') -> dict[str, str]:
        """Return a parent's facts: module, driver, intree, subsystem.

        A fact without a file is left out. The subsystem is that of the board,
        because the ids of a virtual function do not identify it.

        :raises SysfsError: a file exists and cannot be read
        """
        path = self.path(device)
        driver = device.driver or read_link(path / 'driver')
        name = read_link(path / 'driver/module') or driver
        facts = {'module': driver}
        if name:
            # The name of a driver may have dashes, that of a directory not.
            module = self.root / 'module' / name.replace('-', '_')
            facts['driver'] = read_text(module / 'version')
            facts['intree'] = self._intree(module)
        board = path / 'physfn' if read_link(path / 'physfn') else path
        vendor = read_text(board / 'subsystem_vendor')
        product = read_text(board / 'subsystem_device')
        if vendor and product:
            facts['subsystem'] = (
                f'{vendor.removeprefix("0x")}:{product.removeprefix("0x")}'
            )
        return {name: value for name, value in facts.items() if value}

    def subsystem(self, device: 'parents.ParentDevice') -> str | None:
        """Return the name of the subsystem that a device belongs to."""
        return read_link(self.path(device) / 'subsystem')

    def board_address(self, device: 'parents.ParentDevice') -> str | None:
        """Return the PCI address of a device's board.

        This is the address of the physical function for a virtual function,
        and the device's own address otherwise; None if it is not a PCI device.
        """
        return read_link(self.path(device) / 'physfn') or device.address

    def path(self, device: 'parents.ParentDevice') -> pathlib.Path:
        """Return the directory of a device."""
        if device.path:
            # An absolute path would lead out of the root.
            return self.root / device.path.removeprefix('/sys').lstrip('/')
        return self.root / 'bus/pci/devices' / (device.address or device.name)

    def _intree(self, module: pathlib.Path) -> str | None:
        """Return whether a module is from the kernel's own tree: yes or no.

        None if that is not known: /sys/module does not have every built-in
        driver.
        """
        flags = read_text(module / 'taint')
        if flags is None:
            built_in = exists(module) and not exists(module / 'initstate')
            return 'yes' if built_in else None
        if _OUT_OF_TREE in flags:
            return 'no'
        return 'yes' if _IN_TREE.issuperset(flags) else None


def read_text(path: pathlib.Path) -> str | None:
    """Return the text of a file without its newline, None if it is gone.

    :raises SysfsError: it exists and cannot be read
    """

    def read(path: pathlib.Path) -> str:
        with path.open('rb') as file:
            return file.read(_MAX_SIZE).decode('utf-8', 'replace').strip()

    return _read(path, read)


def read_link(path: pathlib.Path) -> str | None:
    """Return the last part of a link's target, None if it is gone.

    :raises SysfsError: it exists and cannot be read
    """
    return _read(path, lambda link: link.readlink().name)


def exists(path: pathlib.Path) -> bool:
    """Return whether a path exists.

    :raises SysfsError: that cannot be found out
    """
    return _read(path, os.stat) is not None


def entries(directory: pathlib.Path) -> list[pathlib.Path]:
    """Return the paths in a directory in order, none if it is gone.

    :raises SysfsError: it exists and cannot be read
    """
    return _read(directory, lambda path: sorted(path.iterdir())) or []


def _read(
    path: pathlib.Path, read: Callable[[pathlib.Path], _Result]
) -> _Result | None:
    """Return the result of a read, None if the file does not exist."""
    try:
        return read(path)
    except OSError as exc:
        if exc.errno in _GONE:
            return None
        raise SysfsError(f'{path}: {exc.strerror}') from exc
