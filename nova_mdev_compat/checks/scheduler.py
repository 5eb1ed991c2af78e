# SPDX-License-Identifier: Apache-2.0
"""What this Nova makes of its scheduler's options."""

from nova.scheduler import filters as nova_filters
from nova import version as nova_version
from oslo_config import cfg

from nova_mdev_compat.checks import enabled
from nova_mdev_compat.checks import words


def check(conf: cfg.ConfigOpts) -> words.Finding:
    """Return whether nova-scheduler would run the filter, and refuse.

    :raises oslo_config.cfg.Error: an option has a wrong value
    """
    group = conf.filter_scheduler
    available, broken = _load(group.available_filters)
    return words.worst(
        [
            enabled.version(nova_version.version_string()),
            enabled.filters(group.enabled_filters, available, broken),
            enabled.mode(conf.mdev_compat.mode),
        ]
    )


def _load(paths: list[str]) -> tuple[set[str], dict[str, str]]:
    """Load filters as ``HostManager.__init__`` does.

    :returns: names of the filters, and why some could not be loaded, by path
    """
    handler = nova_filters.HostFilterHandler()
    found, broken = set(), {}
    for path in paths:
        try:
            classes = handler.get_matching_classes([path])
            for item in classes:
                if item.__name__ == enabled.NAME:
                    item()
        except cfg.Error:
            raise
        except Exception as exc:  # whatever somebody's filter raises
            broken[path] = _why(exc)
        else:
            found |= {item.__name__ for item in classes}
    return found, broken


def _why(exc: Exception) -> str:
    # importutils puts a whole traceback into the message of an ImportError
    # that it raises itself, where the error before it says enough.
    cause = exc.__context__ if isinstance(exc, ImportError) else None
    return f'{type(cause or exc).__name__}: {words.line(cause or exc)}'
