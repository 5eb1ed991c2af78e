# SPDX-License-Identifier: Apache-2.0
"""The command line of the commands that are services."""

from oslo_config import cfg


def opts(commands: list[tuple[str, str]], once: str, dry_run: str,
         printing: str) -> list[cfg.Opt]:
    """Return the options of such a command.

    :param commands: what it can do besides, and ``run``, each with a help
    :param once: help of --once
    :param dry_run: help of --dry-run
    :param printing: what prints in a format
    """
    return [
        cfg.StrOpt('command', positional=True, required=False, default='run',
                   choices=commands, help='What to do.'),
        cfg.BoolOpt('once', default=False, help=once),
        cfg.BoolOpt('dry-run', default=False, help=dry_run),
        cfg.StrOpt('format', default='table', choices=['table', 'json'],
                   help=f'How {printing}.'),
    ]
