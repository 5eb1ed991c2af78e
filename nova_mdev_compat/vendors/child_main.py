# SPDX-License-Identifier: Apache-2.0
"""The process that child.py starts.

It is run by its path, and its argument names where the package is. It imports
little, because a new process starts for every question.
"""

import ctypes
import importlib
import json
import os
import signal
import sys

#: linux/prctl.h
_PR_SET_PDEATHSIG = 1


def main(order: str) -> None:
    """Answer a question, with one line of JSON for each item.

    :param order: JSON: the id of the process that asks (``parent``), its
        sys.path (``path``), the module that answers (``module``), and the
        ``question``
    """
    job = json.loads(order)
    # End with the parent, even during a call that hangs.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != job['parent']:  # it ended before the prctl
        sys.exit('the process that asked is gone')
    # Libraries may print, so answers have a pipe of their own: this copy stays
    # open until the process ends, and child processes do not inherit it. So
    # the parent sees the end of the file when this process ends.
    out = open(os.dup(1), 'w', encoding='ascii', closefd=False)  # noqa: SIM115
    os.dup2(2, 1)
    sys.path[:] = job['path']
    module = importlib.import_module(job['module'])
    for item in module.answer(job['question']):
        print(json.dumps(item), file=out, flush=True)


if __name__ == '__main__':
    main(sys.argv[1])
