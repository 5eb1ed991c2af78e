# SPDX-License-Identifier: Apache-2.0
"""Shared by the commands of nova-mdev-rules and of "openstack mdev"."""

import argparse
from collections.abc import Iterable, Sequence
import pathlib
import re
import sys
from typing import Any, TextIO, TYPE_CHECKING

from cliff import columns
from cliff import command
from cliff.formatters import base
from cliff import lister

from nova_mdev_compat.conf import collector as collector_options
from nova_mdev_compat.core import equivalence
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core.identity import Identity
from nova_mdev_compat.core import text
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model

if TYPE_CHECKING:
    Column = columns.FormattableColumn[Any]
else:
    #: It takes no type before cliff 4.9.
    Column = columns.FormattableColumn

#: Hosts that a column names; the others are counted.
_NAMED = 3
#: Formatters whose output has keys.
_FOR_PROGRAMS = ('json', 'yaml')


class HelpFormatter(argparse.HelpFormatter):
    """Keeps the paragraphs of a description, and lines that are indented."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = re.split(r'\n\s*\n', text.strip('\n'))
        return '\n\n'.join(
            paragraph
            if re.search('^ ', paragraph, re.MULTILINE)
            else super(HelpFormatter, self)._fill_text(
                paragraph.replace('::', ':'), width, indent
            )
            for paragraph in paragraphs
        )


class Reporting(command.Command):
    """A command that reports what is wrong in one line.

    It precedes cliff's class among the bases of a command.
    """

    #: The exit status of a command that did its work.
    exit_status = 0

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        cliffs: Any = parser.formatter_class
        both: Any = type('Formatter', (HelpFormatter, cliffs), {})
        parser.formatter_class = both
        return parser

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
        """Return an error as an operator's, None if it is a bug."""
        return exc if isinstance(exc, exceptions.Failure) else None

    def complain(self, failure: exceptions.Failure) -> None:
        """Print why the command ends; called while the error is handled."""
        self.say(f'{self.app.NAME}: {failure}')

    def say(self, line: str) -> None:
        """Print a line that is not a row."""
        print(line, file=self.app.stderr)


class SnakeCaseLister(Reporting, lister.Lister):
    """A command that lists rows; its keys in JSON and YAML are snake_case."""

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
    ) -> int:
        # Older releases of cliff take only names as they are in tables.
        names = {key(name): name for name in column_names}
        for chosen in (parsed_args.columns, parsed_args.sort_columns):
            chosen[:] = [names.get(key(name), name) for name in chosen]
        if parsed_args.formatter in _FOR_PROGRAMS:
            self.formatter = _Keys(self.formatter)
        return super().produce_output(parsed_args, column_names, data)


class _Keys(base.ListFormatter):
    """Another formatter, with keys in place of column names."""

    def __init__(self, formatter: base.ListFormatter):
        self._formatter = formatter

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Take no options of its own."""

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        self._formatter.emit_list(
            [key(name) for name in column_names], data, stdout, parsed_args
        )


def key(column: str) -> str:
    """Return a column's name in JSON: ``with_capacity``."""
    return column.lower().replace(' ', '_')


def progress(items: Sequence[Any]) -> Iterable[Any]:
    """Yield items, and show a progress bar on a terminal.

    It appears after a second, and only if both streams are a terminal. tqdm
    is optional: only the extras require it, and openstackclient loads the
    commands wherever this package is installed.
    """
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        return items
    try:
        import tqdm  # noqa: PLC0415
    except ModuleNotFoundError:
        return items
    shown: Iterable[Any] = tqdm.tqdm(items, delay=1, leave=False)
    return shown


class DevicesColumn(Column):
    """The devices of a class.

    Programs get all of them. People get one by its name, and several by
    their hosts and number.

    :param mdev_type: the type that is meant, if they have several
    """

    def __init__(self, alike: equivalence.DeviceClass, mdev_type: str = ''):
        super().__init__([str(member) for member in alike.members])
        self._hosts = sorted(alike.by_host)
        self._type = mdev_type

    def human_readable(self) -> str:
        shown = str(self._value[0])
        if len(self._value) > 1:
            hosts = text.join(self._hosts, _NAMED, 'host')
            shown = f'{hosts} ({len(self._value)} devices)'
        return f'{shown} {self._type}'.rstrip()

    def machine_readable(self) -> Any:
        if not self._type:
            return self._value
        return [f'{member} {self._type}' for member in self._value]


def source(
    alike: equivalence.DeviceClass, identity: Identity
) -> DevicesColumn:
    """Return a column for the devices of a class as sources."""
    several = len(alike.sources) > 1
    return DevicesColumn(alike, identity.type if several else '')


def add_no_shipped(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--no-shipped',
        action='store_true',
        help='Leave the shipped rules out.',
    )


def load_rules(directories: Sequence[str], no_shipped: bool) -> model.RuleSet:
    """Return the rules of directories.

    :raises exceptions.BadInput: a directory is missing, or a file is wrong
    """
    for directory in directories:
        if not pathlib.Path(directory).is_dir():
            raise exceptions.BadInput(
                f'{directory}: there is no such directory of rule files'
            )
    shipped = [] if no_shipped else collector_options.SHIPPED_RULES
    return loader.load([*shipped, *directories])
