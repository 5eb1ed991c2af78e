# SPDX-License-Identifier: Apache-2.0
"""All checks, as oslo.upgradecheck runs them, in Nova's environment."""

from collections.abc import Callable, Sequence
import functools
import logging
import pathlib
import sys
import traceback

from nova import conf as nova_conf
from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from nova_mdev_compat.checks import answers
from nova_mdev_compat.checks import classes
from nova_mdev_compat.checks import published
from nova_mdev_compat.checks import scheduler
from nova_mdev_compat.checks import schedulers
from nova_mdev_compat.checks import services
from nova_mdev_compat.checks import words
from nova_mdev_compat.common import version
from nova_mdev_compat.conf import command_line
from nova_mdev_compat.conf import loading
from nova_mdev_compat.conf import mdev_compat as options
from nova_mdev_compat.conf import status as status_options
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.fleet import model
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import session

NAME = 'nova-mdev-compat-status'

DESCRIPTION = """\
"nova-mdev-compat-status upgrade check" says whether MdevCompatFilter,
Placement and the collectors fit together. Run it on the host of a
nova-scheduler, in Nova's environment; it changes nothing."""

# argparse fills this into one paragraph; the manual page has more room.
EPILOG = """\
Without --config-file it reads what Nova's own commands read. All
nova-schedulers must have the same options: give nova.conf of each other one
with --scheduler-conf, before "upgrade check". "--json", after it, is for
programs. The exit status is 0 if all checks succeed, 1 if there is a warning,
2 if there is a failure or a file is wrong, and 255 if something happened that
nobody expected."""

_Result = Callable[['Checks'], upgradecheck.Result]


def _check(find: Callable[['Checks'], words.Finding]) -> _Result:
    """Make a check of oslo.upgradecheck of what finds something."""

    @functools.wraps(find)
    def check(self: 'Checks') -> upgradecheck.Result:
        found = find(self)
        return upgradecheck.Result(
            upgradecheck.Code(found.code), found.details
        )

    return check


def _asking(find: Callable[['Checks'], words.Finding]) -> _Result:
    """Make a check of what asks Placement, if it is worth to ask."""

    @functools.wraps(find)
    def guarded(self: 'Checks') -> words.Finding:
        if not self.placement_answers:
            return words.failure(
                'it cannot be checked as long as the check "Placement" fails'
            )
        try:
            return find(self)
        except client.PlacementError as exc:
            return words.failure(f'it cannot be checked: {exc}')

    return _check(guarded)


class Checks(upgradecheck.UpgradeCommands):
    """Whether filter, Placement and collectors fit together."""

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self.placement_answers = False

    @functools.cached_property
    def _placement(self) -> client.Placement:
        return session.placement(self._conf)

    @functools.cached_property
    def _cloud(self) -> model.Cloud:
        return inventory.read(self._placement)

    @functools.cached_property
    def _carried(self) -> frozenset[str]:
        return self._placement.carried_traits()

    @functools.cached_property
    def _others(self) -> published.Hosts:
        """Hosts that publish in another schema, by its trait."""
        return {
            name: {
                root
                for _, root in self._placement.lineage_at(f'required={name}')
            }
            for name in traits.other_schemas(self._carried)
        }

    @_check
    def _filter(self) -> words.Finding:
        return scheduler.check(self._conf)

    @_check
    def _answers(self) -> words.Finding:
        try:
            found = answers.check(self._placement)
        except client.PlacementError as exc:
            return words.failure(str(exc))
        self.placement_answers = found.code is words.Code.SUCCESS
        return found

    @_asking
    def _hosts(self) -> words.Finding:
        return published.hosts(self._cloud, self._others)

    @_asking
    def _schema(self) -> words.Finding:
        return published.schema(self._cloud, self._others, self._carried)

    @_asking
    def _classes(self) -> words.Finding:
        return classes.compare(
            classes.in_use(self._placement, self._cloud),
            self._conf.mdev_compat.resource_classes,
        )

    @_check
    def _schedulers(self) -> words.Finding:
        paths = {
            str(pathlib.Path(path).resolve()): path
            for path in self._conf.scheduler_conf
        }.values()
        return words.worst(
            [
                schedulers.compare(
                    schedulers.settings(self._conf),
                    {path: schedulers.read(path) for path in paths},
                ),
                schedulers.count(*services.registered(), len(paths)),
            ]
        )

    _upgrade_checks = (
        ('Filter', _filter),
        ('Placement', _answers),
        ('Hosts have published', _hosts),
        ('Schema of traits', _schema),
        ('Resource classes', _classes),
        ('Other schedulers', _schedulers),
    )


def configure(argv: Sequence[str]) -> cfg.ConfigOpts:
    """Return Nova's configuration, with our options and the command.

    :raises oslo_config.cfg.Error: it cannot be read
    :raises exceptions.BadInput: an option of ours has a wrong value, or a
        file is not in UTF-8
    """
    conf: cfg.ConfigOpts = nova_conf.CONF
    command_line.without_shell_completion(conf)
    options.register_opts(conf)
    status_options.register_cli_opts(conf)
    upgradecheck.register_cli_options(conf, Checks(conf))
    loading.read(
        conf,
        argv,
        project='nova',
        prog=NAME,
        version=version.string(),
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    # keystoneauth waits for ever.
    conf.set_default('timeout', 60, group='placement')
    schedulers.settings(conf)  # oslo.config looks at a value only when asked
    services.configure(conf)
    # Where it looks for --json.
    upgradecheck.CONF = conf
    return conf


def main(argv: Sequence[str]) -> int:
    """Run the checks and return the exit status."""
    # What matters to them of what Nova and others log is in the results.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        return int(configure(argv).command.action_fn())
    except SystemExit as exc:
        # argparse prints what is wrong with an argument; 0 is for --help.
        return exceptions.BadInput.exit_status if exc.code else 0
    except cfg.Error as exc:
        return _fail(words.config_error(str(exc)))
    except exceptions.Failure as exc:
        return _fail(str(exc))
    except Exception:
        # As other projects' commands do, and not one of the results.
        traceback.print_exc()
        return 255


def _fail(message: str) -> int:
    print(f'{NAME}: {message}', file=sys.stderr)
    return exceptions.BadInput.exit_status
