# SPDX-License-Identifier: Apache-2.0
"""Facts that only sysfs has; every path derives from one root.

The kernel documents these files in Documentation/ABI/testing: sysfs-bus-pci
(``subsystem_vendor``, ``subsystem_device``, ``driver``, ``physfn``) and
sysfs-module (``/sys/module/<module>/version``, only where a module declares
a version: vendors' modules do, those of the kernel's tree mostly do not, or
never change it). ``/sys/module/<module>/taint`` has the flags of
Documentation/admin-guide/tainted-kernels that are about a module
(kernel/module/main.c: modinfo_attrs); like ``initstate`` it is only there
where the module was loaded, and not where it is built in.
"""

import errno
import pathlib

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.host import devices

#: What a device that vanishes in the middle of a read looks like.
_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENOTDIR})
#: Taint flags of a module from outside the kernel's tree, and those that one
#: of that tree may have: a staging driver, and one that is not signed. Others
#: leave it open, such as that of a module which was loaded by force, perhaps
#: another kernel's.
_EXTERNAL = 'O'
_OWN = frozenset('CE')


class SysfsError(exceptions.Failure):
    """A file that is there and cannot be read."""


class Sysfs:
    """A tree laid out as ``/sys``.

    :param root: where the tree is
    """

    def __init__(self, root: str):
        self.root = pathlib.Path(root)

    def facts(self, device: devices.ParentDevice) -> dict[str, str]:
        """Return a parent's facts: module, driver, intree, subsystem.

        A fact whose file is not there is left out. The subsystem is the
        board's: a virtual function's own ids say nothing about the board.

        :raises SysfsError: a file is there and cannot be read
        """
        path = self.path(device)
        module = device.driver or self._link(path / 'driver')
        facts = {
            'module': module,
            'driver': self._driver_version(path, module),
            'intree': self._intree(path, module),
            'subsystem': self._subsystem_ids(self._board(path)),
        }
        return {name: value for name, value in facts.items() if value}

    def subsystem(self, device: devices.ParentDevice) -> str | None:
        """Return the name of the subsystem that a device belongs to."""
        return self._link(self.path(device) / 'subsystem')

    def board_address(self, device: devices.ParentDevice) -> str | None:
        """Return the PCI address of the board that a device is a part of.

        That is its physical function where it is a virtual one, else its
        own address; None where it is no PCI device.
        """
        return self._link(self.path(device) / 'physfn') or device.address

    def vendor_specific(self) -> list[str]:
        """Return PCI addresses of functions that have vGPUs without mdevs.

        On newer kernels (RHEL 10, Ubuntu 24.04) NVIDIA's virtual functions
        have ``nvidia/current_vgpu_type`` in their place: the vendor-specific
        VFIO framework of its vGPU user guide.
        """
        return sorted(
            path.parent.parent.name
            for path in (self.root / 'bus/pci/devices').glob(
                '*/nvidia/current_vgpu_type'
            )
        )

    def path(self, device: devices.ParentDevice) -> pathlib.Path:
        """Return where a device's files are."""
        if device.path:
            # Never absolute: it would lead out of the root.
            return self.root / device.path.removeprefix('/sys').lstrip('/')
        return self.root / 'bus/pci/devices' / (device.address or device.name)

    def _board(self, path: pathlib.Path) -> pathlib.Path:
        return path / 'physfn' if self._link(path / 'physfn') else path

    def _driver_version(
        self, path: pathlib.Path, driver: str | None
    ) -> str | None:
        module = self._module(path, driver)
        return self._text(module / 'version') if module else None

    def _intree(self, path: pathlib.Path, driver: str | None) -> str | None:
        """Tell whether the module is of the kernel's own tree: yes or no.

        None where that is not known. Of a driver that is built in there may
        be no trace in /sys/module.
        """
        module = self._module(path, driver)
        if module is None:
            return None
        flags = self._text(module / 'taint')
        if flags is None:
            built_in = _is_there(module) and not _is_there(
                module / 'initstate'
            )
            return 'yes' if built_in else None
        if _EXTERNAL in flags:
            return 'no'
        return 'yes' if _OWN.issuperset(flags) else None

    def _module(
        self, path: pathlib.Path, driver: str | None
    ) -> pathlib.Path | None:
        """Return the directory of the module of a device's driver."""
        name = self._link(path / 'driver/module') or driver
        if not name:
            return None
        # A driver's name may have dashes, a module's directory never has.
        return self.root / 'module' / name.replace('-', '_')

    def _subsystem_ids(self, path: pathlib.Path) -> str | None:
        vendor = self._text(path / 'subsystem_vendor')
        device = self._text(path / 'subsystem_device')
        if not vendor or not device:
            return None
        return f'{vendor.removeprefix("0x")}:{device.removeprefix("0x")}'

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


def _is_there(path: pathlib.Path) -> bool:
    try:
        path.stat()
    except OSError as exc:
        _check_gone(path, exc)
        return False
    return True


def _check_gone(path: pathlib.Path, exc: OSError) -> None:
    """Treat a file that is not there as a fact that is not known."""
    if exc.errno not in _GONE:
        raise SysfsError(f'{path}: {exc.strerror}') from exc
