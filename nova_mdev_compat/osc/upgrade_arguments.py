# SPDX-License-Identifier: Apache-2.0
"""Arguments that say what an upgrade changes, and of which devices."""

import argparse
from collections.abc import Callable, Iterable
import functools

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.rules import model


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--type',
        metavar='<type>',
        action='append',
        required=True,
        help='Upgrade devices that serve this mdev type, or have it in '
        'use. Can be given several times.',
    )
    parser.add_argument(
        '--fact',
        metavar='<name>=<value>',
        action='append',
        required=True,
        help='A fact that they have afterwards: '
        'driver=550.90.07. Can be given several times.',
    )
    parser.add_argument(
        '--rules',
        metavar='<directory>',
        action='append',
        default=[],
        help='A directory of rule files that their hosts will have. Can '
        'be given several times: a file masks one of the same name in a '
        'directory before it. The shipped rules come before all of them.',
    )
    common.add_no_shipped(parser)
    parser.add_argument(
        '--allow-mismatch',
        action='store_true',
        help='Answer although these rules do not give what hosts publish '
        'now: the hosts will have these rules when they are upgraded.',
    )


def rules(args: argparse.Namespace) -> model.RuleSet:
    """Return the rules that hosts will have.

    :raises exceptions.BadInput: a directory is not there, or a file is wrong
    """
    if args.no_shipped and not args.rules:
        raise exceptions.BadInput(
            '--no-shipped leaves no rules: name some with --rules'
        )
    return common.load_rules(args.rules, args.no_shipped)


def types(names: Iterable[str]) -> frozenset[str]:
    """Return mdev types as traits have them.

    :raises exceptions.BadInput: there can be no such type
    """
    return frozenset(
        _canonical('type', name, identity.literal) for name in names
    )


def facts(arguments: Iterable[str]) -> dict[str, str]:
    """Return facts from ``name=value``, as traits have them.

    :raises exceptions.BadInput: one is not of this form, or comes twice
    """
    found: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition('=')
        if not equals:
            raise exceptions.BadInput(
                f'fact {argument!r} is not of the form <name>=<value>'
            )
        _canonical('fact', name, identity.fact_name)
        if name in found:
            raise exceptions.BadInput(f'fact {name} is given twice')
        found[name] = _canonical(
            f'fact {name}',
            value,
            functools.partial(identity.literal, fact=name),
        )
    return found


def _canonical(what: str, text: str, read: Callable[[str], str]) -> str:
    try:
        return read(text)
    except identity.IdentityError as exc:
        raise exceptions.BadInput(f'{what}: {exc}') from exc
