# SPDX-License-Identifier: Apache-2.0
"""The application nova-mdev-rules, and the arguments of its commands."""

import argparse
from collections.abc import Iterable, Sequence
import importlib.metadata
import pathlib
from typing import Any, TextIO

from cliff import app
from cliff import commandmanager
from cliff.formatters import base

from nova_mdev_compat.cli import common
from nova_mdev_compat.common import files
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.fleet import recorded
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication import snapshot

DESCRIPTION = """\
Check rule files, and show what they mean for hosts. No host or service is
asked: hosts are read from files, one a host, made there by
"nova-mdev-collector dry-run --format json". Exit status: 2 if an argument, a
rule file or a snapshot has to be corrected; otherwise see each command."""


class RulesApp(app.App):
    """The application; its commands are entry points."""

    NAME = 'nova-mdev-rules'

    def __init__(self) -> None:
        super().__init__(
            description=DESCRIPTION,
            version=importlib.metadata.version('nova-mdev-compat'),
            command_manager=commandmanager.CommandManager(
                'nova_mdev_compat.rules.commands'
            ),
            deferred_help=True,
        )


#: Names of columns, and rows.
Rows = tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]


class LinesFormatter(base.ListFormatter):
    """``file:line:column: level: rule 'name': message``, as compilers print.

    The columns are those of "nova-mdev-rules validate"; those left out with
    --column are left out.
    """

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Take no options of its own."""

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        for row in data:
            finding = dict(zip(column_names, row, strict=True))
            place = map(finding.get, ('File', 'Line', 'Column'))
            rule = finding.get('Rule')
            parts = [
                ':'.join(str(part) for part in place if part is not None),
                finding.get('Level'),
                f'rule {rule}' if rule else '',
                finding.get('Message'),
            ]
            print(': '.join(filter(None, parts)), file=stdout)


def main(argv: Sequence[str]) -> int:
    """Run a command and return its exit status."""
    # Without a command cliff would start a shell of its own.
    return RulesApp().run(list(argv) or ['--help'])


def add_hosts(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument(
        '--hosts',
        metavar='PATH',
        action='append',
        required=required,
        default=[],
        help='A snapshot of a host, or a directory of snapshots '
        '(.json files). Can be given several times.',
    )


def add_rules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--rules',
        metavar='DIR',
        action='append',
        default=[],
        help='Use the rule files in this directory instead of the rules that '
        'each snapshot has. Can be given several times: a file masks one of '
        'the same name in an earlier directory. The shipped rules come '
        'first.',
    )
    common.add_no_shipped(parser)


def rules(args: argparse.Namespace) -> recorded.Rules:
    """Return the rules that --rules names, None if it is not given."""
    if not args.rules:
        return None
    return common.load_rules(args.rules, args.no_shipped)


def hosts(paths: Iterable[str]) -> list[host_traits.HostSnapshot]:
    """Return the hosts of snapshots.

    :param paths: files, and directories of *.json files
    :raises exceptions.BadInput: a file cannot be read, a directory has no
        snapshot, or two snapshots are of one host
    """
    found: list[pathlib.Path] = []
    for path in map(pathlib.Path, paths):
        inside = sorted(path.glob('*.json')) if path.is_dir() else [path]
        if not inside:
            raise exceptions.BadInput(
                f'{path}: there is no snapshot (*.json) in this directory'
            )
        found += inside
    by_name: dict[str, pathlib.Path] = {}
    result = []
    for file in common.progress(found):
        host = read_host(file)
        other = by_name.setdefault(host.name, file)
        if other != file:
            raise exceptions.BadInput(
                f'{other} and {file} are both snapshots of host {host.name}; '
                'keep the newer one'
            )
        result.append(host)
    return result


def read_host(path: pathlib.Path) -> host_traits.HostSnapshot:
    """Return the host of one snapshot.

    :raises files.FileError: the file is missing or invalid
    """
    return snapshot.load(str(path), files.read(path, snapshot.MAX_SIZE))
