# SPDX-License-Identifier: Apache-2.0
"""What the commands share that are services, and do a thing or two besides."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import sys
from types import ModuleType
from typing import ClassVar

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.common import version
from nova_mdev_compat.conf import command_line
from nova_mdev_compat.conf import loading
from nova_mdev_compat.core import exceptions

#: Does something as the options say; returns the exit status.
Do = Callable[[cfg.ConfigOpts], int]

#: Where every ``*.conf`` is a command's own.
DIRECTORY = '/etc/nova-mdev-compat'
#: What is said by an option of that name, and not as a command.
_BY_OPTION = {'once', 'dry-run'}


@dataclasses.dataclass(frozen=True)
class Command:
    """A command.

    :ivar prog: its name
    :ivar description, epilog: for --help
    :ivar options: modules of options: the command's own, whose command line
        it has, and others that are read
    :ivar do: what it does, by what is said: ``run``, ``once``, ``dry-run``,
        and more
    :ivar after: project and program whose configuration files it reads as
        well, before its own, where none are given
    """

    prog: str
    description: str
    epilog: str
    options: tuple[ModuleType, ...]
    do: Mapping[str, Do]
    after: tuple[str, str] | None = None

    project: ClassVar[str] = 'nova-mdev-compat'

    def new_config(self) -> cfg.ConfigOpts:
        """Return the command's options, all registered and none read."""
        conf = cfg.ConfigOpts()
        command_line.without_shell_completion(conf)
        logging.register_options(conf)
        # For whoever runs it by hand; systemd takes it to the journal.
        conf.set_default('use_stderr', True)
        self.options[0].register_cli_opts(conf)
        for module in self.options:
            module.register_opts(conf)
        return conf

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run the command and return its exit status."""
        conf = self.new_config()
        try:
            loading.read(
                conf,
                sys.argv[1:] if argv is None else argv,
                project=self.project,
                prog=self.prog,
                version=version.string(),
                description=self.description,
                epilog=self.epilog,
                **self._default_files(),
            )
            self._check_command(conf)
            self._check_values(conf)
            loading.set_up_logging(conf, self.project)
            return self.run(conf)
        except SystemExit as exc:
            # oslo.config prints what is wrong with an argument, and ends with
            # 1 where argparse would end with 2; with 0, after --help.
            return exceptions.BadInput.exit_status if exc.code else 0
        except cfg.Error as exc:
            return self._fail(
                f'configuration: {exc}', exceptions.BadInput.exit_status
            )
        except exceptions.Failure as exc:
            return self._fail(str(exc), exc.exit_status)

    def _default_files(self) -> dict[str, list[str]]:
        """Return what is read where no --config-file, no --config-dir is.

        First the files of which ``after`` has the project and the program,
        then our own, whose options win.
        """
        names = [
            *([self.after] if self.after else []),
            (self.project, self.prog),
        ]
        return {
            'default_config_files': [
                path
                for project, prog in names
                for path in cfg.find_config_files(project, prog)
            ],
            'default_config_dirs': [
                *(
                    path
                    for project, prog in names
                    for path in cfg.find_config_dirs(project, prog)
                ),
                *([DIRECTORY] if self.after else []),
            ],
        }

    def _check_command(self, conf: cfg.ConfigOpts) -> None:
        known = self.do.keys() - _BY_OPTION
        if conf.command not in known:
            raise exceptions.BadInput(
                f'there is no command {conf.command!r}; the commands are '
                f'{", ".join(sorted(known))}'
            )

    def _check_values(self, conf: cfg.ConfigOpts) -> None:
        """Read all options of ours: oslo.config looks at a value only then."""
        for module in self.options:
            for option in getattr(module, 'OPTS', ()):
                getattr(conf[module.GROUP.name], option.dest)

    def run(self, conf: cfg.ConfigOpts) -> int:
        """Do what the options say.

        :raises exceptions.Failure: it cannot be done
        """
        command: str = conf.command
        if command != 'run' and (conf.once or conf.dry_run):
            raise exceptions.BadInput(
                f'--once and --dry-run do not go with {command}'
            )
        if conf.once and conf.dry_run:
            raise exceptions.BadInput('say either --once or --dry-run')
        if conf.once:
            command = 'once'
        elif conf.dry_run:
            command = 'dry-run'
        return self.do[command](conf)

    def _fail(self, message: str, status: int) -> int:
        print(f'{self.prog}: {message}', file=sys.stderr)
        return status
