# SPDX-License-Identifier: Apache-2.0
"""Arguments that several commands have, and the files that they name."""

import argparse
from collections.abc import Iterable, Sequence
import pathlib

from nova_mdev_compat.cli import reporting
from nova_mdev_compat.conf import collector as collector_options
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.fleet import recorded
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication import snapshot
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model

#: 256 parents with 64 accept patterns each, as many as one rule may make, are
#: half of it.
MAX_RECORDING = 16 * 1024 * 1024


def add_hosts(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument(
        '--hosts',
        metavar='PATH',
        action='append',
        required=required,
        default=[],
        help='A recording of a host, or a directory of recordings '
        '(.json files). Can be given several times.',
    )


def add_rules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--rules',
        metavar='DIR',
        action='append',
        default=[],
        help='Judge by the rule files in this directory instead of by what '
        'each host recorded of its own rules. Can be given several times: a '
        'file masks one of the same name in a directory before it. The '
        'shipped rules come before all of them.',
    )
    add_no_shipped(parser)


def add_no_shipped(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--no-shipped',
        action='store_true',
        help='Leave the shipped rules out of it.',
    )


def rules(args: argparse.Namespace) -> recorded.Rules:
    """Return the rules that --rules names, None where it is not given."""
    if not args.rules:
        return None
    return load_rules(args.rules, args.no_shipped)


def load_rules(directories: Sequence[str], no_shipped: bool) -> model.RuleSet:
    """Return the rules of directories.

    :raises exceptions.BadInput: one is not there, or a file is wrong
    """
    for directory in directories:
        if not pathlib.Path(directory).is_dir():
            raise exceptions.BadInput(
                f'{directory}: there is no such directory of rule files'
            )
    shipped = [] if no_shipped else collector_options.SHIPPED_RULES
    return loader.load([*shipped, *directories])


def hosts(paths: Iterable[str]) -> list[host_traits.Host]:
    """Return the hosts of recordings.

    :param paths: files, and directories of *.json files
    :raises exceptions.BadInput: one cannot be read, none is there, or a host
        was recorded twice
    """
    files = [file for path in paths for file in _files(pathlib.Path(path))]
    found: dict[str, pathlib.Path] = {}
    result = []
    for file in reporting.progress(files):
        host = read_host(file)
        other = found.setdefault(host.name, file)
        if other != file:
            raise exceptions.BadInput(
                f'{other} and {file} are both recordings of host {host.name}; '
                'keep the newer one'
            )
        result.append(host)
    return result


def _files(path: pathlib.Path) -> list[pathlib.Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob('*.json'))
    if not files:
        raise exceptions.BadInput(
            f'{path}: there is no recording (*.json) in this directory'
        )
    return files


def read_host(path: pathlib.Path) -> host_traits.Host:
    """Return a recorded host.

    :raises exceptions.BadInput: the file cannot be read or is no recording
    """
    try:
        with path.open('rb') as stream:
            text = stream.read(MAX_RECORDING + 1)
    except OSError as exc:
        raise exceptions.BadInput(f'{path}: {exc.strerror}') from exc
    if len(text) > MAX_RECORDING:
        raise exceptions.BadInput(f'{path}: larger than {MAX_RECORDING} bytes')
    return snapshot.parse(str(path), text)
