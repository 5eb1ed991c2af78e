# SPDX-License-Identifier: Apache-2.0
"""QEMU without the mdevs that libvirt would have it open.

Run as a domain's emulator. Where there is no mdev QEMU cannot open one; but
for these devices it is what libvirt has asked for.
"""

import os
import shutil
import sys

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
    os.execv(QEMU, [QEMU, *without_mdevs(sys.argv[1:])])  # noqa: S606
