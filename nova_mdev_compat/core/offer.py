# SPDX-License-Identifier: Apache-2.0
"""What a target offers, and whether it accepts a source.

This is the one answer to "may this mdev move there". The late check, the rule
tool, ``openstack mdev`` and upgrade planning ask it; the filter asks Placement
for the same patterns and types.
"""

import dataclasses
import functools

from nova_mdev_compat.core.identity import display_type
from nova_mdev_compat.core.identity import Identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.pattern import Pattern
from nova_mdev_compat.core.traits import Description
from nova_mdev_compat.core.verdict import Cause
from nova_mdev_compat.core.verdict import Reason
from nova_mdev_compat.core.verdict import Status
from nova_mdev_compat.core.verdict import Verdict

#: Verdicts that are kept. A cloud has few distinct offers and sources, and asks
#: about the same ones for each host and instance.
_KEPT = 65536

#: Of a host or parent that has published, but without a pattern.
ACCEPTS_NOTHING = Reason(Cause.VENDOR, 'publishes no accepted sources')


@dataclasses.dataclass(frozen=True)
class Offer:
    """What a provider advertises: a parent, or a root for all its parents.

    :ivar accepts: patterns; any one of them suffices
    :ivar serves: mdev types that Nova may create there
    """

    accepts: frozenset[Pattern]
    serves: frozenset[str]

    @classmethod
    def of(cls, description: Description) -> 'Offer':
        """Return what a provider's traits advertise."""
        return cls(frozenset(description.accepts.values()), description.types)

    def for_type(self, mdev_type: str) -> 'Offer':
        """Return the offer of a parent on which the type is decided."""
        return Offer(self.accepts, self.serves & {mdev_type})

    def floor(self, source: Identity) -> Reason | None:
        """Return why no rule can accept a source, None if rules decide.

        Nova compares the names of mdev types on the destination and takes no
        other (``LibvirtDriver.check_can_live_migrate_destination``).
        """
        return None if source.type in self.serves else not_served(source.type)

    @functools.lru_cache(maxsize=_KEPT)  # noqa: B019
    def judge(self, source: Identity) -> Verdict:
        """Return whether a source may land here, or why not.

        It is unknown if a pattern might accept the source with all data
        known. The type is the reason if the parent would fit.
        """
        if not self.accepts:
            return Verdict(Status.INCOMPATIBLE, (ACCEPTS_NOTHING,))
        patterns = sorted(
            self.accepts,
            key=lambda one: (one.parent, one.type, str(one.conditions)),
        )
        verdicts = [pattern.judge(source) for pattern in patterns]
        accepted = any(verdicts)
        floor = self.floor(source)
        if floor and (
            accepted
            or any(one.takes_parent(source.parent) for one in patterns)
        ):
            return Verdict(Status.INCOMPATIBLE, (floor,))
        if accepted:
            return Verdict(Status.COMPATIBLE)
        unknown = any(one.kind is Status.UNKNOWN for one in verdicts)
        return Verdict(
            Status.UNKNOWN if unknown else Status.INCOMPATIBLE,
            matching.first_failures(patterns, source),
        )


@functools.lru_cache(maxsize=_KEPT)
def judge(offers: frozenset[Offer], source: Identity) -> Verdict:
    """Return whether one of a host's offers accepts a source, or why none."""
    if any(offer.judge(source) for offer in offers):
        return Verdict(Status.COMPATIBLE)
    together = Offer(
        frozenset(one for offer in offers for one in offer.accepts),
        frozenset(name for offer in offers for name in offer.serves),
    )
    found = together.judge(source)
    if not found:
        return found
    # One has the pattern, another serves the type.
    return Verdict(Status.INCOMPATIBLE, (not_served(source.type),))


def not_served(mdev_type: str) -> Reason:
    """Return why a target does not take a source of another type."""
    return Reason(
        Cause.TYPE,
        f'does not serve type {display_type(mdev_type)}, and Nova takes no '
        'other',
    )
