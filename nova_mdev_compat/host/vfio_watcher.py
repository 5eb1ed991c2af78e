# SPDX-License-Identifier: Apache-2.0
"""Virtual functions in sysfs, which wake a service when they change.

Neither libvirt nor the kernel reports a vGPU type that is written, or a driver
that is bound to a function. Only functions that are created or deleted cause
events.
"""

from collections.abc import Callable, Mapping
import threading

from oslo_log import log as logging

from nova_mdev_compat.core import text
from nova_mdev_compat.host import vfio

LOG = logging.getLogger(__name__)


class VfioWatcher:
    """Calls back when a virtual function has another type or driver.

    An error is logged once, until a look succeeds, and does not end the
    thread.

    :param root: where sysfs is
    :param interval: between two looks, in seconds
    :param wake: called from another thread, with the reason
    """

    def __init__(
        self, root: str, interval: float, wake: Callable[[str], None]
    ):
        self._root = root
        self._interval = interval
        self._wake = wake
        self._stopped = threading.Event()
        self._seen: Mapping[str, tuple[str, str]] = {}
        self._error: str | None = None

    def start(self) -> None:
        """Look once, and then in a thread that ends with the process.

        The first look is made here, so that a change during the first pass is
        noticed, too.
        """
        self.look()
        threading.Thread(
            target=self._watch, daemon=True, name='vfio_watch'
        ).start()

    def stop(self) -> None:
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(self._interval):
            changed = self.look()
            if changed:
                self._wake(f'virtual functions {text.join(changed)}')

    def look(self) -> list[str]:
        """Return the addresses of what has changed since the last look."""
        before, error = self._seen, None
        try:
            self._seen = vfio.watched(self._root)
        except Exception as exc:
            # The service goes on after any error.
            error = f'{type(exc).__name__}: {exc}'
            if error != self._error:
                LOG.warning(
                    'Changes of virtual functions are not noticed at once: %s',
                    error,
                )
        self._error = error
        return sorted(
            name
            for name in before.keys() | self._seen.keys()
            if before.get(name) != self._seen.get(name)
        )
