# SPDX-License-Identifier: Apache-2.0
"""Whether a host accepts all vGPUs of an instance, as the filter decides.

Nova pairs an instance's mdevs with the target's by type name only, and its
virtual functions by their order, so a target parent must accept every source
of its type. Pure.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
import dataclasses
import functools
from typing import Any

from nova_mdev_compat.core import identity
from nova_mdev_compat.core.identity import Identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import offer
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import verdict

#: What a parent may serve (``Identity.served``), and the sources that it must
#: then accept.
Alternative = tuple[str, tuple[Identity, ...]]

_TOGETHER = verdict.Verdict(verdict.Status.INCOMPATIBLE, (matching.TOGETHER,))


@dataclasses.dataclass(frozen=True)
class Need:
    """vGPUs of one type that an instance needs on another host.

    :ivar alternatives: one; several if the type is not known, because a
        source serves one type and still has another in use
    :ivar resource_class: which they are allocated from
    :ivar amounts: that one parent each has to provide, the largest first:
        the mdevs of one source together, and each virtual function alone
    """

    alternatives: tuple[Alternative, ...]
    resource_class: str
    amounts: tuple[int, ...]

    @property
    def framework(self) -> str:
        """What it needs: mdevs (MDEV) or virtual functions (VFIO)."""
        return self.alternatives[0][1][0].framework


#: Of all vGPUs of an instance.
Needs = tuple[Need, ...]


def needs(
    held: Iterable[tuple[frozenset[Identity], str, int]],
) -> Needs:
    """Return what an instance needs on another host.

    :param held: identities of a source, resource class and amount
    """
    held = list(held)
    by_type = matching.by_type(
        matching.Source(amount, identities) for identities, _, amount in held
    )
    amounts: dict[tuple[tuple[Alternative, ...], str], list[int]] = {}
    for identities, resource_class, amount in held:
        types = {one.served for one in identities}
        alternatives = tuple(
            (name, tuple(sources))
            for name, sources in by_type.items()
            if name in types
        )
        frameworks = {one.framework for one in identities}
        amounts.setdefault((alternatives, resource_class), []).extend(
            pieces(min(frameworks, default=identity.MDEV), amount)
        )
    return tuple(
        Need(*key, tuple(sorted(some, reverse=True)))
        for key, some in amounts.items()
    )


def pieces(framework: str, amount: int) -> list[int]:
    """Return the amounts that one parent each has to provide.

    Nova asks for each virtual function in a group of its own, and for the
    mdevs of a flavor in one.

    :param amount: from one source
    """
    return [1] * amount if framework == identity.VFIO else [amount]


def most(need: Need, wanted: Needs) -> int:
    """Return how much free capacity of one parent can matter for a need.

    :param wanted: all needs of the instance; some may share the parent
    """
    types = {name for name, _ in need.alternatives}
    return sum(
        sum(one.amounts)
        for one in wanted
        if one.resource_class == need.resource_class
        and not types.isdisjoint(name for name, _ in one.alternatives)
    )


@functools.lru_cache(maxsize=65536)
def accepts(offered: Offer, need: Need) -> bool:
    """Return whether an offer accepts all sources of a need."""
    return any(
        all(offered.judge(source) for source in identities)
        for _, identities in need.alternatives
    )


@functools.lru_cache(maxsize=65536)
def judge(offers: frozenset[Offer], wanted: Needs) -> verdict.Verdict:
    """Return whether a host accepts all mdevs of an instance, or why not.

    :param offers: the host's
    """
    refusals = []
    for need in wanted:
        if not any(accepts(one, need) for one in offers):
            refusals += [
                one
                for _, identities in need.alternatives
                for source in identities
                if not (one := offer.judge(offers, source))
            ] or [_TOGETHER]
    if not refusals:
        return verdict.Verdict(verdict.Status.COMPATIBLE)
    unknown = all(one.kind is verdict.Status.UNKNOWN for one in refusals)
    return verdict.Verdict(
        verdict.Status.UNKNOWN if unknown else verdict.Status.INCOMPATIBLE,
        tuple(
            dict.fromkeys(
                reason for refusal in refusals for reason in refusal.reasons
            )
        ),
    )


def fits(wanted: Needs, free: Mapping[Need, Mapping[Any, int]]) -> bool:
    """Return whether a host has capacity for all mdevs of an instance.

    Needs whose types are not known may compete for the same parents.

    :param free: capacity of the parents that accept a need
    """
    pieces: list[tuple[int, frozenset[Hashable]]] = []
    left: dict[Hashable, int] = {}
    for need in wanted:
        parents = {
            (need.resource_class, parent): amount
            for parent, amount in free[need].items()
        }
        for parent, amount in parents.items():
            left[parent] = max(amount, left.get(parent, 0))
        pieces += [(amount, frozenset(parents)) for amount in need.amounts]
    return _place(sorted(pieces, key=lambda one: (-one[0], len(one[1]))), left)


def _place(
    pieces: Sequence[tuple[int, frozenset[Hashable]]],
    left: dict[Hashable, int],
) -> bool:
    """Return whether each piece fits on one of its parents.

    :param pieces: an amount, and the parents that may provide it
    :param left: capacity of each parent
    """
    if not pieces:
        return True
    (amount, parents), *others = pieces
    tried = set()
    for parent in parents:
        # Of parents that are equal to all other pieces, one is tried.
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
