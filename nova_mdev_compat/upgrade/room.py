# SPDX-License-Identifier: Apache-2.0
"""Room for mdevs on hosts, while instances move about."""

import collections
from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import itertools

from nova_mdev_compat.fleet import capacity
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.placement import client
from nova_mdev_compat.upgrade import fleet as flt
from nova_mdev_compat.upgrade import landing

#: What parents have to spare, by resource class, by UUID.
Free = Mapping[str, Mapping[str, int]]

#: Pieces, each with the devices on which it can land.
Wanted = Sequence[tuple[flt.Piece, frozenset[int]]]


def read(
    placement: client.Placement,
    classes: Iterable[str],
    progress: inventory.Progress = iter,
) -> dict[str, dict[str, int]]:
    """Return how much all parents have to spare.

    A request for each amount, up to the largest that any has.

    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    found: dict[str, dict[str, int]] = {}
    for name in progress(sorted(classes)):
        found[name] = {}
        for amount in itertools.count(1):
            some = capacity.free(placement, [(name, amount)])[name]
            if not some:
                break
            found[name].update(some)
    return found


class Room:
    """Knows which device of which host has how much to spare.

    :ivar devices: numbers of each host's devices, as they are now
    """

    def __init__(self, fleet: flt.Fleet, free: Free):
        self._landing = fleet.landing
        self.devices = [host.old for host in fleet.hosts]
        self._free = [
            [
                {name: some.get(parent, 0) for name, some in free.items()}
                for parent in host.parents
            ]
            for host in fleet.hosts
        ]

    def stay(self, host: int, pieces: flt.Pieces) -> landing.Stay:
        """Return how an instance is on a host."""
        return flt.stay(pieces, self.devices[host])

    def take(self, host: int, pieces: flt.Pieces, sign: int = 1) -> None:
        """Take room on a host, or with a sign of -1 give it back."""
        for piece in pieces:
            free = self._free[host][piece.seat]
            free[piece.resource_class] = (
                free.get(piece.resource_class, 0) - sign * piece.amount
            )

    def wanted(self, host: int, pieces: flt.Pieces) -> Wanted:
        """Return what an instance needs elsewhere, the most first."""
        stay = self.stay(host, pieces)
        takers = dict(zip(stay, self._landing.takers(stay), strict=True))
        return [
            (piece, takers[self.devices[host][piece.seat]])
            for piece in sorted(pieces, key=lambda one: -one.amount)
        ]

    def place(
        self, host: int, wanted: Wanted, there: landing.Stay
    ) -> flt.Pieces | None:
        """Return how an instance fits on a host now.

        :param there: on which devices it shall land
        :returns: None if there is not enough room
        """
        return self._place(host, wanted, collections.Counter(there))

    def _place(
        self, host: int, wanted: Wanted, there: collections.Counter[int]
    ) -> flt.Pieces | None:
        if not wanted:
            return ()
        piece, takers = wanted[0]
        for seat, device in enumerate(self.devices[host]):
            if (
                not there[device]
                or device not in takers
                or self._free[host][seat].get(piece.resource_class, 0)
                < piece.amount
            ):
                continue
            landed = (dataclasses.replace(piece, seat=seat),)
            self.take(host, landed)
            there[device] -= 1
            others = self._place(host, wanted[1:], there)
            there[device] += 1
            self.take(host, landed, -1)
            if others is not None:
                return landed + others
        return None
