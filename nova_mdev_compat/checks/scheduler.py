# SPDX-License-Identifier: Apache-2.0
"""Is the filter enabled, and can this Nova load it?"""

from collections.abc import Container

from nova.scheduler import filters as nova_filters
from nova import version as nova_version
from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from nova_mdev_compat.checks import words
from nova_mdev_compat.conf import mdev_compat as options

NAME = 'MdevCompatFilter'
PATH = f'nova_mdev_compat.filters.{NAME}'
#: The first Nova that live-migrates mdevs (2024.1).
OLDEST = 29


def check(conf: cfg.ConfigOpts) -> upgradecheck.Result:
    """Return whether nova-scheduler would run the filter, and refuse."""
    try:
        # As HostManager.__init__ does.
        found = nova_filters.HostFilterHandler().get_matching_classes(
            conf.filter_scheduler.available_filters)
        classes = {item.__name__: item for item in found}
        if NAME in classes:
            classes[NAME]()
    except Exception as exc:  # whatever somebody's filter raises
        return words.failure(
            'nova-scheduler cannot load [filter_scheduler]available_filters: '
            f'{type(exc).__name__}: {exc}')
    return words.worst([
        _version(nova_version.version_string()),
        _enabled(classes, conf.filter_scheduler.enabled_filters),
        _mode(conf.mdev_compat.mode)])


def _version(text: str) -> upgradecheck.Result:
    if int(text.partition('.')[0]) < OLDEST:
        return words.failure(
            f'Nova {text} does not live-migrate mdevs; {OLDEST} (2024.1) '
            'does')
    return words.success()


def _enabled(available: Container[str],
             enabled: Container[str]) -> upgradecheck.Result:
    if NAME not in available:
        return words.failure(
            f'add "available_filters = {PATH}" to [filter_scheduler], beside '
            'the line that is there')
    if NAME not in enabled:
        return words.failure(
            f'{NAME} is not enabled: add it to '
            '[filter_scheduler]enabled_filters')
    return words.success()


def _mode(mode: str) -> upgradecheck.Result:
    if mode == options.PERMISSIVE:
        return words.warning(
            'the filter refuses nothing: [mdev_compat]mode is permissive')
    return words.success()
