# SPDX-License-Identifier: Apache-2.0
"""Where a host's traits go: one module a publisher.

They are found through stevedore, by ``[collector]publisher`` in the
namespace ``nova_mdev_compat.publishers``.
"""

from typing import NoReturn

from oslo_config import cfg
from stevedore import named

from nova_mdev_compat.collector.publishers import base
from nova_mdev_compat import exceptions

NAMESPACE = 'nova_mdev_compat.publishers'


def load(conf: cfg.ConfigOpts) -> base.Publisher:
    """Return the publisher that the options name.

    :raises exceptions.BadInput: there is none, or two, of this name, it
        cannot be loaded, or its own options are incomplete
    """
    name = conf.collector.publisher
    # Not a DriverManager: that one also logs what is wrong, and this process
    # is to say it in one line.
    manager: named.NamedExtensionManager[base.Publisher]
    manager = named.NamedExtensionManager(
        NAMESPACE, [name], on_load_failure_callback=_refuse,
        on_missing_entrypoints_callback=_say_nothing)
    found = manager.extensions
    if not found:
        raise exceptions.BadInput(
            f'[collector]publisher: no plugin is named {name!r} in '
            f'{NAMESPACE}')
    if len(found) > 1:
        raise exceptions.BadInput(
            f'[collector]publisher: {len(found)} plugins are named {name!r} '
            f'in {NAMESPACE}')
    return found[0].plugin(conf)


def _say_nothing(_missing: object) -> None:
    """Keep stevedore from logging which plugins are missing."""


def _refuse(_manager: object, entry_point: object,
            exc: BaseException) -> NoReturn:
    raise exceptions.BadInput(
        f'[collector]publisher: {entry_point} does not load: {exc}') from exc
