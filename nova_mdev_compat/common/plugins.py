# SPDX-License-Identifier: Apache-2.0
"""Plugins through stevedore, whose faults are errors here.

stevedore only logs a plugin that does not load, and takes the last of two with
the same name. Both are errors here. map(), which hides exceptions of plugins,
is not used.
"""

from collections.abc import Collection
from typing import Any, NoReturn

from stevedore import named

from nova_mdev_compat.core import exceptions

ALL = '*'


def load(
    namespace: str, option: str, names: Collection[str]
) -> dict[str, Any]:
    """Return plugins by name, as their entry points have them.

    :param namespace: of entry points
    :param option: the option that names them, for errors
    :param names: the plugins to load, or ALL for every installed one; others
        are not imported
    :raises exceptions.BadInput: one is missing, installed twice, or does not
        load
    """
    # Without names, nothing is imported.
    installed = _manager(namespace, []).list_entry_points()
    wanted = [name for name in names if name != ALL]
    if ALL in names:
        wanted += [item.name for item in installed]
    plugins = {}
    for name in dict.fromkeys(wanted):
        found = [item for item in installed if item.name == name]
        if not found:
            raise exceptions.BadInput(
                f'{option}: no plugin is named {name!r} in {namespace}'
            )
        if len(found) > 1:
            values = ' and '.join(item.value for item in found)
            raise exceptions.BadInput(
                f'{option}: {len(found)} plugins are named {name!r} in '
                f'{namespace}: {values}; uninstall all but one'
            )
        try:
            plugins[name] = _manager(namespace, [name])[name].plugin
        except (Exception, SystemExit) as exc:  # any error of a plugin
            raise exceptions.BadInput(
                f'{option}: plugin {name!r} ({found[0].value}) does not '
                f'load: {type(exc).__name__}: {exc}'
            ) from exc
    return plugins


def _manager(
    namespace: str, names: list[str]
) -> 'named.NamedExtensionManager[Any]':
    # In quotes: it is generic since stevedore 5.6 only.
    return named.NamedExtensionManager(
        namespace, names, on_load_failure_callback=_raise
    )


def _raise(
    _manager: object, _entry_point: object, exc: BaseException
) -> NoReturn:
    """Raise instead of logging, as stevedore would."""
    raise exc
