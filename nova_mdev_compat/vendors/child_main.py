# SPDX-License-Identifier: Apache-2.0
"""What runs in the process that child.py starts.

It is run by its path and knows nothing of the package before it has been told
where that is. It imports little, since it starts anew for every question.
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
    """Answer a question, one line of JSON for each thing that is yielded.

    :param order: JSON: the process that asks (``parent``), its sys.path
        (``path``), the module that answers (``module``), and the
        ``question``
    """
    told = json.loads(order)
    _end_with(told['parent'])
    # What a library prints is no answer. This copy is not closed before the
    # process ends, and not open in what a library starts: so its end, which
    # whoever asks waits for, is that of the process.
    out = open(os.dup(1), 'w', encoding='ascii', closefd=False)  # noqa: SIM115
    os.dup2(2, 1)
    sys.path[:] = told['path']
    module = importlib.import_module(told['module'])
    for item in module.answer(told['question']):
        print(json.dumps(item), file=out, flush=True)


def _end_with(parent: int) -> None:
    """End when the parent does: a call that hangs would never notice."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended before that
        sys.exit('the process that asked is gone')


if __name__ == '__main__':
    main(sys.argv[1])
