# SPDX-License-Identifier: Apache-2.0
"""What a search for an order of upgrades has found. Pure."""

import dataclasses
import enum

from nova_mdev_compat.upgrade.board import Stay
from nova_mdev_compat.upgrade.problem import Loss


class Outcome(enum.Enum):
    FOUND = 'an order'
    NONE = 'no order'
    UNDECIDED = 'undecided'


@dataclasses.dataclass(frozen=True)
class Run:
    """Upgrades of hosts that are alike, one after the other."""

    group: int
    number: int


@dataclasses.dataclass(frozen=True)
class DeadEnd:
    """Upgrades after which no further one is possible.

    :ivar done: upgraded hosts by group
    :ivar losses: for each group that has hosts left, whom its next one would
        strand; for None, whom every order strands
    """

    done: tuple[int, ...]
    losses: tuple[tuple[int | None, tuple[Loss, ...]], ...]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What was found.

    :ivar runs: all upgrades in order; where there is no order that strands
        nobody, or none was found, those of one that strands few
    :ivar stranded: who is before the first upgrade: a kind of hosts, and how
        instances stay there
    :ivar tried: how many steps
    :ivar dead_ends: those of the most upgrades; there may be more
    """

    outcome: Outcome
    runs: tuple[Run, ...]
    stranded: frozenset[tuple[int, Stay]]
    tried: int
    dead_ends: tuple[DeadEnd, ...] = ()
