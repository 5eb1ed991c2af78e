# SPDX-License-Identifier: Apache-2.0
"""The state of the collector's service after its last pass, and its files.

The state file is for ``nova-mdev-collector status`` and for the service's
next start, the metrics file for the textfile collector of Prometheus' node
exporter. Both are written together, so they agree.
"""

from collections.abc import Callable
import dataclasses
import datetime
import json
import pathlib
import time
from typing import Any

import jsonschema
from oslo_log import log as logging

from nova_mdev_compat.common import files
from nova_mdev_compat.common import metrics
from nova_mdev_compat.core import schema_version
from nova_mdev_compat.publication import host_traits

LOG = logging.getLogger(__name__)

PREFIX = 'nova_mdev_collector_'
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
    :ivar error: why the last one failed, None if it did not
    :ivar rules_error: what is wrong with the rule files, if older rules are
        in force
    :ivar published: our traits by provider name
    :ivar host_unread_since: since when the host cannot be read, None if it
        can
    :ivar unread_since: since when devices cannot be read completely, by
        libvirt's name
    :ivar remarks: notes for the operator, of the last pass that could read
        the host
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
        """Return what is wrong.

        :param now: in seconds since the epoch, as in the other methods
        """
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

    def mark_expired(
        self, host: host_traits.HostSnapshot, max_age: float, now: float
    ) -> host_traits.HostSnapshot:
        """Note which devices could not be read; mark the expired ones.

        :param max_age: after how many seconds a device expires
        """
        self.host_unread_since = None
        # min: a clock that was set back must not delay it.
        self.unread_since = {
            name: min(self.unread_since.get(name, now), now)
            for name in host.failures
        }
        expired = {
            name
            for name, since in self.unread_since.items()
            if now - since >= max_age
        }
        return dataclasses.replace(
            host,
            parents=tuple(
                dataclasses.replace(item, expired=item.parent.name in expired)
                for item in host.parents
            ),
        )

    def host_expired(self, max_age: float, now: float) -> bool:
        """Note that the host could not be read; return whether it expired.

        :param max_age: after how many seconds it expires
        """
        since = self.host_unread_since
        self.host_unread_since = now if since is None else min(since, now)
        return now - self.host_unread_since >= max_age

    def save(self, options: Any) -> None:
        """Write the state file and the metrics file, each whole or not at all.

        An error is only logged.

        :param options: [collector]
        """
        _try_to_write(
            options.state_file,
            lambda path: write(path, self),
            'nova-mdev-collector status shows an older state',
        )
        if options.metrics_file and metrics.AVAILABLE:
            _try_to_write(
                options.metrics_file,
                self._write_metrics,
                'the metrics are older',
            )

    def _write_metrics(self, path: pathlib.Path) -> None:
        values = {
            'healthy': (
                '1 if the last pass was good and rules are in order',
                not self.trouble(time.time()),
            ),
            'consecutive_failures': (
                'Passes that failed since the last good one',
                self.failures,
            ),
            'last_success_timestamp_seconds': (
                'When the last good pass ended',
                self.last_success or 0,
            ),
            'providers': (
                'Resource providers that carry our traits',
                sum(map(bool, self.published.values())),
            ),
            'accept_patterns': (
                'Accept patterns on them',
                sum(
                    '_ACCEPT_' in name
                    for names in self.published.values()
                    for name in names
                ),
            ),
        }
        metrics.write(
            path,
            [
                metrics.gauge(PREFIX + name, text, value)
                for name, (text, value) in values.items()
            ],
        )


def _try_to_write(
    path: str, write_file: Callable[[pathlib.Path], None], consequence: str
) -> None:
    try:
        write_file(pathlib.Path(path))
    except OSError as exc:
        LOG.warning('%s: %s; %s', exc.filename, exc.strerror, consequence)


def load(options: Any) -> State:
    """Return a new state, with what must outlive the last process.

    :param options: [collector]
    """
    state = State(float(options.interval))
    try:
        last = read(pathlib.Path(options.state_file))
    except files.FileError:
        return state
    return dataclasses.replace(
        state,
        host=last.host,
        host_unread_since=last.host_unread_since,
        unread_since=last.unread_since,
    )


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
    local = datetime.datetime.fromtimestamp(timestamp).astimezone()
    return local.isoformat(' ', 'seconds')
