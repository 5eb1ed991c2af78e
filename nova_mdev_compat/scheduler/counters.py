# SPDX-License-Identifier: Apache-2.0
"""Counters of the filter's decisions, for Prometheus' node exporter."""

import enum
import pathlib

from oslo_concurrency import lockutils
from oslo_log import log as logging

from nova_mdev_compat.common import files
from nova_mdev_compat.common import metrics
from nova_mdev_compat.core import exceptions

LOG = logging.getLogger('nova_mdev_compat.filters')

OPTION = '[mdev_compat]metrics_file'
NAME = 'nova_mdev_filter_decisions'
TEXT = 'Requests to live-migrate instances with vGPUs'
LABELS = ('result', 'reason')
#: Seconds that a decision waits at most until it is counted.
LOCK_TIMEOUT = 1.0


class DecisionReason(enum.StrEnum):
    """Why a decision is what it is; the label ``reason``."""

    ALL_HOSTS = enum.auto()
    SOME_HOSTS = enum.auto()
    DEVICE = enum.auto()
    CAPACITY = enum.auto()
    NOT_MIGRATABLE = enum.auto()
    UNDETERMINED = enum.auto()
    SOURCE = enum.auto()
    TARGETS = enum.auto()
    PLACEMENT = enum.auto()
    DATABASE = enum.auto()


_REFUSALS = (
    DecisionReason.DEVICE,
    DecisionReason.CAPACITY,
    DecisionReason.NOT_MIGRATABLE,
    DecisionReason.UNDETERMINED,
)
REFUSED = 'refused'
PERMISSIVE = 'permissive'
#: The reasons of each value of the label ``result``. All are in the file from
#: the start, because Prometheus does not see the first increase of a counter
#: that was not there.
REASONS = {
    'accepted': (DecisionReason.ALL_HOSTS, DecisionReason.SOME_HOSTS),
    REFUSED: _REFUSALS,
    PERMISSIVE: _REFUSALS,
    'unknown': (
        DecisionReason.SOURCE,
        DecisionReason.TARGETS,
        DecisionReason.PLACEMENT,
        DecisionReason.DATABASE,
    ),
}


class Counters:
    """The decisions of all workers of a nova-scheduler, in one file.

    The file itself holds the counts. Workers are processes of their own, and
    each adds to it under a lock; so counts also outlive a restart. An error
    is logged and changes no decision.
    """

    def __init__(self, path: str | None):
        """Write the file, with zeros if it is new.

        :param path: ``[mdev_compat]metrics_file``; empty to count nothing
        """
        self.path = pathlib.Path(path) if path else None
        try:
            metrics.check(path, OPTION)
        except exceptions.BadInput as exc:
            LOG.warning('Decisions are not counted: %s', exc)
            self.path = None
        if self.path:
            self._add(self.path, {})

    def add(self, reason: DecisionReason, permissive: bool) -> None:
        """Count a decision, if there is a file.

        :param permissive: a refusal is only logged
        """
        if not self.path:
            return
        result = next(
            result for result, reasons in REASONS.items() if reason in reasons
        )
        if result == REFUSED and permissive:
            result = PERMISSIVE
        self._add(self.path, {(result, reason.value): 1.0})

    def _add(
        self, path: pathlib.Path, added: dict[metrics.Labels, float]
    ) -> None:
        name = f'.{path.name}.lock'
        try:
            # Of this worker's threads, and of all workers.
            with lockutils.internal_lock(name):
                lock = lockutils.external_lock(
                    name, lock_path=str(path.parent)
                )
                if not lock.acquire(timeout=LOCK_TIMEOUT):
                    LOG.warning(
                        'A decision is not counted: another process holds '
                        '%s for more than %s s',
                        path.parent / name,
                        LOCK_TIMEOUT,
                    )
                    return
                try:
                    _add_to(path, added)
                finally:
                    lock.release()
        except OSError as exc:
            LOG.warning(
                'A decision is not counted: %s %s: %s',
                OPTION,
                exc.filename or path,
                exc.strerror,
            )


def _add_to(path: pathlib.Path, added: dict[metrics.Labels, float]) -> None:
    known = {}
    try:
        known = metrics.read_counter(path, NAME, LABELS)
    except FileNotFoundError:
        pass  # the first decision
    except files.FileError as exc:
        LOG.warning('Decisions are counted from 0: %s %s', OPTION, exc)
    values = [
        (key, known.get(key, 0.0) + added.get(key, 0.0))
        for result, reasons in REASONS.items()
        for key in ((result, reason.value) for reason in reasons)
    ]
    metrics.write(path, [metrics.counter(NAME, TEXT, LABELS, values)])
