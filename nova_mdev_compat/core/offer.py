# SPDX-License-Identifier: Apache-2.0
"""The offer of a target, and whether it accepts a source.

The late check, the rule tool, ``openstack mdev`` and upgrade planning all
decide here whether an mdev may move. The filter asks Placement for the same
patterns and types.
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

#: Number of cached verdicts. A cloud has few distinct offers and sources; the
#: same ones are compared for each host and instance.
_KEPT = 65536

#: For a host or parent that has published, but no pattern.
ACCEPTS_NOTHING = Reason(Cause.VENDOR, 'publishes no accepted sources')


@dataclasses.dataclass(frozen=True)
class Offer:
    """What the provider of a parent or of a whole host advertises.

    :ivar accepts: patterns; a source has to match one of them
    :ivar serves: mdev types that Nova may create there
    """

    accepts: frozenset[Pattern]
    serves: frozenset[str]

    @classmethod
    def of(cls, description: Description) -> 'Offer':
        """Return the offer that the traits of a provider describe."""
        return cls(frozenset(description.accepts.values()), description.types)

    def for_type(self, mdev_type: str) -> 'Offer':
        """Return the offer of a parent that serves one type at most."""
        return Offer(self.accepts, self.serves & {mdev_type})

    def floor(self, source: Identity) -> Reason | None:
        """Return why no rule can accept a source, None if the rules decide.

        The destination has to serve the type of the source: Nova compares
        their names (``LibvirtDriver.check_can_live_migrate_destination``).
        """
        return None if source.type in self.serves else not_served(source.type)

    @functools.lru_cache(maxsize=_KEPT)  # noqa: B019
    def judge(self, source: Identity) -> Verdict:
        """Return the verdict on a source.

        It is unknown if a pattern would accept the source, depending on data
        that are missing. The type is the reason if a pattern has the parent
        of the source.
        """
        if not self.accepts:
            return Verdict(Status.INCOMPATIBLE, (ACCEPTS_NOTHING,))
        patterns = sorted(self.accepts, key=_pattern_order)
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

    def differences(self, source: Identity) -> tuple[Reason, ...]:
        """Return everything that keeps it from accepting a source.

        ``judge`` names the first difference, and this names all of them: see
        matching.differences. The result is empty if it accepts the source.
        """
        if not self.accepts:
            return (ACCEPTS_NOTHING,)
        found = matching.differences(
            sorted(self.accepts, key=_pattern_order), source
        )
        floor = self.floor(source)
        same_product = any(
            one.takes_parent(source.parent) for one in self.accepts
        )
        if floor is None or not same_product:
            return found
        return (
            floor,
            *(one for one in found if one.cause is not Cause.TYPE),
        )


@functools.lru_cache(maxsize=_KEPT)
def judge(offers: frozenset[Offer], source: Identity) -> Verdict:
    """Return the verdict of a host: one of its offers has to accept."""
    if any(offer.judge(source) for offer in offers):
        return Verdict(Status.COMPATIBLE)
    together = Offer(
        frozenset(one for offer in offers for one in offer.accepts),
        frozenset(name for offer in offers for name in offer.serves),
    )
    found = together.judge(source)
    if not found:
        return found
    # One offer has the pattern, and another serves the type.
    return Verdict(Status.INCOMPATIBLE, (not_served(source.type),))


def _pattern_order(pattern: Pattern) -> tuple[str, str, str]:
    return pattern.parent, pattern.type, str(pattern.conditions)


def not_served(mdev_type: str) -> Reason:
    """Return the reason for a target that does not serve a type."""
    return Reason(
        Cause.TYPE,
        f'does not serve type {display_type(mdev_type)}, and Nova takes no '
        'other',
    )
