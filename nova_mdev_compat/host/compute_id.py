# SPDX-License-Identifier: Apache-2.0
"""Which compute node this host is.

nova-compute keeps its node's UUID, which is the root provider's too, in a
file ``compute_id`` beside nova.conf or in its state path
(``nova/virt/node.py``, since 2023.1).
"""

import pathlib
import uuid

from oslo_config import cfg

from nova_mdev_compat.core import exceptions

FILE = 'compute_id'


def local_uuid(conf: cfg.ConfigOpts) -> str | None:
    """Return the UUID of this host's compute node, None if no file says.

    :raises exceptions.BadInput: a file has no UUID, or two disagree
    """
    found: dict[str, pathlib.Path] = {}
    for path in _files(conf):
        text = _read(path)
        if text is not None:
            found.setdefault(_uuid(path, text), path)
    if len(found) > 1:
        raise exceptions.BadInput(
            'these files disagree: '
            + ', '.join(f'{path} says {node}' for node, path in found.items())
        )
    return next(iter(found), None)


def _files(conf: cfg.ConfigOpts) -> list[pathlib.Path]:
    if conf.collector.compute_id_file:
        return [pathlib.Path(conf.collector.compute_id_file)]
    homes = [pathlib.Path(name).parent for name in conf.config_file or ()]
    homes.append(pathlib.Path(conf.state_path))
    return [home / FILE for home in dict.fromkeys(homes)]


def _read(path: pathlib.Path) -> str | None:
    try:
        # Nova reads no more than this, either.
        with path.open() as file:
            return file.read(40).strip()
    except (FileNotFoundError, PermissionError):
        return None  # the host's name is to do
    except (OSError, UnicodeDecodeError) as exc:
        raise exceptions.BadInput(f'{path}: {exc}') from exc


def _uuid(path: pathlib.Path, text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as exc:
        raise exceptions.BadInput(f'{path}: {text!r} is no UUID') from exc
