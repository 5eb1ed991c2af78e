# SPDX-License-Identifier: Apache-2.0
"""The state as metrics, for Prometheus' textfile collector."""

import pathlib
import time

from nova_mdev_compat.common import files
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.daemons.collector.state import State

try:
    import prometheus_client
except ImportError:  # the extra "metrics" is optional
    prometheus_client = None  # type: ignore[assignment]

PREFIX = 'nova_mdev_collector_'


def check(path: str | None) -> None:
    """Refuse a path for which the library is missing.

    :raises exceptions.BadInput: it is missing
    """
    if path and prometheus_client is None:
        raise exceptions.BadInput(
            '[collector]metrics_file needs prometheus_client: install '
            "nova-mdev-compat with the extra 'metrics'"
        )


def write(path: str | None, state: State) -> None:
    """Write metrics to a file, whole or not at all.

    :param path: None writes nothing
    :raises OSError: it cannot be written
    """
    if not path:
        return
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
    # Not write_to_textfile, whose file has only the rights of the umask: the
    # node exporter is another user.
    files.replace(
        pathlib.Path(path),
        prometheus_client.generate_latest(registry).decode(),
    )
