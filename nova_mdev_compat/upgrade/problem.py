# SPDX-License-Identifier: Apache-2.0
"""Hosts to upgrade, by kinds, and what can become of instances. Pure."""

from collections.abc import Callable, Iterable
import dataclasses
import enum

from nova_mdev_compat.upgrade.board import Profile
from nova_mdev_compat.upgrade.board import Stay


@dataclasses.dataclass(frozen=True)
class Kind:
    """Hosts that accept the same.

    :ivar old: what one is now
    :ivar new: what an upgrade makes of it; None where it is not upgraded
    """

    old: Profile
    new: Profile | None = None


@dataclasses.dataclass(frozen=True)
class Group:
    """Hosts of a kind that have the same kinds of instances.

    :ivar kind: index in Problem.kinds
    :ivar stays: of the instances, each once
    :ivar size: number of hosts
    """

    kind: int
    stays: frozenset[Stay]
    size: int


@dataclasses.dataclass(frozen=True)
class Problem:
    """Hosts to upgrade, and others.

    :ivar lands: how an instance that stays in one way could then stay on a
        host of some profile; not at all if that does not accept it
    :ivar leaves: whether an instance must leave a host of some kind before
        its upgrade
    """

    kinds: tuple[Kind, ...]
    groups: tuple[Group, ...]
    lands: Callable[[Stay, Profile], Iterable[Stay]]
    leaves: Callable[[Stay, Kind], bool]

    def steps(self, group: int) -> int:
        """Return how many hosts of a group are to be upgraded."""
        one = self.groups[group]
        return 0 if self.kinds[one.kind].new is None else one.size


#: A kind of hosts, and how an instance is on one at first.
Start = tuple[int, Stay]


@dataclasses.dataclass(frozen=True)
class State:
    """What can be while so many hosts have been upgraded.

    :ivar done: hosts that have been, by group
    :ivar homes: for each start, where an instance can be whose first host
        has not been upgraded; 0 if there is no such instance
    :ivar gone: the same for those whose first host has, whichever it was;
        what has another one as a part is left out, as the harder one counts
    """

    done: tuple[int, ...]
    homes: tuple[int, ...]
    gone: tuple[int, ...] = ()


class When(enum.Enum):
    """When an instance is lost to an order."""

    #: No other host takes it when a step is done.
    NOW = 'now'
    #: It can get nowhere where another host takes it when all is done.
    AT_LAST = 'at last'


@dataclasses.dataclass(frozen=True)
class Loss:
    """Instances for which a step is the end.

    :ivar at: where no host takes them: a kind of hosts, whether upgraded,
        and how they are there
    """

    start: Start
    at: tuple[int, bool, Stay]
    when: When
