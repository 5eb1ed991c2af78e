# SPDX-License-Identifier: Apache-2.0
"""For how long this host, or devices of it, could not be read.

The times are kept in the state file, in seconds since the epoch, so that a
service that is restarted again and again does not begin to count anew.
"""

import dataclasses

from nova_mdev_compat.daemons.collector.state import State
from nova_mdev_compat.publication import host_traits


def mark(
    state: State,
    host: host_traits.Host,
    max_age: float,
    now: float,
) -> host_traits.Host:
    """Note which devices could not be read; mark those that have expired.

    :param max_age: after how many seconds a device expires
    :param now: in seconds since the epoch
    """
    state.host_unread_since = None
    state.unread_since = {
        name: _since(state.unread_since.get(name), now)
        for name in host.failures
    }
    return dataclasses.replace(
        host,
        parents=tuple(
            dataclasses.replace(
                item,
                expired=(
                    now - state.unread_since[item.parent.name] >= max_age
                ),
            )
            if item.failure
            else item
            for item in host.parents
        ),
    )


def host_expired(state: State, max_age: float, now: float) -> bool:
    """Note that the host could not be read; return whether it has expired.

    :param max_age: after how many seconds it expires
    :param now: in seconds since the epoch
    """
    state.host_unread_since = _since(state.host_unread_since, now)
    return now - state.host_unread_since >= max_age


def _since(before: float | None, now: float) -> float:
    """Return since when; a clock that was set back must not delay it."""
    return now if before is None else min(before, now)
