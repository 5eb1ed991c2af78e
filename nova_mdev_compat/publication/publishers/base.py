# SPDX-License-Identifier: Apache-2.0
"""What a publisher is."""

import abc
import dataclasses

from oslo_config import cfg

from nova_mdev_compat.publication import host_traits


@dataclasses.dataclass
class Summary:
    """What a pass changed.

    :ivar changed: names of providers that were written
    :ivar unchanged: how many said the right thing already
    :ivar absent: devices that have no provider (yet)
    :ivar silenced: devices that are gone but still have a provider
    :ivar published: traits of ours by provider name
    :ivar unread: devices that could not be read completely, as they were
        published
    """

    changed: list[str] = dataclasses.field(default_factory=list)
    unchanged: int = 0
    absent: list[str] = dataclasses.field(default_factory=list)
    silenced: list[str] = dataclasses.field(default_factory=list)
    published: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    unread: list[host_traits.ParentTraits] = dataclasses.field(
        default_factory=list
    )

    def __str__(self) -> str:
        return (
            f'{len(self.changed)} providers changed, {self.unchanged} '
            f'unchanged; without a provider: {_names(self.absent)}; gone '
            f'but still with a provider: {_names(self.silenced)}'
        )


def _names(names: list[str]) -> str:
    return ', '.join(names) or 'none'


class Publisher(abc.ABC):
    """Makes known what a host is and accepts.

    One is made for the life of the process, so it may remember what it has
    published; every call must be right all the same when somebody else has
    changed that meanwhile.

    :param conf: the collector's options
    :raises exceptions.BadInput: its own options are incomplete
    """

    @abc.abstractmethod
    def __init__(self, conf: cfg.ConfigOpts): ...

    @abc.abstractmethod
    def publish(self, host: host_traits.Host) -> Summary:
        """Publish what a host is and accepts.

        Of a parent with a ``failure`` publish what its ``settled`` returns
        for the traits that are published of it now.

        :raises exceptions.Failure: it cannot be done; what was published
            and is still true is there as before
        """

    @abc.abstractmethod
    def withdraw(self, name: str) -> Summary:
        """Take back all that was ever published for a host.

        :param name: hypervisor hostname
        :raises exceptions.Failure: it cannot be done
        """

    def withhold(self, name: str) -> Summary:
        """Take back all that a host accepts; what it is may stay.

        This is for a host that cannot be read, or judged, any longer.

        :param name: hypervisor hostname
        :raises exceptions.Failure: it cannot be done
        """
        return self.withdraw(name)
