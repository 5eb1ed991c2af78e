# SPDX-License-Identifier: Apache-2.0
"""The command line of the commands that are services."""

from oslo_config import cfg


def opts(
    commands: list[tuple[str, str]], once: str, dry_run: str, printing: str
) -> list[cfg.Opt]:
    """Return the options of such a command.

    :param commands: what it can do besides, and ``run``, each with a help
        in the imperative; which of them is named is looked at later, as
        oslo.config would complain of an option "--command"
    :param once: help of --once
    :param dry_run: help of --dry-run
    :param printing: what prints in a format
    """
    return [
        cfg.StrOpt(
            'command',
            positional=True,
            required=False,
            default='run',
            help=' '.join(
                [
                    'What to do.',
                    *(f'"{name}": {text}.' for name, text in commands),
                    'Without a command, "run".',
                ]
            ),
        ),
        cfg.BoolOpt('once', default=False, help=once),
        cfg.BoolOpt('dry-run', default=False, help=dry_run),
        cfg.StrOpt(
            'format',
            default='table',
            choices=['table', 'json'],
            help=f'How {printing}.',
        ),
    ]


def without_shell_completion(conf: cfg.ConfigOpts) -> None:
    """Take away an option that oslo.config offers and its wheels cannot do.

    It prints a script made from a template that is in none of them
    (``ConfigOpts._print_shell_completion``). Older ones have no such option.
    """
    option = getattr(conf, '_shell_completion_opt', None)
    if option is not None:
        conf.unregister_opt(option)
        # It is looked for before anything is parsed, too.
        conf.supported_shell_completion = []
