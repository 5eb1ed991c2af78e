# SPDX-License-Identifier: Apache-2.0
"""All checks, as oslo.upgradecheck runs them, in Nova's environment."""

from collections.abc import Callable, Sequence
import functools
import sys
import traceback

from nova import conf as nova_conf
from nova import config as nova_config
from nova import objects
from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from nova_mdev_compat.checks import classes
from nova_mdev_compat.checks import published
from nova_mdev_compat.checks import scheduler
from nova_mdev_compat.checks import schedulers
from nova_mdev_compat.checks import words
from nova_mdev_compat.cloud import model
from nova_mdev_compat.cloud import reading
from nova_mdev_compat.collector import session
from nova_mdev_compat.conf import mdev_compat as options
from nova_mdev_compat import exceptions
from nova_mdev_compat import placement as pl

NAME = 'nova-mdev-compat-status'


def _asking(check: Callable[['Checks'], upgradecheck.Result],
            ) -> Callable[['Checks'], upgradecheck.Result]:
    """Make a failure of Placement the result of a check."""
    @functools.wraps(check)
    def guarded(self: 'Checks') -> upgradecheck.Result:
        try:
            return check(self)
        except pl.PlacementError as exc:
            return words.failure(f'it cannot be checked: {exc}')
    return guarded


class Checks(upgradecheck.UpgradeCommands):
    """Whether filter, Placement and collectors fit together."""

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf

    @functools.cached_property
    def _placement(self) -> pl.Placement:
        return session.placement(self._conf)

    @functools.cached_property
    def _cloud(self) -> model.Cloud:
        return reading.read(self._placement)

    def _scheduler(self) -> upgradecheck.Result:
        return scheduler.check(self._conf)

    @_asking
    def _answers(self) -> upgradecheck.Result:
        # All that the filter asks; the errors say which microversion and
        # which role is needed.
        self._placement.accept_traits()
        self._placement.providers_at('name=nobody')
        return words.success()

    @_asking
    def _hosts(self) -> upgradecheck.Result:
        return published.hosts(self._cloud)

    @_asking
    def _schema(self) -> upgradecheck.Result:
        return published.schema(
            self._placement, self._placement.carried_traits(), self._cloud)

    @_asking
    def _classes(self) -> upgradecheck.Result:
        return classes.compare(
            classes.in_use(self._placement, self._cloud),
            self._conf.mdev_compat.resource_classes)

    def _schedulers(self) -> upgradecheck.Result:
        return schedulers.check(self._conf)

    _upgrade_checks = (
        ('Filter', _scheduler),
        ('Placement', _answers),
        ('Hosts have published', _hosts),
        ('Schema of traits', _schema),
        ('Resource classes', _classes),
        ('Other schedulers', _schedulers))


def main(argv: Sequence[str]) -> int:
    """Run the checks and return the exit status."""
    conf = nova_conf.CONF
    options.register_opts(conf)
    conf.register_cli_opt(schedulers.OPT)
    checks = Checks(conf)
    upgradecheck.register_cli_options(conf, checks)
    try:
        # As nova-status does: it prepares databases and messages, too.
        nova_config.parse_args([NAME, *argv])
        objects.register_all()
        upgradecheck.CONF = conf
        return int(conf.command.action_fn())
    except (cfg.Error, exceptions.Failure) as exc:
        print(f'{NAME}: {exc}', file=sys.stderr)
        return 2
    except Exception:
        # As other projects' commands do, and not one of the results.
        traceback.print_exc()
        return 255
