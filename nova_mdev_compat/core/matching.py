# SPDX-License-Identifier: Apache-2.0
"""Why accept patterns refuse a source.

The filter's log, the rule tool and the commands all use these texts, so a
reason reads the same everywhere.
"""

import collections
from collections.abc import Collection, Iterable, Mapping
import dataclasses

from nova_mdev_compat.core.identity import Identity
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.core.verdict import Cause
from nova_mdev_compat.core.verdict import Reason

#: For a host that has mdevs.
NOT_PUBLISHED = Reason(Cause.MISSING, 'no collector has published here')
#: For a device whose traits do not have its whole identity.
NO_IDENTITY = Reason(Cause.MISSING, 'no complete identity is published')
#: For a host and an instance with several mdevs of one type.
TOGETHER = Reason(Cause.VENDOR, 'no single device accepts all of its mdevs')


def but(clause: str) -> str:
    """Return why a target that accepts a source cannot take it now."""
    return f'accepts, but {clause}'


NO_CAPACITY = but('has no free capacity')


def first_failures(
    patterns: Iterable[pat.Pattern], source: Identity
) -> tuple[Reason, ...]:
    """Return why the patterns that a source matches furthest refuse it.

    Patterns that fail earlier are left out. The result is empty if a pattern
    accepts the source.
    """
    furthest: pat.Stage = (-1, '')
    found: dict[Reason, None] = {}
    for pattern in patterns:
        failure = first_failure(pattern, source)
        if failure is None:
            return ()
        stage, reason = failure
        if stage > furthest:
            furthest, found = stage, {}
        if stage == furthest:
            found[reason] = None
    return tuple(found)


def first_failure(
    pattern: pat.Pattern, source: Identity
) -> tuple[pat.Stage, Reason] | None:
    """Return the first failure of a source; None if the pattern accepts it.

    A contradiction comes before a fact that is unknown.
    """
    return min(
        pattern.failures(source),
        key=lambda failure: (failure[1].cause is Cause.MISSING, failure[0]),
        default=None,
    )


def differences(
    patterns: Iterable[pat.Pattern], source: Identity
) -> tuple[Reason, ...]:
    """Return everything in which a source differs from the nearest pattern.

    Nearest is a pattern that only missing data keep from accepting, then the
    one that the source matches furthest, then the one with the fewest
    failures. The framework and the product each stand alone: the types and
    facts of another product are not compared. The result is empty if a
    pattern accepts the source.
    """
    nearest: tuple[bool, pat.Stage, int] = (False, (-1, ''), 0)
    found: tuple[Reason, ...] = ()
    for pattern in patterns:
        failures = list(pattern.failures(source))
        if not failures:
            return ()
        stages = [stage for stage, _ in failures]
        unknown = all(reason.cause is Cause.MISSING for _, reason in failures)
        rank = unknown, min(stages), -len(failures)
        if not found or rank > nearest:
            nearest = rank
            first = min(stages)[0]
            found = tuple(
                reason
                for (stage, _), reason in failures
                if stage == first or first >= pat.TYPE_STAGE
            )
    return found


def other_schema(schemas: Iterable[str]) -> Reason:
    """Return the reason for a host with traits of another version.

    :param schemas: schema traits that this release does not read
    """
    return Reason(
        Cause.MISSING,
        f'publishes in schema {", ".join(schemas)}, '
        'which this version does not read',
    )


def no_identity(source: str, schemas: Collection[str] = ()) -> str:
    """Return the reason for a source without an identity.

    :param source: what to call it
    :param schemas: its schema traits that this release does not read
    """
    if schemas:
        return (
            f'{source} {other_schema(schemas)}: upgrade nova-mdev-compat here'
        )
    return (
        f'{source} carries no complete identity: start '
        'nova-mdev-collector on its host, or upgrade it, and see its log'
    )


@dataclasses.dataclass(frozen=True)
class Source:
    """A parent that has mdevs of the instance.

    :ivar amount: number of the mdevs
    :ivar identities: one for each type that the parent serves or has in
        use. If there are several, the type of the mdevs is not known. If
        there are none, nothing is known about the parent.
    """

    amount: int
    identities: frozenset[Identity]


def by_type(sources: Iterable[Source]) -> dict[str, list[Identity]]:
    """Return the distinct source identities of each type.

    :returns: identities by ``Identity.served``
    """
    found: dict[str, set[Identity]] = collections.defaultdict(set)
    for source in sources:
        for identity in source.identities:
            found[identity.served].add(identity)
    return {
        mdev_type: sorted(found[mdev_type], key=str)
        for mdev_type in sorted(found)
    }


def describe(sources: Iterable[Iterable[Identity]]) -> str:
    """Return the identities of sources as one text.

    :param sources: the identities of each
    """
    return ' + '.join(
        sorted(
            ' or '.join(sorted(map(str, identities))) for identities in sources
        )
    )


def accepting_traits(
    patterns: Mapping[str, pat.Pattern], source: Identity
) -> frozenset[str]:
    """Return the traits whose patterns accept a source."""
    return frozenset(
        name
        for name, pattern in patterns.items()
        if pattern.type in (source.type, pat.ANY) and pattern.judge(source)
    )
