# SPDX-License-Identifier: Apache-2.0
"""The host as a whole: its kernel, its OS, and its compute node."""

import os
import pathlib
import uuid

import distro
from oslo_config import cfg

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity

OS_RELEASE = '/etc/os-release'
#: The second place to look, by os-release(5).
_FALLBACK = '/usr/lib/os-release'

#: nova-compute stores the UUID of its node, which is also that of the root
#: provider, in a file of this name beside nova.conf or in its state path
#: (``nova/virt/node.py``, since 2023.1).
COMPUTE_ID = 'compute_id'


def os_facts(os_release_file: str = OS_RELEASE) -> identity.Facts:
    """Return the facts kernel and os.

    ``kernel`` is the output of ``uname -r``, which is the host's even in a
    container. ``os`` is ID and VERSION_ID of os-release(5), ``rhel-9.6``.

    :param os_release_file: of the host; a container has its own
    """
    known = {'kernel': os.uname().release}
    path = os_release_file
    if path == OS_RELEASE and not os.path.exists(path):
        path = _FALLBACK
    try:
        os.stat(path)  # distro treats a missing file as an empty one
        release = distro.LinuxDistribution(
            include_lsb=False,
            include_uname=False,
            os_release_file=path,
            distro_release_file=os.devnull,
        ).os_release_info()
    except OSError as exc:
        fault = f'{path}: {exc.strerror}; see [collector]os_release_file'
    except ValueError as exc:  # not UTF-8, or an unclosed quote
        fault = f'{path}: {exc}'
    else:
        if release.get('id'):
            keys = ('id', 'version_id')
            known['os'] = '-'.join(
                release[key] for key in keys if release.get(key)
            )
            return identity.Facts(known)
        fault = f'{path} has no ID; see [collector]os_release_file'
    return identity.Facts(known, {'os': fault})


def compute_node_uuid(conf: cfg.ConfigOpts) -> str | None:
    """Return the UUID of this host's compute node, None if no file has it.

    :raises exceptions.BadInput: a file has no UUID, or two files disagree
    """
    if conf.collector.compute_id_file:
        paths = [pathlib.Path(conf.collector.compute_id_file)]
    else:
        homes = [pathlib.Path(name).parent for name in conf.config_file or ()]
        homes.append(pathlib.Path(conf.state_path))
        paths = [home / COMPUTE_ID for home in dict.fromkeys(homes)]
    found: dict[str, pathlib.Path] = {}
    for path in paths:
        node = _read_uuid(path)
        if node is not None:
            found.setdefault(node, path)
    if len(found) > 1:
        raise exceptions.BadInput(
            'these files disagree: '
            + ', '.join(f'{path} has {node}' for node, path in found.items())
        )
    return next(iter(found), None)


def _read_uuid(path: pathlib.Path) -> str | None:
    """Return the UUID in a file, None if this user cannot see the file."""
    try:
        # Nova also reads 40 characters.
        with path.open() as file:
            text = file.read(40).strip()
    except (FileNotFoundError, PermissionError):
        return None  # the provider is found by the host's name
    except (OSError, UnicodeDecodeError) as exc:
        raise exceptions.BadInput(f'{path}: {exc}') from exc
    try:
        return str(uuid.UUID(text))
    except ValueError as exc:
        raise exceptions.BadInput(f'{path}: {text!r} is not a UUID') from exc
