# SPDX-License-Identifier: Apache-2.0
"""Which allocation candidates of which hosts are left. Pure.

Nova pairs an instance's mdevs with the target's by type name only
(``LibvirtDriver.check_can_live_migrate_destination``), so whatever target
parent serves a type must accept every source of that type.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
import dataclasses
import functools
from typing import Any, Protocol

from nova_mdev_compat.core.matching import Source

#: In the place of a type: that of a parent that accepts nothing.
UNKNOWN = ''

Candidate = Mapping[str, Any]


class Host(Protocol):
    """What is looked at of Nova's ``HostState``.

    :ivar uuid: of its root provider
    """

    uuid: str
    allocation_candidates: list[Candidate]


@dataclasses.dataclass(frozen=True)
class Acceptors:
    """Who accepts all sources of one type.

    :ivar roots: UUIDs of hosts, whichever of their parents it is
    :ivar parents: UUIDs of parents of hosts whose parents differ
    :ivar parent_roots: UUIDs of the hosts of those parents
    """

    roots: frozenset[str] = frozenset()
    parents: frozenset[str] = frozenset()
    parent_roots: frozenset[str] = frozenset()

    @classmethod
    def of(cls, pairs: Collection[tuple[str, str]]) -> 'Acceptors':
        """Sort providers into roots and parents.

        :param pairs: UUID of a provider, and of the root of its tree
        """
        parents = {uuid: root for uuid, root in pairs if uuid != root}
        return cls(
            frozenset(uuid for uuid, root in pairs if uuid == root),
            frozenset(parents),
            frozenset(parents.values()),
        )

    @functools.cached_property
    def hosts(self) -> frozenset[str]:
        """UUIDs of all hosts on which somebody accepts."""
        return self.roots | self.parent_roots


class CandidateFilter:
    """Which hosts, and which candidates of theirs, are left.

    What is not known is taken for acceptance: whoever is refused then has
    refused what is known.

    :param sources: parents of the instance's mdevs
    :param acceptors: by mdev type; None where nobody knows them
    :param classes: resource classes of mdevs
    """

    def __init__(
        self,
        sources: Sequence[Source],
        acceptors: Mapping[str, Acceptors | None],
        classes: frozenset[str],
    ):
        self._acceptors = {
            name: some for name, some in acceptors.items() if some is not None
        }
        self._classes = classes
        self._total = sum(source.amount for source in sources)
        self._demands = _demands(
            [(_places(source, acceptors), source.amount) for source in sources]
        )
        self._only = None
        if len(acceptors) == 1 and all(one.identities for one in sources):
            (self._only,) = acceptors.values()

    def filter(
        self,
        hosts: Iterable[Host],
    ) -> tuple[list[tuple[Host, list[Candidate]]], list[Host]]:
        """Return which hosts lose candidates; most lose none.

        :returns: hosts that keep some, with these; hosts that keep none
        """
        narrowed, refused = [], []
        for host in hosts:
            candidates = host.allocation_candidates
            left = self.remaining(host.uuid, candidates)
            if not left:
                refused.append(host)
            elif len(left) < len(candidates):
                narrowed.append((host, left))
        return narrowed, refused

    def remaining(
        self, root: str, candidates: list[Candidate]
    ) -> list[Candidate]:
        """Return the candidates of a host that every parent in it accepts.

        :param root: UUID of the host's root provider
        """
        only = self._only
        if only is None:
            return [item for item in candidates if self._fits(root, item)]
        if root in only.roots:
            return candidates
        if root not in only.parent_roots:
            return []
        return self._only_from(only.parents, candidates)

    def _only_from(
        self, parents: frozenset[str], candidates: list[Candidate]
    ) -> list[Candidate]:
        """Return the candidates that take mdevs from no other parents."""
        left, classes = [], self._classes
        for candidate in candidates:
            for uuid, item in candidate['allocations'].items():
                if uuid not in parents and not classes.isdisjoint(
                    item['resources']
                ):
                    break
            else:
                left.append(candidate)
        return left

    def _fits(self, root: str, candidate: Candidate) -> bool:
        """Tell whether the sources' mdevs can be what a candidate takes."""
        found: dict[str, int] = {}
        total = 0
        for uuid, item in candidate['allocations'].items():
            amount = _amount(item['resources'], self._classes)
            if amount:
                mdev_type = self._type_of(root, uuid)
                found[mdev_type] = found.get(mdev_type, 0) + amount
                total += amount
        for places, wanted in self._demands:
            room = 0
            for mdev_type in places:
                room += found.get(mdev_type, 0)
            if room < wanted:
                return False
        return total == self._total

    def _type_of(self, root: str, uuid: str) -> str:
        """Return the type for which a parent accepts the sources."""
        for mdev_type, acceptors in self._acceptors.items():
            if uuid in acceptors.parents or root in acceptors.roots:
                return mdev_type
        return UNKNOWN


def _places(
    source: Source,
    acceptors: Mapping[str, Acceptors | None],
) -> frozenset[str]:
    """Return the types of parents on which a source's mdevs may land."""
    types = frozenset(identity.type for identity in source.identities)
    if not types:
        return frozenset([UNKNOWN, *acceptors])
    if any(acceptors[mdev_type] is None for mdev_type in types):
        return types | {UNKNOWN}
    return types


def _demands(
    wanted: Sequence[tuple[frozenset[str], int]],
) -> list[tuple[frozenset[str], int]]:
    """Return how many mdevs some types must have room for, taken together.

    Mdevs of a source whose type is not known may be of each of its types.
    All of them find a place exactly if no set of types is short of room for
    those that can go nowhere else (Hall's theorem). Sets of types between
    which no source can choose are looked at apart. What is left are few sets,
    as the types of one host are few.

    :param wanted: for each source, its types and its amount
    """
    sets = list({places for places, _ in wanted})
    for union in sets:  # which grows meanwhile
        for places, _ in wanted:
            if places & union and places | union not in sets:
                sets.append(places | union)
    return [
        (union, sum(amount for places, amount in wanted if places <= union))
        for union in sets
    ]


def mdev_amounts(
    candidate: Candidate, classes: frozenset[str]
) -> dict[str, int]:
    """Return how many mdevs a candidate takes from each provider."""
    return amounts(
        {
            uuid: item['resources']
            for uuid, item in candidate['allocations'].items()
        },
        classes,
    )


def amounts(
    allocations: Mapping[str, Mapping[str, int]], classes: frozenset[str]
) -> dict[str, int]:
    """Return how many mdevs are allocated, by provider.

    :param allocations: amounts by resource class, by provider UUID
    """
    found = {
        uuid: _amount(resources, classes)
        for uuid, resources in allocations.items()
    }
    return {uuid: amount for uuid, amount in found.items() if amount}


def _amount(resources: Mapping[str, int], classes: frozenset[str]) -> int:
    amount = 0
    for name in classes:
        amount += resources.get(name, 0)
    return amount
