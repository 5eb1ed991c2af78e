# SPDX-License-Identifier: Apache-2.0
"""Do all schedulers decide alike?

No API has their options; their configuration files do.
"""

from collections.abc import Iterable, Mapping
import pathlib

from nova import context as nova_context
from nova import objects
from oslo_config import cfg
from oslo_db import exception as db_exception
from oslo_upgradecheck import upgradecheck
import sqlalchemy

from nova_mdev_compat.checks import scheduler
from nova_mdev_compat.checks import words
from nova_mdev_compat.conf import mdev_compat as options
from nova_mdev_compat import exceptions

OPT = cfg.MultiStrOpt(
    'scheduler-conf', default=[], metavar='PATH',
    help='nova.conf of another scheduler, or a directory of its *.conf '
         'files, to compare with the one of this host. Can be given several '
         'times.')

Settings = Mapping[str, str]


def settings(conf: cfg.ConfigOpts) -> dict[str, str]:
    """Return what a scheduler's decisions depend on, as text, by option."""
    enabled = scheduler.NAME in conf.filter_scheduler.enabled_filters
    found = {f'{scheduler.NAME} enabled': str(enabled)}
    for option in options.OPTS:
        value = conf[options.GROUP.name][option.dest]
        found[f'[{options.GROUP.name}]{option.dest}'] = (
            ','.join(sorted(value)) if isinstance(value, list)
            else str(value))
    return found


def read(path: str) -> dict[str, str]:
    """Return the settings in files of another host.

    :raises exceptions.BadInput: they cannot be read
    """
    where = pathlib.Path(path)
    files = sorted(where.glob('*.conf')) if where.is_dir() else [where]
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.ListOpt('enabled_filters', default=[]),
                      group='filter_scheduler')
    options.register_opts(conf)
    try:
        conf([], project='nova', default_config_files=list(map(str, files)),
             default_config_dirs=[])
        return settings(conf)
    except (cfg.Error, OSError, ValueError) as exc:
        raise exceptions.BadInput(f'--scheduler-conf {path}: {exc}') from exc


def compare(ours: Settings,
            theirs: Mapping[str, Settings]) -> upgradecheck.Result:
    """Return whether schedulers decide alike.

    :param theirs: settings by path
    """
    found = [
        words.failure(f'{option} is {value} here and {other[option]} in '
                      f'{path}')
        for path, other in sorted(theirs.items())
        for option, value in ours.items() if other[option] != value]
    return words.worst(found)


def names() -> set[str]:
    """Return the hosts on which a nova-scheduler is registered.

    Where depends on the conductor that it speaks to; all cells are asked.

    :raises oslo_db.exception.DBError: a database does not answer
    :raises oslo_db.exception.CantStartEngineError: nova.conf names none
    """
    context = nova_context.get_admin_context()
    found = set()
    for cell in objects.CellMappingList.get_all(context):
        with nova_context.target_cell(context, cell) as in_cell:
            found |= {service.host for service
                      in objects.ServiceList.get_by_binary(
                          in_cell, 'nova-scheduler')}
    return found


def count(given: int) -> upgradecheck.Result:
    """Return whether the options of all schedulers are known.

    :param given: of how many others they are
    """
    try:
        found = names()
    except (db_exception.DBError, db_exception.CantStartEngineError,
            sqlalchemy.exc.SQLAlchemyError) as exc:
        return words.warning(
            'how many schedulers there are is not known, because Nova\'s '
            f'database cannot be asked: {_line(exc)}; give --scheduler-conf '
            'for each other one')
    if len(found) > given + 1:
        return words.warning(
            f'{len(found)} schedulers are registered ({words.some(found)}), '
            f'and options of {given + 1} are known: give --scheduler-conf '
            'for each other one, since all must have the same')
    return words.success()


def check(conf: cfg.ConfigOpts) -> upgradecheck.Result:
    """Return whether schedulers decide alike, as far as it can be known.

    :raises exceptions.BadInput: a file that is named cannot be read
    """
    theirs: Iterable[str] = conf.scheduler_conf
    return words.worst([
        compare(settings(conf), {path: read(path) for path in theirs}),
        count(len(conf.scheduler_conf))])


def _line(exc: Exception) -> str:
    return ' '.join(str(exc).split())[:200]
