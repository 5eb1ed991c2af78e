# SPDX-License-Identifier: Apache-2.0
"""How a plan of upgrades looks, for people and for programs."""

from collections.abc import Iterator, Sequence
import dataclasses
from typing import Any

from nova_mdev_compat.cli import common
from nova_mdev_compat.upgrade import obstacles as obst
from nova_mdev_compat.upgrade.simulation import Move

COLUMNS = (
    'Step',
    'Host',
    'Change',
    'To Move',
    'Go To',
    'No Room',
    'To Stop',
    'Stranded',
    'Because',
)

#: Rows in a table before those that are alike are one.
MANY = 20


class Number(common.Column):
    """How many there are for people; which ones for programs."""

    def human_readable(self) -> str:
        return str(len(self._value))

    def machine_readable(self) -> Any:
        return list(self._value)


class Targets(common.Column):
    """Where instances go: hosts for people, moves in order for programs."""

    def human_readable(self) -> str:
        last = {move.instance: move.target for move in self._value}
        hosts = list(dict.fromkeys(last.values()))
        return obst.named(hosts)

    def machine_readable(self) -> Any:
        return [
            {'server': move.instance, 'from': move.origin, 'to': move.target}
            for move in self._value
        ]


@dataclasses.dataclass(frozen=True)
class Row:
    """Upgrades of hosts that are alike; or who is stranded at first.

    :ivar first: number of the first one, 0 where it is none
    :ivar group: what they have in common
    :ivar change: what becomes of the hosts, in words
    :ivar stranded: UUIDs
    """

    first: int
    group: int
    hosts: tuple[str, ...]
    change: str
    moves: tuple[Move, ...] = ()
    no_room: tuple[str, ...] = ()
    to_stop: tuple[str, ...] = ()
    stranded: tuple[str, ...] = ()
    because: str = ''

    @property
    def to_move(self) -> int:
        """How many instances have to be moved."""
        return len({move.instance for move in self.moves} | set(self.no_room))

    def columns(self) -> tuple[Any, ...]:
        """Return what is shown."""
        step: int | str = self.first
        host = self.hosts[0]
        more = len(self.hosts) - 1
        if more:
            step = f'{self.first}-{self.first + more}' if self.first else 0
            host += f' and {more} more'
        return (
            step,
            host,
            self.change,
            self.to_move,
            Targets(self.moves),
            Number(self.no_room),
            Number(self.to_stop),
            Number(self.stranded),
            self.because,
        )

    def _key(self) -> object:
        return (
            bool(self.first),
            self.group,
            self.change,
            *map(
                bool, (self.moves, self.no_room, self.to_stop, self.stranded)
            ),
            self.because,
        )

    def joined(self, other: 'Row') -> 'Row | None':
        """Return one row for this one and the next; None if they differ."""
        if self._key() != other._key():
            return None
        return dataclasses.replace(
            self,
            **{
                name: getattr(self, name) + getattr(other, name)
                for name in (
                    'hosts',
                    'moves',
                    'no_room',
                    'to_stop',
                    'stranded',
                )
            },
        )


def merged(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield rows, and where they are many, one for those that are alike."""
    if len(rows) <= MANY:
        yield from rows
        return
    last = rows[0]
    for row in rows[1:]:
        both = last.joined(row)
        if both is None:
            yield last
        last = both or row
    yield last
