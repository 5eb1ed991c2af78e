# SPDX-License-Identifier: Apache-2.0
"""What a benchmark has found, as one JSON document. Pure but for machine().

The document's schema is results-schema.yaml. Values are those of rounds, so
that the least, the median and the greatest of them can be told; a ratio's are
those of pairs that were measured one right after the other.
"""

from collections.abc import Iterable, Mapping
import dataclasses
import datetime
from importlib import metadata
import os
import pathlib
import platform
import statistics

SCHEMA_VERSION = 1
#: Whose versions decide what is measured.
PACKAGES = (
    'nova',
    'openstack-placement',
    'SQLAlchemy',
    'oslo.db',
    'oslo.messaging',
    'PyMySQL',
    'waitress',
)


def _told(values: tuple[float, ...]) -> dict[str, float]:
    return {
        'rounds': len(values),
        'min': min(values),
        'median': statistics.median(values),
        'max': max(values),
    }


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One quantity in one case.

    :ivar unit: of values: s, CPU s, requests, checks, MiB, …
    :ivar values: one a round
    :ivar sizes: what it was measured with, such as ``{'hosts': 1000}``
    :ivar series: the values' order says something: all are told
    """

    case: str
    unit: str
    values: tuple[float, ...]
    sizes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    series: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def as_json(self) -> dict[str, object]:
        told = {
            'case': self.case,
            'unit': self.unit,
            'sizes': dict(self.sizes),
            **_told(self.values),
        }
        return {**told, 'values': list(self.values)} if self.series else told


@dataclasses.dataclass(frozen=True)
class Ratio:
    """How two quantities of one run compare.

    :ivar name: what budgets call it
    :ivar meaning: of what to what
    """

    name: str
    meaning: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def as_json(self) -> dict[str, object]:
        return {
            'name': self.name,
            'meaning': self.meaning,
            **_told(self.values),
        }


def paired(
    name: str, meaning: str, some: Iterable[float], others: Iterable[float]
) -> Ratio:
    """Return the ratio of values that were measured in turns."""
    return Ratio(
        name,
        meaning,
        tuple(one / other for one, other in zip(some, others, strict=True)),
    )


@dataclasses.dataclass(frozen=True)
class Found:
    """What a benchmark has measured."""

    measurements: tuple[Measurement, ...]
    ratios: tuple[Ratio, ...]

    def __add__(self, other: 'Found') -> 'Found':
        return Found(
            self.measurements + other.measurements, self.ratios + other.ratios
        )


NOTHING = Found((), ())


def section(
    name: str,
    title: str,
    arguments: Mapping[str, object],
    seconds: float,
    found: Found,
) -> dict[str, object]:
    """Return one benchmark's part of the document."""
    return {
        'name': name,
        'title': title,
        'arguments': dict(arguments),
        'seconds': round(seconds, 1),
        'measurements': [one.as_json() for one in found.measurements],
        'ratios': [one.as_json() for one in found.ratios],
    }


def document(
    sections: Iterable[Mapping[str, object]], machine: Mapping[str, object]
) -> dict[str, object]:
    """Return the whole document."""
    return {
        'schema_version': SCHEMA_VERSION,
        'created': datetime.datetime.now(datetime.UTC).isoformat(
            timespec='seconds'
        ),
        'machine': dict(machine),
        'benchmarks': list(sections),
    }


def machine() -> dict[str, object]:
    """Return what the numbers depend on: this machine, and versions."""
    memory = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    return {
        'processor': _processor(),
        'processors': os.cpu_count(),
        'memory_mib': memory >> 20,
        'kernel': platform.release(),
        'load_before': os.getloadavg()[0],
        'versions': {'Python': platform.python_version(), **_versions()},
    }


def _processor() -> str:
    for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            return line.partition(':')[2].strip()
    return platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = 'not installed'
    return found
