# SPDX-License-Identifier: Apache-2.0
"""Whether a host accepts all mdevs of an instance, as the filter decides.

Nova pairs an instance's mdevs with the target's by type name only, so a
target parent must accept every source of its type. Pure.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
import dataclasses
import functools
from typing import Any

from nova_mdev_compat.core.identity import Identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import offer
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import verdict

#: An amount, and the parents that may give it.
Piece = tuple[int, frozenset[Hashable]]
#: Identities that a parent must all accept, by the type it must serve.
Alternative = tuple[str, tuple[Identity, ...]]


@dataclasses.dataclass(frozen=True)
class Need:
    """Mdevs of one type that have to find a place.

    :ivar alternatives: one, or several where the type is not known because
        a source serves one type and still has another in use
    :ivar resource_class: which they are allocated from
    :ivar amounts: from each source, the largest first
    """

    alternatives: tuple[Alternative, ...]
    resource_class: str
    amounts: tuple[int, ...]


#: Of all mdevs of an instance.
Needs = tuple[Need, ...]


def needs(
    held: Iterable[tuple[frozenset[Identity], str, int]],
) -> Needs:
    """Return what an instance needs elsewhere.

    :param held: identities of a source, resource class and amount
    """
    held = list(held)
    by_type = matching.by_type(
        matching.Source(amount, identities) for identities, _, amount in held
    )
    amounts: dict[tuple[tuple[Alternative, ...], str], list[int]] = {}
    for identities, resource_class, amount in held:
        types = {identity.type for identity in identities}
        mine = tuple(
            (name, tuple(sources))
            for name, sources in by_type.items()
            if name in types
        )
        amounts.setdefault((mine, resource_class), []).append(amount)
    return tuple(
        Need(*key, tuple(sorted(some, reverse=True)))
        for key, some in amounts.items()
    )


def most(need: Need, wanted: Needs) -> int:
    """Return how much of a parent can matter for a need, and what shares it.

    :param wanted: all needs of the instance
    """
    types = {name for name, _ in need.alternatives}
    return sum(
        sum(one.amounts)
        for one in wanted
        if one.resource_class == need.resource_class
        and not types.isdisjoint(name for name, _ in one.alternatives)
    )


_TOGETHER = verdict.Verdict(verdict.Status.INCOMPATIBLE, (matching.TOGETHER,))


@functools.lru_cache(maxsize=65536)
def accepts(offered: Offer, need: Need) -> bool:
    """Tell whether an offer accepts all sources of a need."""
    return any(
        all(offered.judge(source) for source in identities)
        for _, identities in need.alternatives
    )


@functools.lru_cache(maxsize=65536)
def judge(offers: frozenset[Offer], wanted: Needs) -> verdict.Verdict:
    """Return whether a host accepts all mdevs of an instance, or why not.

    :param offers: the host's
    """
    reasons: dict[verdict.Reason, None] = {}
    kinds = set()
    for need in wanted:
        if any(accepts(one, need) for one in offers):
            continue
        refusals = [
            one
            for _, identities in need.alternatives
            for source in identities
            if not (one := offer.judge(offers, source))
        ]
        for one in refusals or [_TOGETHER]:
            kinds.add(one.kind)
            reasons.update(dict.fromkeys(one.reasons))
    if not reasons:
        return verdict.Verdict(verdict.Status.COMPATIBLE)
    kind = (
        verdict.Status.UNKNOWN
        if kinds == {verdict.Status.UNKNOWN}
        else verdict.Status.INCOMPATIBLE
    )
    return verdict.Verdict(kind, tuple(reasons))


def fits(wanted: Needs, free: Mapping[Need, Mapping[Any, int]]) -> bool:
    """Tell whether there is room for all mdevs of an instance on a host.

    Needs whose types are not known may compete for the same parents.

    :param free: how much the parents that accept a need have to spare
    """
    pieces: list[Piece] = []
    left: dict[Hashable, int] = {}
    for need in wanted:
        some = {
            (need.resource_class, parent): amount
            for parent, amount in free[need].items()
        }
        left.update(
            (key, max(amount, left.get(key, 0)))
            for key, amount in some.items()
        )
        pieces += [(amount, frozenset(some)) for amount in need.amounts]
    return _place(sorted(pieces, key=lambda one: (-one[0], len(one[1]))), left)


def _place(pieces: Sequence[Piece], left: dict[Hashable, int]) -> bool:
    if not pieces:
        return True
    (amount, parents), *others = pieces
    tried = set()
    for parent in parents:
        # One of several parents that are alike is enough.
        alike = left[parent], tuple(parent in some for _, some in others)
        if left[parent] < amount or alike in tried:
            continue
        tried.add(alike)
        left[parent] -= amount
        placed = _place(others, left)
        left[parent] += amount
        if placed:
            return True
    return False
