# SPDX-License-Identifier: Apache-2.0
"""Facts of the host as a whole."""

import os
import platform


def facts() -> dict[str, str]:
    """Return the facts kernel and os.

    ``kernel`` is what ``uname -r`` prints, ``os`` is ID and VERSION_ID of
    os-release(5), ``rhel-9.6``; it is left out where there is no such file.
    """
    found = {'kernel': os.uname().release}
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return found
    found['os'] = '-'.join(
        release[key] for key in ('ID', 'VERSION_ID') if release.get(key))
    return found
