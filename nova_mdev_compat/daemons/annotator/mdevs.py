# SPDX-License-Identifier: Apache-2.0
"""Where mdevs are, and what the collector found, or why that is unknown.

Whatever cannot be read is no error here.
"""

from collections.abc import Iterable
import pathlib
import time
from typing import Any

from nova_mdev_compat.common import files
from nova_mdev_compat.daemons.annotator import plan
from nova_mdev_compat.host import mdev_sysfs
from nova_mdev_compat.publication import devices_file


def devices(options: Any) -> plan.Devices:
    """Return what the collector found on this host.

    :param options: [collector]
    """
    try:
        return devices_file.read_fresh(
            pathlib.Path(options.devices_file),
            options.devices_max_age,
            time.time(),
        )
    except files.FileError as exc:
        return str(exc)


def places(root: str, uuids: Iterable[str]) -> dict[str, plan.Place]:
    """Return where mdevs are.

    :param root: where sysfs is
    """
    return {uuid: _place(root, uuid) for uuid in uuids}


def _place(root: str, uuid: str) -> plan.Place:
    try:
        return mdev_sysfs.find(root, uuid) or f'it is not in {root}/bus/mdev'
    except OSError as exc:
        return f'{exc.filename}: {exc.strerror}'
