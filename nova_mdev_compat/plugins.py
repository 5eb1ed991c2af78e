# SPDX-License-Identifier: Apache-2.0
"""Plugins through stevedore, with its defaults that fail open turned round.

By itself stevedore only logs that a plugin does not load, takes the last of
two that have the same name, and lets map() swallow what plugins raise. Here
the first two are errors, and nobody calls map().
"""

from collections.abc import Collection
from typing import Any, NoReturn

from stevedore import extension
from stevedore import named

from nova_mdev_compat import exceptions

ALL = '*'


def load(namespace: str, option: str,
         names: Collection[str]) -> dict[str, Any]:
    """Return plugins by name; none of them is made yet.

    :param namespace: of entry points
    :param option: where the operator names them, for the errors
    :param names: those that are wanted, or ALL for whatever is installed;
        what is not wanted is not imported
    :raises exceptions.BadInput: one is not there, is there twice, or does
        not load
    """
    found = _manager(namespace, option, names).extensions
    plugins = {item.name: item.plugin for item in found}
    for name in plugins:
        count = [item.name for item in found].count(name)
        if count > 1:
            raise exceptions.BadInput(
                f'{option}: {count} plugins are named {name!r} in '
                f'{namespace}')
    for name in names:
        if name != ALL and name not in plugins:
            raise exceptions.BadInput(
                f'{option}: no plugin is named {name!r} in {namespace}')
    return plugins


def _manager(namespace: str, option: str, names: Collection[str],
             ) -> extension.ExtensionManager[Any]:
    def refuse(_manager: object, entry_point: object,
               exc: BaseException) -> NoReturn:
        raise exceptions.BadInput(
            f'{option}: {entry_point} does not load: {exc}') from exc

    try:
        if ALL in names:
            return extension.ExtensionManager(
                namespace, on_load_failure_callback=refuse)
        return named.NamedExtensionManager(
            namespace, list(names), on_load_failure_callback=refuse,
            on_missing_entrypoints_callback=_say_nothing)
    except (AssertionError, SystemExit) as exc:
        # These two stevedore does not pass to the callback.
        raise exceptions.BadInput(
            f'{option}: a plugin in {namespace} does not load: '
            f'{type(exc).__name__}: {exc}') from exc


def _say_nothing(_missing: object) -> None:
    """Keep stevedore from logging what is said in an error."""
