# SPDX-License-Identifier: Apache-2.0
"""Plugins through stevedore, with its defaults that fail open turned round.

By itself stevedore only logs that a plugin does not load, takes the last of
two that have the same name, and lets map() swallow what plugins raise. Here
the first two are errors, and nobody calls map().
"""

from collections.abc import Collection
from importlib import metadata
from typing import Any, NoReturn

from stevedore import named

from nova_mdev_compat.core import exceptions

ALL = '*'


def load(
    namespace: str, option: str, names: Collection[str]
) -> dict[str, Any]:
    """Return plugins by name; none of them is made yet.

    :param namespace: of entry points
    :param option: where the operator names them, for the errors
    :param names: those that are wanted, or ALL for whatever is installed;
        what is not wanted is not imported
    :raises exceptions.BadInput: one is not there, is there twice, or does
        not load
    """
    # With no name wanted nothing is imported.
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
        plugins[name] = _load_one(option, found[0])
    return plugins


def _load_one(option: str, wanted: metadata.EntryPoint) -> Any:
    try:
        return _manager(wanted.group, [wanted.name])[wanted.name].plugin
    except (Exception, SystemExit) as exc:  # it is somebody else's code
        raise exceptions.BadInput(
            f'{option}: plugin {wanted.name!r} ({wanted.value}) does not '
            f'load: {type(exc).__name__}: {exc}'
        ) from exc


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
    """Keep stevedore from logging what is said in an error."""
    raise exc
