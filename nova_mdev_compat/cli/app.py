# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-rules as a whole: a cliff application without state."""

from collections.abc import Sequence

from cliff import app
from cliff import commandmanager
from cliff import lister

from nova_mdev_compat.cli import reporting
from nova_mdev_compat.common import version

DESCRIPTION = """\
Check rule files, and say what they mean for hosts. Nothing is asked of any
host or service: hosts are read from files, one a host, made there by
"nova-mdev-collector dry-run --format json". Exit status: 2 when something
has to be put right (an argument, a rule file, a recording); otherwise each
command's help says it."""


class RulesApp(app.App):
    """The application; its commands are entry points."""

    NAME = 'nova-mdev-rules'

    def __init__(self) -> None:
        super().__init__(
            description=DESCRIPTION,
            version=version.string(),
            command_manager=commandmanager.CommandManager(
                'nova_mdev_compat.rules.commands'
            ),
            deferred_help=True,
        )


class ListCommand(reporting.Reporting, lister.Lister):
    """A command that lists rows."""


def main(argv: Sequence[str]) -> int:
    """Run a command and return its exit status."""
    # Without a command cliff would start a shell of its own.
    return RulesApp().run(list(argv) or ['--help'])
