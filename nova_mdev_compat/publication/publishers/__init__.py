# SPDX-License-Identifier: Apache-2.0
"""Where a host's traits go: one module a publisher.

They are found through stevedore, by ``[collector]publisher`` in the
namespace ``nova_mdev_compat.publishers``.
"""

from oslo_config import cfg

from nova_mdev_compat.common import plugins
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.publication.publishers import base

NAMESPACE = 'nova_mdev_compat.publishers'


def load(conf: cfg.ConfigOpts) -> base.Publisher:
    """Return the publisher that the options name.

    :raises exceptions.BadInput: there is none, or two, of this name, it
        cannot be loaded, or its own options are incomplete
    """
    name, option = conf.collector.publisher, '[collector]publisher'
    if name == plugins.ALL:
        raise exceptions.BadInput(f'{option}: name one publisher, not {name}')
    found = plugins.load(NAMESPACE, option, [name])
    publisher: base.Publisher = found[name](conf)
    return publisher
