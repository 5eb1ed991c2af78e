# SPDX-License-Identifier: Apache-2.0
"""The service's health in files: its state, and metrics for Prometheus.

The state file is for ``nova-mdev-collector status`` and for the service's
next start; metrics are for the textfile collector of the node exporter. Both
are written together, so that neither outlives what it tells.
"""

from collections.abc import Callable
import pathlib
import time
from typing import Any

from oslo_log import log as logging

from nova_mdev_compat.common import files
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.daemons import state as collector_state
from nova_mdev_compat.daemons.state import State

try:
    import prometheus_client
except ImportError:  # the extra "metrics" is optional
    prometheus_client = None  # type: ignore[assignment]

LOG = logging.getLogger(__name__)

PREFIX = 'nova_mdev_collector_'


def check_metrics(path: str) -> None:
    """Check that metrics can be made, if they are wanted.

    :param path: ``[collector]metrics_file``, empty for no metrics
    :raises exceptions.BadInput: prometheus_client is missing
    """
    if path and prometheus_client is None:
        raise exceptions.BadInput(
            '[collector]metrics_file needs prometheus_client: install '
            "nova-mdev-compat with the extra 'metrics'"
        )


def load(options: Any) -> State:
    """Return a new state, with what must outlive the last process.

    :param options: [collector]
    """
    state = State(float(options.interval))
    try:
        last = collector_state.read(pathlib.Path(options.state_file))
    except files.FileError:
        return state
    state.host = last.host
    state.host_unread_since = last.host_unread_since
    state.unread_since = last.unread_since
    return state


def write(options: Any, state: State) -> None:
    """Write the state file and the metrics file, each whole or not at all.

    An error is only logged.

    :param options: [collector]
    """
    _write(
        pathlib.Path(options.state_file),
        collector_state.write,
        state,
        'nova-mdev-collector status shows an older state',
    )
    if options.metrics_file and prometheus_client is not None:
        _write(
            pathlib.Path(options.metrics_file),
            _write_metrics,
            state,
            'the metrics are older',
        )


def _write(
    path: pathlib.Path,
    write_file: Callable[[pathlib.Path, State], None],
    state: State,
    consequence: str,
) -> None:
    try:
        write_file(path, state)
    except OSError as exc:
        LOG.warning('%s: %s; %s', exc.filename, exc.strerror, consequence)


def _write_metrics(path: pathlib.Path, state: State) -> None:
    registry = prometheus_client.CollectorRegistry()
    values = {
        'healthy': (
            '1 if the last pass was good and rules are in order',
            not state.trouble(time.time()),
        ),
        'consecutive_failures': (
            'Passes that failed since the last good one',
            state.failures,
        ),
        'last_success_timestamp_seconds': (
            'When the last good pass ended',
            state.last_success or 0,
        ),
        'providers': (
            'Resource providers that carry our traits',
            sum(1 for names in state.published.values() if names),
        ),
        'accept_patterns': (
            'Accept patterns on them',
            sum(
                '_ACCEPT_' in name
                for names in state.published.values()
                for name in names
            ),
        ),
    }
    for name, (text, value) in values.items():
        prometheus_client.Gauge(PREFIX + name, text, registry=registry).set(
            float(value)
        )
    # Not write_to_textfile: with its file mode, which depends on the umask,
    # the node exporter's user might not read it.
    files.replace(path, prometheus_client.generate_latest(registry).decode())
