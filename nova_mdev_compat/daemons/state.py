# SPDX-License-Identifier: Apache-2.0
"""The state of the service after its last pass, for status and monitoring."""

import dataclasses
import datetime
import json
import pathlib
from typing import Any

import jsonschema

from nova_mdev_compat.common import files
from nova_mdev_compat.core import schema_version

SCHEMA_VERSION = '1.1'
#: In bytes; the traits of a host with 256 devices are a sixteenth of it.
MAX_SIZE = 16 * 2**20

_TIME = {'type': ['number', 'null'], 'minimum': 0, 'maximum': 1e11}
_TEXT = {'type': ['string', 'null']}
_SCHEMA = {
    'type': 'object',
    'properties': {
        'interval': {'type': 'number'},
        'host': _TEXT,
        'last_pass': _TIME,
        'last_success': _TIME,
        'failures': {'type': 'integer'},
        'error': _TEXT,
        'rules_error': _TEXT,
        'host_unread_since': _TIME,
        'unread_since': {'type': 'object', 'additionalProperties': _TIME},
        'published': {
            'type': 'object',
            'additionalProperties': {
                'type': 'array',
                'items': {'type': 'string'},
            },
        },
        'remarks': {'type': 'array', 'items': {'type': 'string'}},
    },
    'required': ['interval'],
}


@dataclasses.dataclass
class State:
    """The state of the service.

    Times are seconds since the epoch.

    :ivar host: hypervisor hostname, None before the first success
    :ivar interval: seconds between two passes
    :ivar last_pass: when the last one ended
    :ivar last_success: when the last good one ended, None if there was none
    :ivar failures: how many have failed since
    :ivar error: why the last one failed, None where it did not
    :ivar rules_error: what is wrong with the rule files, while older rules
        are in force
    :ivar published: traits of ours by provider name
    :ivar host_unread_since: since when the host could not be read, None
        where it could
    :ivar unread_since: since when devices could not be read completely, by
        libvirt's name
    :ivar remarks: what else an operator should know, of the last pass that
        could read the host
    """

    interval: float
    host: str | None = None
    last_pass: float | None = None
    last_success: float | None = None
    failures: int = 0
    error: str | None = None
    rules_error: str | None = None
    published: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    host_unread_since: float | None = None
    unread_since: dict[str, float] = dataclasses.field(default_factory=dict)
    remarks: list[str] = dataclasses.field(default_factory=list)
    schema_version: str = SCHEMA_VERSION

    def trouble(self, now: float) -> list[str]:
        """Return what is wrong, at a time."""
        found = []
        if self.last_success is None and not self.published:
            found.append('nothing has been published yet')
        if self.error:
            found.append(f'{self.failures} passes have failed: {self.error}')
        if self.rules_error:
            found.append(f'older rules are in force: {self.rules_error}')
        if self.last_pass is None or not (
            -self.interval < now - self.last_pass < 5 * self.interval
        ):
            found.append(
                'the service has not run for a while, or the clock has jumped'
            )
        return found


def write(path: pathlib.Path, state: State) -> None:
    """Write a state file, whole or not at all.

    :raises OSError: it cannot be written
    """
    files.replace(path, json.dumps(dataclasses.asdict(state), indent=2) + '\n')


def read(path: pathlib.Path) -> State:
    """Return the content of a state file.

    :raises files.FileError: it is missing or invalid
    """
    fields: dict[str, Any] = files.read_json(
        path,
        MAX_SIZE,
        SCHEMA_VERSION,
        ': the service has not run on this host',
    )
    try:
        jsonschema.validate(fields, _SCHEMA)
    except jsonschema.ValidationError as exc:
        raise files.FileError(f'{path} is invalid: {exc.message}') from exc
    # Keys of a newer release are ignored.
    return State(
        **{
            field.name: fields[field.name]
            for field in dataclasses.fields(State)
            if field.name in fields.keys() - {schema_version.KEY}
        }
    )


def when(timestamp: float | None) -> str:
    """Return a time as people write it."""
    if timestamp is None:
        return 'never'
    return (
        datetime.datetime.fromtimestamp(timestamp)
        .astimezone()
        .isoformat(' ', 'seconds')
    )
