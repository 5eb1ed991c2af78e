# SPDX-License-Identifier: Apache-2.0
"""What nova.conf names in ``[filter_scheduler]available_filters``."""

from nova.scheduler import filters as nova_filters

from nova_mdev_compat.scheduler.compat_filter import MdevCompatFilter

__all__ = ['MdevCompatFilter', 'all_filters']


def all_filters() -> list[type]:
    """Return the classes of Nova's own filters, and MdevCompatFilter.

    Nova calls a function that ``available_filters`` names
    (``nova/loadables.py``). So one line makes them all available, which
    deployment tools can set that take one value for this option.
    """
    return [*nova_filters.all_filters(), MdevCompatFilter]
