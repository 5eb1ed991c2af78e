# SPDX-License-Identifier: Apache-2.0
"""What a command tells a person beside its rows."""

import argparse
from collections.abc import Iterable, Sequence
import sys
from typing import Any

from cliff import command

from nova_mdev_compat.core import exceptions


class Reporting(command.Command):
    """Of a command that reports what is wrong in one line.

    To stand before cliff's class among the bases of a command.
    """

    #: What take_action found out about the whole; run returns it.
    exit_status = 0

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            super().run(parsed_args)
        except Exception as exc:
            failure = self.failure(exc)
            if failure is None:
                raise
            self.complain(failure)
            return failure.exit_status
        return self.exit_status

    def failure(self, exc: Exception) -> exceptions.Failure | None:
        """Return what an error is to an operator, None if it is a bug."""
        return exc if isinstance(exc, exceptions.Failure) else None

    def complain(self, failure: exceptions.Failure) -> None:
        """Say in one line why the command ends, while that is handled."""
        self.say(f'{self.app.NAME}: {failure}')

    def say(self, text: str) -> None:
        """Tell a person something that is not a row."""
        print(text, file=self.app.stderr)


def progress(items: Sequence[Any]) -> Iterable[Any]:
    """Yield items, and on a terminal show how far it is when that takes.

    Not where either stream goes elsewhere: whoever pipes rows to a program
    has no use for it. Without tqdm nothing is shown: only the extras bring
    it, and openstackclient loads the commands wherever this package is.
    """
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        return items
    try:
        import tqdm  # noqa: PLC0415
    except ModuleNotFoundError:
        return items
    shown: Iterable[Any] = tqdm.tqdm(items, delay=1, leave=False)
    return shown
