# SPDX-License-Identifier: Apache-2.0
"""The devices file: what the collector last found on this host.

The late check must ask neither libvirt, which waits for it, nor Placement. It
reads here the traits of every device, and the rules that made the accept
patterns. The collector writes the file before it publishes, whether Placement
answers or not.
"""

from collections.abc import Mapping
import dataclasses
import json
import pathlib
from typing import Any

from nova_mdev_compat.common import files
from nova_mdev_compat.core import traits

SCHEMA_VERSION = '1.0'

#: In bytes; a host with 256 devices needs a quarter.
MAX_SIZE = 4 * 2**20


@dataclasses.dataclass(frozen=True)
class DeviceEntry:
    """What a device is and accepts.

    :ivar identity: names of its identity traits
    :ivar rules: names of the rules that made each accept pattern, by the
        pattern's trait name
    """

    identity: frozenset[str]
    rules: Mapping[str, tuple[str, ...]]

    def described(self) -> traits.Description:
        """Return the content of its traits."""
        return traits.describe(self.identity.union(self.rules))


@dataclasses.dataclass(frozen=True)
class DevicesFile:
    """The content of the file.

    :ivar host: hypervisor hostname
    :ivar read_at: when the host was read, in seconds since the epoch
    :ivar devices: by libvirt's name
    """

    host: str
    read_at: float
    devices: Mapping[str, DeviceEntry]


def write(path: pathlib.Path, found: DevicesFile) -> None:
    """Write the file, whole or not at all.

    :raises OSError: it cannot be written
    """
    document = {
        'schema_version': SCHEMA_VERSION,
        'host': found.host,
        'read_at': found.read_at,
        'devices': {
            name: {
                'identity': sorted(device.identity),
                'accepts': dict(sorted(device.rules.items())),
            }
            for name, device in found.devices.items()
        },
    }
    files.replace(path, json.dumps(document, indent=1) + '\n')


def read(path: pathlib.Path) -> DevicesFile:
    """Return the content of the file.

    :raises files.FileError: it is missing or invalid
    """
    document = files.read_json(
        path,
        MAX_SIZE,
        SCHEMA_VERSION,
        ': nova-mdev-collector has not run on this host',
    )
    try:
        return DevicesFile(
            _get(document, 'host', str),
            float(_get(document, 'read_at', float)),
            {
                name: _entry(item)
                for name, item in _get(document, 'devices', dict).items()
            },
        )
    except (_ShapeMismatch, OverflowError) as exc:
        raise files.FileError(f'{path} is invalid: {exc}') from exc


def read_fresh(path: pathlib.Path, max_age: float, now: float) -> DevicesFile:
    """Return the content of the file if it is not too old.

    :param max_age: in seconds
    :param now: in seconds since the epoch
    :raises files.FileError: it is missing, invalid or too old
    """
    found = read(path)
    age = now - found.read_at
    # After a clock was set back, a file would seem new for long.
    if not 0 <= age <= max_age:
        how_old = 'from the future' if age < 0 else f'{age:.0f} seconds old'
        raise files.FileError(
            f'{path} is {how_old} ([collector]devices_max_age): is '
            'nova-mdev-collector running here?'
        )
    return found


class _ShapeMismatch(Exception):
    """JSON of another shape. jsonschema takes too long to import here."""


def _entry(item: Any) -> DeviceEntry:
    identity = _texts(_get(item, 'identity', list))
    # The key may be missing if the device accepts nothing.
    accepts = _get(item, 'accepts', dict) if 'accepts' in item else {}
    return DeviceEntry(
        frozenset(identity),
        {trait: tuple(_texts(rules)) for trait, rules in accepts.items()},
    )


def _get(item: Any, key: str, kind: type) -> Any:
    """Return the value of a key if it has the type."""
    found = item.get(key) if isinstance(item, dict) else None
    # A bool is an instance of int. An int is a valid float.
    if type(found) is kind or (kind is float and type(found) is int):
        return found
    raise _ShapeMismatch(f'{key} is missing or not a {kind.__name__}')


def _texts(items: Any) -> list[str]:
    if isinstance(items, list) and all(isinstance(i, str) for i in items):
        return items
    raise _ShapeMismatch('a list of texts has another value')
