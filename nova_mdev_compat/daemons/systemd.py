# SPDX-License-Identifier: Apache-2.0
"""Word to systemd of how a service fares."""

from collections.abc import Callable
import os

import sdnotify

#: A pass comes at least so much oftener than systemd's watchdog wants it.
WATCHDOG_INTERVALS = 3


def notifier(interval: float) -> Callable[[str], object]:
    """Return what tells systemd, and the only thing that does.

    cotyledon would say READY as soon as it runs; here that means that the
    first pass was a good one.
    """
    notify: Callable[[str], object] = sdnotify.SystemdNotifier().notify
    os.environ.pop('NOTIFY_SOCKET', None)
    # A service that sleeps for an interval does not hang.
    limit = int(os.environ.pop('WATCHDOG_USEC', 0))
    if 0 < limit < interval * WATCHDOG_INTERVALS * 1e6:
        notify(f'WATCHDOG_USEC={interval * WATCHDOG_INTERVALS * 1e6:.0f}')
    return notify
