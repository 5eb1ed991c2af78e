# SPDX-License-Identifier: Apache-2.0
"""Commands that tests run as processes."""

import os
import pathlib
import subprocess
import sys
import tempfile

#: A directory: another environment's, and by default that of the tests.
VARIABLE = 'MDEV_COMPAT_COMMANDS'


def path(name):
    """Return the path of a command."""
    directory = os.environ.get(VARIABLE) or pathlib.Path(sys.executable).parent
    return pathlib.Path(directory, name)


def run(command, stdin, **kwargs):
    """Run a process whose stdin is a text, and return it when it has ended.

    The text is in a file. Through a pipe, which a process need not read to its
    end, ``subprocess.run(input=...)`` would write for ever with Novas whose
    eventlet patches it (``eventlet.green.os.write`` tries again after EPIPE).

    :param stdin: the text, str or bytes
    """
    with tempfile.TemporaryFile() as file:
        file.write(stdin.encode() if isinstance(stdin, str) else stdin)
        file.seek(0)
        return subprocess.run(
            command, stdin=file, check=False, capture_output=True, **kwargs
        )
