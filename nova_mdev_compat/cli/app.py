# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-rules as a whole: a cliff application without state."""

import argparse
from collections.abc import Iterable, Sequence
import sys
from typing import Any

from cliff import app
from cliff import commandmanager
from cliff import lister
import tqdm

from nova_mdev_compat import exceptions
from nova_mdev_compat import version

DESCRIPTION = """\
Check rule files, and say what they mean for hosts. Nothing is asked of any
host or service: hosts are read from files, one a host, made there by
"nova-mdev-collector --dry-run --format json". Exit status: 2 when something
has to be put right (an argument, a rule file, a recording); otherwise each
command's help says it."""


class RulesApp(app.App):
    """The application; its commands are entry points."""

    NAME = 'nova-mdev-rules'

    def __init__(self) -> None:
        super().__init__(
            description=DESCRIPTION, version=version.string(),
            command_manager=commandmanager.CommandManager(
                'nova_mdev_compat.rules.commands'),
            deferred_help=True)


class ListCommand(lister.Lister):
    """A command that lists rows, and reports what is wrong in one line."""

    #: What take_action found out about the whole; run returns it.
    exit_status = 0

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            super().run(parsed_args)
        except exceptions.Failure as exc:
            print(f'{RulesApp.NAME}: {exc}', file=sys.stderr)
            return exc.exit_status
        return self.exit_status

    def say(self, text: str) -> None:
        """Tell a person something that is not a row."""
        print(text, file=sys.stderr)


def progress(items: Sequence[Any]) -> Iterable[Any]:
    """Yield items, and on a terminal show how far it is when that takes."""
    # None: not where stderr is no terminal.
    shown: Iterable[Any] = tqdm.tqdm(items, delay=1, disable=None, leave=False)
    return shown


def main(argv: Sequence[str]) -> int:
    """Run a command and return its exit status."""
    # Without a command cliff would start a shell of its own.
    return RulesApp().run(list(argv) or ['--help'])
