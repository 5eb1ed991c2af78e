# SPDX-License-Identifier: Apache-2.0
"""What wakes a service before its interval is over."""

import threading
import time

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

#: A burst of events is over when nothing came for this long …
SETTLE = 0.3
#: … and is not waited for any longer than this.
MAX_SETTLE = 1.5


class Alarm:
    """Wakes a sleeper; bursts of calls wake it once."""

    def __init__(self) -> None:
        self._rung = threading.Event()

    def ring(self, why: str) -> None:
        if not self._rung.is_set():
            LOG.debug('Looking again: %s', why)
        self._rung.set()

    def sleep(self, seconds: float) -> None:
        """Sleep until it rings and the burst is over, or time is up."""
        if not self._rung.wait(seconds):
            return
        end = time.monotonic() + MAX_SETTLE
        while self._rung.is_set() and time.monotonic() < end:
            self._rung.clear()
            self._rung.wait(SETTLE)
        self._rung.clear()
