# SPDX-License-Identifier: Apache-2.0
"""The command line that both services share."""

import argparse
from collections.abc import Callable, Sequence
import dataclasses
import importlib.metadata
import sys
from types import ModuleType
from typing import Any, ClassVar

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.conf import errors
from nova_mdev_compat.conf import loading
from nova_mdev_compat.core import exceptions

LOG = logging.getLogger(__name__)

#: Where every ``*.conf`` is a command's own.
DIRECTORY = '/etc/nova-mdev-compat'
#: Without a sub-command.
DEFAULT = 'run'
#: Sub-commands that could be given as flags before, and still can.
DEPRECATED_FLAGS = ('once', 'dry-run')


@dataclasses.dataclass(frozen=True)
class SubCommand:
    """A sub-command.

    :ivar help: in the imperative
    :ivar do: runs it; returns the exit status
    :ivar formats: whether it prints a table, or JSON with ``--format json``
    :ivar tolerant: whether it runs even if options are wrong that it may not
        need; they are logged
    """

    name: str
    help: str
    do: Callable[[cfg.ConfigOpts], int]
    formats: bool = False
    tolerant: bool = False


@dataclasses.dataclass(frozen=True)
class ServiceCommand:
    """A command with sub-commands, one of which is a service.

    :ivar prog: its name
    :ivar description, epilog: for --help
    :ivar options: modules of options: the command's own, and others that are
        read
    :ivar subcommands: ``run``, ``once``, ``dry-run``, and more
    :ivar after: project and program whose configuration files it reads as
        well, before its own, where none are given
    """

    prog: str
    description: str
    epilog: str
    options: tuple[ModuleType, ...]
    subcommands: tuple[SubCommand, ...]
    after: tuple[str, str] | None = None

    project: ClassVar[str] = 'nova-mdev-compat'

    def new_config(self) -> cfg.ConfigOpts:
        """Return the command's options, all registered and none read."""
        conf = loading.CommandOptions()
        loading.without_shell_completion(conf)
        logging.register_options(conf)
        # To the terminal, or from systemd to the journal.
        conf.set_default('use_stderr', True)
        conf.register_cli_opts(
            [
                cfg.SubCommandOpt(
                    'command', title='commands', handler=self._add_subcommands
                ),
                cfg.StrOpt(
                    'format',
                    short='f',
                    default='table',
                    choices=['table', 'json'],
                    help='How to print. Can also follow the command.',
                ),
                *(
                    cfg.BoolOpt(
                        name,
                        default=False,
                        help=f'Deprecated: use the command "{name}".',
                    )
                    for name in DEPRECATED_FLAGS
                ),
            ]
        )
        for module in self.options:
            module.register_opts(conf)
        return conf

    def _add_subcommands(self, parsers: Any) -> None:
        # SubCommandOpt has made it required.
        parsers.required = False
        for item in self.subcommands:
            text = item.help
            if item.name == DEFAULT:
                text += ' (the default)'
            parser = parsers.add_parser(
                item.name,
                help=text,
                description=f'{item.help[0].upper()}{item.help[1:]}.',
            )
            if item.formats:
                # The value of the option of the same name, if it is given.
                parser.add_argument(
                    '-f',
                    '--format',
                    choices=['table', 'json'],
                    default=argparse.SUPPRESS,
                    help='How to print.',
                )

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run the command and return its exit status."""
        conf = self.new_config()
        try:
            loading.read(
                conf,
                sys.argv[1:] if argv is None else argv,
                project=self.project,
                prog=self.prog,
                version=importlib.metadata.version('nova-mdev-compat'),
                description=self.description,
                epilog=self.epilog,
                **self._default_files(),
            )
            return self.run(conf)
        except SystemExit as exc:
            # oslo.config prints what is wrong with an argument, and ends with
            # 1 where argparse would end with 2; with 0, after --help.
            return exceptions.BadInput.exit_status if exc.code else 0
        except cfg.Error as exc:
            message = f'configuration: {errors.describe(exc)}'
            status = exceptions.BadInput.exit_status
        except exceptions.Failure as exc:
            message, status = str(exc), exc.exit_status
        print(f'{self.prog}: {message}', file=sys.stderr)
        return status

    def _default_files(self) -> dict[str, list[str]]:
        """Return what is read without --config-file and --config-dir.

        First the files of which ``after`` has the project and the program,
        then our own, whose options win.
        """
        own = (self.project, self.prog)
        names = [self.after, own] if self.after else [own]
        return {
            'default_config_files': [
                path for name in names for path in cfg.find_config_files(*name)
            ],
            'default_config_dirs': [
                *(
                    path
                    for name in names
                    for path in cfg.find_config_dirs(*name)
                ),
                *([DIRECTORY] if self.after else []),
            ],
        }

    def run(self, conf: cfg.ConfigOpts) -> int:
        """Run the sub-command that the command line names.

        :raises oslo_config.cfg.Error: an option has a wrong value
        :raises exceptions.Failure: it cannot be done
        """
        name = conf.command.name
        flags = [
            flag for flag in DEPRECATED_FLAGS if conf[flag.replace('-', '_')]
        ]
        given = [*(f'--{flag}' for flag in flags), *([name] if name else [])]
        if flags and len(given) > 1:
            raise exceptions.BadInput(f'give one command: {", ".join(given)}')
        chosen = (name, *flags)[-1] or DEFAULT
        (item,) = (one for one in self.subcommands if one.name == chosen)
        self._apply_options(conf, item.tolerant)
        if flags:
            LOG.warning(
                '--%s is deprecated and will be removed: use "%s %s"',
                chosen,
                self.prog,
                chosen,
            )
        return item.do(conf)

    def _apply_options(self, conf: cfg.ConfigOpts, tolerant: bool) -> None:
        """Check the values of all options, and set up logging.

        :param tolerant: only log which options are wrong
        """
        _ = conf.format  # wrong as an argument, not in a file
        groups = [item for item in self.options if hasattr(item, 'OPTS')]
        if not tolerant:
            for module in groups:
                loading.check_values(conf, module.GROUP, module.OPTS)
            loading.set_up_logging(conf, self.project)
            return
        wrong = []
        try:
            loading.set_up_logging(conf, self.project)
        except (cfg.Error, exceptions.BadInput) as exc:
            loading.log_to_stderr()
            wrong.append(errors.describe(exc))
        for module in groups:
            try:
                loading.check_values(conf, module.GROUP, module.OPTS)
            except exceptions.BadInput as exc:
                wrong.append(str(exc))
        # Not in the handlers: oslo.log would repeat the exception.
        for text in wrong:
            LOG.warning('Ignoring a wrong option: %s', text)
