# SPDX-License-Identifier: Apache-2.0
"""Where mdevs are, and what the collector found, or why that is unknown.

Whatever cannot be read is no error here.
"""

from collections.abc import Iterable
import pathlib
import time
from typing import Any

from nova_mdev_compat.annotator import annotations
from nova_mdev_compat.guard import device_file
from nova_mdev_compat.guard import sysfs


def devices(options: Any) -> annotations.Devices:
    """Return what the collector found on this host.

    :param options: [collector]
    """
    try:
        return device_file.read_fresh(pathlib.Path(options.devices_file),
                                      options.devices_max_age, time.time())
    except device_file.DeviceFileError as exc:
        return str(exc)


def places(root: str, uuids: Iterable[str]) -> dict[str, annotations.Place]:
    """Return where mdevs are.

    :param root: where sysfs is
    """
    return {uuid: _place(root, uuid) for uuid in uuids}


def _place(root: str, uuid: str) -> annotations.Place:
    try:
        return sysfs.find(root, uuid) or f'it is not in {root}/bus/mdev'
    except OSError as exc:
        return f'{exc.filename}: {exc.strerror}'
