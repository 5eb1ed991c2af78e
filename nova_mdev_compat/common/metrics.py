# SPDX-License-Identifier: Apache-2.0
"""Files for the textfile collector of Prometheus' node exporter."""

from collections.abc import Iterable
import math
import pathlib
from typing import Any

from nova_mdev_compat.common import files
from nova_mdev_compat.core import exceptions

try:
    import prometheus_client
    from prometheus_client import core
    from prometheus_client import parser
except ImportError:  # the extra "metrics" is optional
    AVAILABLE = False
else:
    AVAILABLE = True

#: In bytes; one file of this package has a few KiB.
MAX_SIZE = 2**20

Labels = tuple[str, ...]


class _Registry:
    """What prometheus_client reads metrics from."""

    def __init__(self, families: Iterable[Any]):
        self.families = families

    def collect(self) -> Iterable[Any]:
        return self.families


def check(path: str | None, option: str) -> None:
    """Check that metrics can be written, if they are wanted.

    :param path: value of the option; empty for no metrics
    :param option: its name, ``[group]name``
    :raises exceptions.BadInput: prometheus_client is missing
    """
    if path and not AVAILABLE:
        raise exceptions.BadInput(
            f'{option} needs prometheus_client: install nova-mdev-compat with '
            "the extra 'metrics'"
        )


def gauge(name: str, text: str, value: float) -> Any:
    return core.GaugeMetricFamily(name, text, value=float(value))


def counter(
    name: str,
    text: str,
    labels: Iterable[str],
    values: Iterable[tuple[Labels, float]],
) -> Any:
    """Return a counter.

    :param name: without ``_total``
    :param labels: their names
    :param values: each with the labels' values
    """
    family = core.CounterMetricFamily(name, text, labels=list(labels))
    for of, value in values:
        family.add_metric(list(of), value)
    return family


def write(path: pathlib.Path, families: Iterable[Any]) -> None:
    """Write a file with metrics, whole or not at all.

    Not by prometheus_client's write_to_textfile: with its file mode, which
    depends on the umask, the node exporter's user might not read the file.

    :raises OSError: the file cannot be written
    """
    files.replace(
        path,
        prometheus_client.generate_latest(_Registry(families)).decode(),
    )


def read_counter(
    path: pathlib.Path, name: str, labels: Iterable[str]
) -> dict[Labels, float]:
    """Return the values of a counter in a file, by the labels' values.

    :param name: without ``_total``
    :raises OSError: the file cannot be read
    :raises files.FileError: it is not such a file
    """
    content = files.read_limited(path, MAX_SIZE)
    wanted = list(labels)
    found = {}
    try:
        text = content.decode()
        for family in parser.text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == f'{name}_total':
                    values = tuple(sample.labels[label] for label in wanted)
                    found[values] = float(sample.value)
    except Exception as exc:  # the parser raises whatever it trips over
        raise files.FileError(f'{path} is not a file of metrics') from exc
    if not all(0 <= value < math.inf for value in found.values()):
        raise files.FileError(
            f'{path} has a counter that is negative or not a number'
        )
    return found
