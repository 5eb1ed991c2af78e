# SPDX-License-Identifier: Apache-2.0
"""Publishers of a host's traits, one module each.

``[collector]publisher`` names one of the entry points in the namespace
``nova_mdev_compat.publishers``.
"""

import abc
import dataclasses

from oslo_config import cfg

from nova_mdev_compat.common import plugins
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import text
from nova_mdev_compat.publication import host_traits

NAMESPACE = 'nova_mdev_compat.publishers'


@dataclasses.dataclass
class Summary:
    """What was written.

    :ivar changed: names of the providers that were written
    :ivar unchanged: how many providers had the desired traits already
    :ivar absent: devices that have no provider, or none yet
    :ivar orphaned: devices that are gone but still have a provider
    :ivar published: our traits by provider name
    :ivar unread: devices that could not be read completely, as published
    """

    changed: list[str] = dataclasses.field(default_factory=list)
    unchanged: int = 0
    absent: list[str] = dataclasses.field(default_factory=list)
    orphaned: list[str] = dataclasses.field(default_factory=list)
    published: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    unread: list[host_traits.ParentTraits] = dataclasses.field(
        default_factory=list
    )

    def __str__(self) -> str:
        return (
            f'{len(self.changed)} providers changed, {self.unchanged} '
            f'unchanged; without a provider: {text.join(self.absent)}; gone '
            f'but still with a provider: {text.join(self.orphaned)}'
        )


class Publisher(abc.ABC):
    """Publishes what a host is and accepts.

    The process has one instance, which may remember what it has published.
    Every call must be correct even if another service has changed that.

    :param conf: the collector's options
    :raises exceptions.BadInput: its own options are incomplete
    """

    @abc.abstractmethod
    def __init__(self, conf: cfg.ConfigOpts): ...

    @abc.abstractmethod
    def publish(self, host: host_traits.HostSnapshot) -> Summary:
        """Publish what a host is and accepts.

        For a parent with a ``failure``, publish what its ``with_fallback``
        returns for the traits that its provider carries now.

        :raises exceptions.Failure: it cannot be done; what was published and
            is still true is left as it was
        """

    @abc.abstractmethod
    def withdraw(self, name: str) -> Summary:
        """Remove everything that was ever published for a host.

        :param name: hypervisor hostname
        :raises exceptions.Failure: it cannot be done
        """

    def withhold(self, name: str) -> Summary:
        """Remove what a host accepts; its identity may stay.

        This is for a host that can no longer be read or evaluated.

        :param name: hypervisor hostname
        :raises exceptions.Failure: it cannot be done
        """
        return self.withdraw(name)


def load(conf: cfg.ConfigOpts) -> Publisher:
    """Return the publisher that the options name.

    :raises exceptions.BadInput: there is none, or two, of this name, it
        cannot be loaded, or its own options are incomplete
    """
    name, option = conf.collector.publisher, '[collector]publisher'
    if name == plugins.ALL:
        raise exceptions.BadInput(f'{option}: name one publisher, not {name}')
    publisher: Publisher = plugins.load(NAMESPACE, option, [name])[name](conf)
    return publisher
