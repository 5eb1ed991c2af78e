# SPDX-License-Identifier: Apache-2.0
"""Do all schedulers decide alike?

No API has their options; their configuration files do.
"""

from collections.abc import Collection, Mapping
import pathlib

from oslo_config import cfg

from nova_mdev_compat.checks import enabled
from nova_mdev_compat.checks import words
from nova_mdev_compat.conf import mdev_compat as options
from nova_mdev_compat.core import exceptions

#: What decisions depend on, as text, by option.
Settings = Mapping[str, str]


def settings(conf: cfg.ConfigOpts) -> dict[str, str]:
    """Return what a scheduler's decisions depend on, as text, by option.

    :raises exceptions.BadInput: an option of ours has a wrong value
    """
    group = options.GROUP.name
    is_enabled = enabled.NAME in conf.filter_scheduler.enabled_filters
    found = {f'{enabled.NAME} enabled': str(is_enabled)}
    for option in options.OPTS:
        try:
            value = conf[group][option.dest]
        except cfg.Error as exc:
            raise exceptions.BadInput(
                words.config_error(str(exc), group)
            ) from exc
        found[f'[{group}]{option.dest}'] = (
            ','.join(sorted(set(value)))
            if isinstance(value, list)
            else str(value)
        )
    return found


def read(path: str) -> dict[str, str]:
    """Return the settings in files of another host.

    :param path: a file, or a directory of ``*.conf`` files, which are read
        in order of their names
    :raises exceptions.BadInput: they cannot be read
    """
    where = pathlib.Path(path)
    files = sorted(where.glob('*.conf')) if where.is_dir() else [where]
    if not files:
        raise exceptions.BadInput(
            f'--scheduler-conf {path}: there is no *.conf file in it'
        )
    conf = cfg.ConfigOpts()
    conf.register_opt(
        cfg.ListOpt('enabled_filters', default=[]), group='filter_scheduler'
    )
    options.register_opts(conf)
    try:
        # What is in this process's environment is not theirs.
        conf(
            [],
            project='nova',
            default_config_files=list(map(str, files)),
            default_config_dirs=[],
            use_env=False,
        )
        return settings(conf)
    except (cfg.Error, OSError, ValueError, exceptions.BadInput) as exc:
        raise exceptions.BadInput(f'--scheduler-conf {path}: {exc}') from exc


def compare(ours: Settings, theirs: Mapping[str, Settings]) -> words.Finding:
    """Return whether schedulers decide alike.

    :param theirs: settings by path
    """
    found = [
        words.failure(
            f'{option} is {value} here and {other[option]} in {path}'
        )
        for path, other in sorted(theirs.items())
        for option, value in ours.items()
        if other[option] != value
    ]
    return words.worst(found)


def count(
    found: Collection[str], silent: Mapping[str, str], given: int
) -> words.Finding:
    """Return whether the options of all schedulers are known.

    :param found: hosts on which a nova-scheduler is registered
    :param silent: databases that did not answer, and why
    :param given: of how many others the options are known
    """
    if len(found) > given + 1:
        return words.warning(
            f'{words.count(found, "nova-scheduler")} are registered, and '
            f'options of {given + 1} are known: all must have the same, so '
            'give nova.conf of each other one as --scheduler-conf'
        )
    if silent:
        return words.warning(
            'how many nova-schedulers there are is not known ('
            + '; '.join(f'{name}: {why}' for name, why in silent.items())
            + '): all must have the same options, so give nova.conf of each '
            'other one as --scheduler-conf'
        )
    if not found:
        return words.warning(
            "no nova-scheduler is registered in Nova's databases: is this "
            'the nova.conf that nova-scheduler reads?'
        )
    return words.success()
