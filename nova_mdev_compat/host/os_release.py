# SPDX-License-Identifier: Apache-2.0
"""Facts of the host as a whole, read anew each time."""

import os

import distro

from nova_mdev_compat.core import identity

OS_RELEASE = '/etc/os-release'
#: Where os-release(5) says to look where there is none in /etc.
_FALLBACK = '/usr/lib/os-release'


def facts(os_release_file: str = OS_RELEASE) -> identity.Facts:
    """Return the facts kernel and os.

    ``kernel`` is what ``uname -r`` prints, which in a container is the
    host's; ``os`` is ID and VERSION_ID of os-release(5), ``rhel-9.6``.

    :param os_release_file: the host's; a container has one of its own
    """
    known = {'kernel': os.uname().release}
    if os_release_file == OS_RELEASE and not os.path.exists(OS_RELEASE):
        os_release_file = _FALLBACK
    try:
        found = _os(os_release_file)
    except OSError as exc:
        return identity.Facts(
            known,
            {
                'os': (
                    f'{os_release_file}: {exc.strerror}; see '
                    '[collector]os_release_file'
                )
            },
        )
    except ValueError as exc:  # not UTF-8, or a quote that does not end
        return identity.Facts(known, {'os': f'{os_release_file}: {exc}'})
    if not found:
        return identity.Facts(
            known,
            {
                'os': (
                    f'{os_release_file} has no ID; see [collector]os_release_file'
                )
            },
        )
    return identity.Facts({**known, 'os': found})


def _os(path: str) -> str:
    # distro takes a file that is not there for an empty one.
    os.stat(path)
    release = distro.LinuxDistribution(
        include_lsb=False,
        include_uname=False,
        os_release_file=path,
        distro_release_file=os.devnull,
    ).os_release_info()
    if not release.get('id'):
        return ''
    return '-'.join(
        release[key] for key in ('id', 'version_id') if release.get(key)
    )
