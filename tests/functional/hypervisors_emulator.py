# SPDX-License-Identifier: Apache-2.0
"""QEMU without the mdevs that libvirt would have it open.

Run as a domain's emulator, after a path. Where there is no mdev QEMU cannot
open one; but for these devices it is what libvirt has asked for. A guest does
not start as long as there is something at the path: a large one takes minutes.
"""

import os
import shutil
import sys
import time

#: CentOS Stream has but one, and not on the PATH.
QEMU = shutil.which('qemu-system-x86_64') or '/usr/libexec/qemu-kvm'


def without_mdevs(arguments):
    """Return arguments without -device vfio-pci..."""
    kept = []
    for argument in arguments:
        if kept and kept[-1] == '-device' and 'vfio-pci' in argument:
            kept.pop()
        else:
            kept.append(argument)
    return kept


if __name__ == '__main__':
    held, *given = sys.argv[1:]
    # Not where libvirt asks what it can do.
    while any('guest=' in one for one in given) and os.path.exists(held):
        time.sleep(0.02)
    os.execv(QEMU, [QEMU, *without_mdevs(given)])  # noqa: S606
