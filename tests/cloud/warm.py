# SPDX-License-Identifier: Apache-2.0
"""Loads once what each command of openstackclient loads: its plugins."""

import contextlib
import io
import pathlib
import sys

from openstackclient import shell

ROOT = pathlib.Path(__file__).parents[2]

# The package of the wheel is to be loaded, not that of this directory.
sys.path = [name for name in sys.path
            if name and pathlib.Path(name).resolve() != ROOT]
with contextlib.redirect_stdout(io.StringIO()):
    shell.OpenStackShell().run(['help', 'server', 'list'])
