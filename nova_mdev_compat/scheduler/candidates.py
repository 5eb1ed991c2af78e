# SPDX-License-Identifier: Apache-2.0
"""Which hosts and which allocation candidates remain. Pure.

Nova pairs an instance's mdevs with the target's by type name only
(``LibvirtDriver.check_can_live_migrate_destination``), so whatever target
parent serves a type must accept every source of that type.
"""

import collections
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
import dataclasses
import functools
from typing import Any, Protocol

from nova_mdev_compat.core.matching import Source

#: The type of a parent that accepts no source.
UNKNOWN = ''

Candidate = Mapping[str, Any]


class HostState(Protocol):
    """The part of Nova's ``HostState`` that is used here.

    :ivar uuid: of its root provider
    """

    uuid: str
    allocation_candidates: Sequence[Candidate]


@dataclasses.dataclass(frozen=True)
class Acceptors:
    """The providers that accept all sources of one type.

    :ivar roots: UUIDs of hosts on which every parent accepts
    :ivar parents: UUIDs of accepting parents on hosts whose parents differ
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
        """UUIDs of all hosts with an accepting provider."""
        return self.roots | self.parent_roots

    def without(self, refusing: Iterable[tuple[str, str]]) -> frozenset[str]:
        """Return the hosts on which no parent refuses.

        :param refusing: parents and their roots; accepting ones do not count
        """
        return self.hosts - {
            root for uuid, root in refusing if uuid not in self.parents
        }


class RemainingCandidates(Sequence[Candidate]):
    """The candidates of a host that fit. There is at least one.

    The candidates are checked when they are read. One that fits is enough to
    keep the host, and Nova reads the others of few hosts: it claims a
    candidate of one host, and other filters read candidates only for requests
    with PCI devices or NUMA topologies.

    :param fits: takes the UUID of a root provider and a candidate
    :param root: UUID of the host's root provider
    :param candidates: of the host
    """

    # There is one for each of thousands of hosts.
    __slots__ = ('_candidates', '_fits', '_root')

    def __init__(
        self,
        fits: Callable[[str, Candidate], bool],
        root: str,
        candidates: Sequence[Candidate],
    ):
        self._fits: Callable[[str, Candidate], bool] | None = fits
        self._root = root
        self._candidates = candidates

    def _fitting(self) -> Sequence[Candidate]:
        fits = self._fits
        if fits is not None:
            self._candidates = [
                item for item in self._candidates if fits(self._root, item)
            ]
            self._fits = None
        return self._candidates

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self._fitting())

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self._fitting())

    def __getitem__(self, index: Any) -> Any:
        return self._fitting()[index]

    def __repr__(self) -> str:
        return repr(self._fitting())


class CandidateFilter:
    """Decides which hosts, and which of their candidates, remain.

    Unknown data count as acceptance. A refusal always rests on known data.

    :param sources: parents of the instance's mdevs
    :param acceptors: by mdev type; None where they are unknown
    :param classes: resource classes of mdevs
    """

    def __init__(
        self,
        sources: Sequence[Source],
        acceptors: Mapping[str, Acceptors | None],
        classes: frozenset[str],
    ):
        known = {name: one for name, one in acceptors.items() if one}
        self._acceptors = [
            (name, one.parents, one.roots) for name, one in known.items()
        ]
        self._classes = classes
        self._total = sum(source.amount for source in sources)
        self._demands = _demands(
            [(_places(source, acceptors), source.amount) for source in sources]
        )
        # The candidates of a cloud take few different amounts.
        self._verdicts: dict[tuple[tuple[str, int], ...], bool] = {}
        #: The acceptors if all mdevs have the same known type.
        self._only: Acceptors | None = None
        if len(acceptors) == 1 and all(one.identities for one in sources):
            (self._only,) = acceptors.values()
        self._parents = self._only.parents if self._only else frozenset()

    def filter(
        self, hosts: Iterable[HostState], narrow: bool = True
    ) -> list[HostState]:
        """Return the hosts that keep no candidate.

        :param narrow: remove the candidates that do not fit from the hosts
            that keep one
        """
        refused = []
        for host in hosts:
            candidates = host.allocation_candidates
            remaining = self.remaining(host.uuid, candidates)
            if not remaining:
                refused.append(host)
            elif narrow and remaining is not candidates:
                host.allocation_candidates = remaining
        return refused

    def remaining(
        self, root: str, candidates: Sequence[Candidate]
    ) -> Sequence[Candidate]:
        """Return the candidates of a host whose parents all accept.

        :param root: UUID of the host's root provider
        """
        only = self._only
        if only is None:
            fits = self._fits
        elif root in only.roots:
            return candidates
        elif root in only.parent_roots:
            fits = self._fits_one_type
        else:
            return []
        for candidate in candidates:
            if fits(root, candidate):
                if len(candidates) == 1:
                    return candidates
                return RemainingCandidates(fits, root, candidates)
        return []

    def _fits_one_type(self, root: str, candidate: Candidate) -> bool:
        """Return whether all mdevs of a candidate come from acceptors.

        For mdevs of one type and a host that publishes per parent.
        """
        classes, parents = self._classes, self._parents
        for uuid, item in candidate['allocations'].items():
            if uuid not in parents and not classes.isdisjoint(
                item['resources']
            ):
                return False
        return True

    def _fits(self, root: str, candidate: Candidate) -> bool:
        """Return whether the sources' mdevs can be those of a candidate."""
        classes = self._classes
        found: tuple[tuple[str, int], ...] = ()
        for uuid, item in candidate['allocations'].items():
            resources = item['resources']
            for name in classes:
                if name in resources:
                    # Function calls would cost a third more here.
                    mdev_type = UNKNOWN
                    for accepted, parents, roots in self._acceptors:
                        if uuid in parents or root in roots:
                            mdev_type = accepted
                            break
                    found += ((mdev_type, resources[name]),)
        verdict = self._verdicts.get(found)
        if verdict is None:
            verdict = self._verdicts[found] = self._satisfies(found)
        return verdict

    def _satisfies(self, found: Iterable[tuple[str, int]]) -> bool:
        """Return whether amounts are those that the sources demand.

        :param found: mdev types, with an amount each
        """
        amounts = collections.Counter[str]()
        for mdev_type, amount in found:
            amounts[mdev_type] += amount
        return amounts.total() == self._total and all(
            sum(amounts[mdev_type] for mdev_type in places) >= wanted
            for places, wanted in self._demands
        )


def _places(
    source: Source,
    acceptors: Mapping[str, Acceptors | None],
) -> frozenset[str]:
    """Return the types of target parents that a source's mdevs may get."""
    types = frozenset(identity.served for identity in source.identities)
    if not types:
        return frozenset([UNKNOWN, *acceptors])
    if any(acceptors[mdev_type] is None for mdev_type in types):
        return types | {UNKNOWN}
    return types


def _demands(
    wanted: Sequence[tuple[frozenset[str], int]],
) -> list[tuple[frozenset[str], int]]:
    """Return how many mdevs each set of types must have room for.

    The mdevs of a source may be of any of its types. All mdevs find a place
    if and only if each set of types has room for the mdevs that must be of
    one of them (Hall's theorem). Only sets that overlap are united, so there
    are few sets: a host has few types.

    :param wanted: for each source, its types and its amount
    """
    sets = list({places for places, _ in wanted})
    for union in sets:  # The loop adds to this list.
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
        uuid: sum(resources.get(name, 0) for name in classes)
        for uuid, resources in allocations.items()
    }
    return {uuid: amount for uuid, amount in found.items() if amount}
