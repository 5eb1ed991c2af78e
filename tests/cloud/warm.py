# SPDX-License-Identifier: Apache-2.0
"""Loads once what each command of openstackclient loads: its plugins."""

import contextlib
import importlib
import io
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[2]

# The package of the wheel is to be loaded, not that of this directory; it is
# loaded with openstackclient already.
sys.path = [
    name for name in sys.path if name and pathlib.Path(name).resolve() != ROOT
]
shell = importlib.import_module('openstackclient.shell')
with contextlib.redirect_stdout(io.StringIO()):
    shell.OpenStackShell().run(['help', 'server', 'list'])
