# SPDX-License-Identifier: Apache-2.0
"""Runs a command, and waits for what its processes leave behind.

libvirtd asks each emulator what it can do, as a daemon, kills it and waits
until it is gone. That is for the first process of the machine to see to,
which in containers takes its time about it, or never does.
"""

import ctypes
import os
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def main(command):
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        return 1
    process = subprocess.Popen(command)
    while True:
        pid, status = os.wait()
        if pid == process.pid:
            return os.waitstatus_to_exitcode(status)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
