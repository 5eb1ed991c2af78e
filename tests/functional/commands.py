# SPDX-License-Identifier: Apache-2.0
"""Where the commands are that tests run as processes."""

import os
import pathlib
import sys

#: A directory: another environment's, and by default that of the tests.
VARIABLE = 'MDEV_COMPAT_COMMANDS'


def path(name):
    """Return the path of a command."""
    directory = os.environ.get(VARIABLE) or pathlib.Path(sys.executable).parent
    return pathlib.Path(directory, name)
