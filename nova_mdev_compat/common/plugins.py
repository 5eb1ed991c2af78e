# SPDX-License-Identifier: Apache-2.0
"""Load plugins that stevedore finds.

stevedore only logs a plugin that does not load, and uses the last one of two
with the same name. Both are errors here.
"""

from collections.abc import Collection
from typing import Any

from stevedore import named

from nova_mdev_compat.core import exceptions

ALL = '*'


def load(
    namespace: str, option: str, names: Collection[str]
) -> dict[str, Any]:
    """Return the objects of entry points by name.

    :param namespace: of the entry points
    :param option: the option that has the names, for errors
    :param names: the plugins to load, or ALL for every installed one; others
        are not imported
    :raises exceptions.BadInput: a plugin is missing, does not load, or two
        have the same name
    """
    # A manager without names imports nothing.
    installed = named.NamedExtensionManager(namespace, []).list_entry_points()
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
            plugins[name] = found[0].load()
        except (Exception, SystemExit) as exc:  # any error of a plugin
            raise exceptions.BadInput(
                f'{option}: plugin {name!r} ({found[0].value}) does not '
                f'load: {type(exc).__name__}: {exc}'
            ) from exc
    return plugins
