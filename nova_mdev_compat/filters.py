# SPDX-License-Identifier: Apache-2.0
"""The name under which nova.conf enables the filter."""

from nova_mdev_compat.scheduler.compat_filter import MdevCompatFilter

__all__ = ['MdevCompatFilter']
