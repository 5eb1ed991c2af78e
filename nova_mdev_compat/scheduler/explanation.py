# SPDX-License-Identifier: Apache-2.0
"""Why no host accepts a live migration."""

from collections.abc import Collection
from typing import Any

from nova_mdev_compat.core import matching
from nova_mdev_compat.core import traits
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import queries
from nova_mdev_compat.scheduler.advertised import Advertised
from nova_mdev_compat.scheduler.advertised import Published
from nova_mdev_compat.scheduler.counters import DecisionReason
from nova_mdev_compat.scheduler import live_migration
from nova_mdev_compat.scheduler import log


def none_left(
    advertised: Advertised,
    question: live_migration.LiveMigration,
    published: Published,
    hosts: Collection[Any],
    unpublished: frozenset[str],
) -> DecisionReason:
    """Log why no host is left, and return the reason as it is counted.

    That is worth a few more requests.

    :param hosts: those of the request
    :param unpublished: UUIDs of those that publish nothing readable
    """
    schemas = traits.other_schemas(published.carried)
    other_schema: frozenset[str] = frozenset()
    try:
        if unpublished and schemas:
            other_schema = advertised.hosts(
                ('required', f'in:{",".join(schemas)}')
            )
        accepted, reasons = _reasons_elsewhere(advertised, question, published)
    except client.PlacementError as exc:
        reasons = [f'The reasons of other hosts are unknown: {exc}']
        reason = DecisionReason.UNDETERMINED
    else:
        reasons = log.sentences(accepted, reasons)
        reason = DecisionReason.CAPACITY if accepted else DecisionReason.DEVICE
    log.none_left(
        question,
        reasons,
        [
            host.host
            for host in hosts
            if host.uuid in unpublished - other_schema
        ],
        [
            host.host
            for host in hosts
            if host.uuid in unpublished & other_schema
        ],
        schemas,
    )
    return DecisionReason.TARGETS if len(unpublished) == len(hosts) else reason


def _reasons_elsewhere(
    advertised: Advertised,
    question: live_migration.LiveMigration,
    published: Published,
) -> tuple[bool, list[str]]:
    """Return whether another host than the source's accepts, and why not.

    The source's own patterns match best, but it is not a candidate.
    """
    home = advertised.hosts(('uuid', question.provider))
    taken = {
        served
        for served, sources in matching.by_type(question.all_sources).items()
        if not advertised.acceptors(published, served, sources).hosts <= home
    }
    clauses = log.clauses(question, published.content.accepts, taken)
    advertisers = queries.advertisers(published.carried) or ()
    reasons = [
        reason
        for reason, names in clauses[: log.REASONS]
        if not advertised.find(queries.queries([names], advertisers)).hosts
        <= home
    ]
    return bool(taken), reasons
