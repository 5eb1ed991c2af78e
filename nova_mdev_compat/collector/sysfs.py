# SPDX-License-Identifier: Apache-2.0
"""Facts that only sysfs has; every path derives from one root.

The kernel documents these files in Documentation/ABI/testing: sysfs-bus-pci
(``subsystem_vendor``, ``subsystem_device``, ``driver``, ``physfn``) and
sysfs-module (``/sys/module/<module>/version``, only where a module declares
a version: vendors' modules do, those of the kernel's tree do not).
"""

import errno
import pathlib

from nova_mdev_compat.collector import devices
from nova_mdev_compat import exceptions

#: What a device that vanishes in the middle of a read looks like.
_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENOTDIR})


class SysfsError(exceptions.Failure):
    """A file that is there and cannot be read."""


class Sysfs:
    """A tree laid out as ``/sys``.

    :param root: where the tree is
    """

    def __init__(self, root: str):
        self.root = pathlib.Path(root)

    def facts(self, device: devices.ParentDevice) -> dict[str, str]:
        """Return a parent's facts: module, driver, subsystem.

        A fact whose file is not there is left out. The subsystem is the
        board's: a virtual function's own ids say nothing about the board.

        :raises SysfsError: a file is there and cannot be read
        """
        path = self.path(device)
        module = device.driver or self._link(path / 'driver')
        facts = {
            'module': module,
            'driver': self._driver_version(path, module),
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

    def path(self, device: devices.ParentDevice) -> pathlib.Path:
        """Return where a device's files are."""
        if device.path:
            # Never absolute: it would lead out of the root.
            return self.root / device.path.removeprefix('/sys').lstrip('/')
        return self.root / 'bus/pci/devices' / (device.address or device.name)

    def _board(self, path: pathlib.Path) -> pathlib.Path:
        return path / 'physfn' if self._link(path / 'physfn') else path

    def _driver_version(self, path: pathlib.Path,
                        driver: str | None) -> str | None:
        module = self._link(path / 'driver/module') or driver
        if not module:
            return None
        # A driver's name may have dashes, a module's directory never has.
        return self._text(
            self.root / 'module' / module.replace('-', '_') / 'version')

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


def _check_gone(path: pathlib.Path, exc: OSError) -> None:
    """Treat a file that is not there as a fact that is not known."""
    if exc.errno not in _GONE:
        raise SysfsError(f'{path}: {exc.strerror}') from exc
