# SPDX-License-Identifier: Apache-2.0
"""Loads once what each command of openstackclient loads: its plugins."""

import contextlib
import importlib
import io
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[2]

# Ctrl-C signals the process group of the terminal, and "timeout" that of its
# command. A pool whose workers are killed cannot be ended: one of them may hold
# the lock of its queue. So these processes have a group of their own.
os.setpgid(0, 0)

# The package of the wheel is to be loaded, not that of this directory; it is
# loaded with openstackclient already.
sys.path = [
    name for name in sys.path if name and pathlib.Path(name).resolve() != ROOT
]
shell = importlib.import_module('openstackclient.shell')
with contextlib.redirect_stdout(io.StringIO()):
    shell.OpenStackShell().run(['help', 'server', 'list'])
