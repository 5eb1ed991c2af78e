# SPDX-License-Identifier: Apache-2.0
"""The filter's lines in the scheduler's log: one or two a request."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.conf import errors
from nova_mdev_compat.conf import mdev_compat as options
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import offer
from nova_mdev_compat.core.pattern import Pattern
from nova_mdev_compat.core.pattern import Stage
from nova_mdev_compat.core import text
from nova_mdev_compat.scheduler import live_migration

CONF = cfg.CONF
#: One name for all lines of the filter.
LOG = logging.getLogger('nova_mdev_compat.filters')

#: How many reasons a line names.
REASONS = 5
#: Options in effect that are logged. Those of Placement are the scheduler's
#: own: they decide which Placement answers, and with which user.
OPTIONS = {
    'mdev_compat': [option.dest for option in options.OPTS],
    'placement': [
        'auth_type',
        'region_name',
        'valid_interfaces',
        'endpoint_override',
        'timeout',
    ],
}
#: Beyond where any pattern fails.
_FITS: Stage = (4, '')


def options_in_effect() -> None:
    """Log the options in effect, so that schedulers can be compared.

    A wrong value does not keep nova-scheduler from starting.
    """
    found = []
    for group, names in OPTIONS.items():
        for name in names:
            try:
                value = CONF[group][name]
            except cfg.Error as exc:
                value = f'invalid ({errors.describe(exc)})'
            if isinstance(value, list):
                value = ','.join(value)
            found.append(f'[{group}]{name} = {value}')
    LOG.info('MdevCompatFilter: options in effect: %s', ', '.join(found))


def answered(
    question: live_migration.LiveMigration,
    hosts: Sequence[Any],
    refused: Sequence[Any],
    unpublished: Collection[str],
) -> None:
    """Log how many hosts accept.

    :param unpublished: UUIDs of the refused hosts that publish nothing
        readable
    """
    permissive = CONF.mdev_compat.mode == options.PERMISSIVE
    LOG.info(
        '%(mode)s%(question)s: %(passed)d of %(total)d hosts accept it, '
        '%(refused)d do not, and %(unpublished)d publish nothing that can be '
        'read',
        {
            'mode': 'Permissive, nothing is refused: ' if permissive else '',
            'question': question,
            'passed': len(hosts) - len(refused),
            'total': len(hosts),
            'refused': len(refused) - len(unpublished),
            'unpublished': len(unpublished),
        },
    )
    if refused and LOG.isEnabledFor(logging.DEBUG):
        LOG.debug(
            'Refused: %s; published nothing: %s',
            [host.host for host in refused],
            [host.host for host in refused if host.uuid in unpublished],
        )


def none_left(
    question: live_migration.LiveMigration,
    reasons: Iterable[str],
    unpublished: Collection[str],
    other_schema: Collection[str],
    schemas: Collection[str],
) -> None:
    """Log why there is no valid host, in the words of the commands.

    :param reasons: those of other hosts, in sentences
    :param unpublished: names of hosts on which no collector has published
    :param other_schema: names of hosts that publish in other schemas
    :param schemas: the traits of these
    """
    found = list(reasons)
    if unpublished:
        found.append(
            f'On {text.join(sorted(unpublished))}: {matching.NOT_PUBLISHED}; '
            'start nova-mdev-collector'
        )
    if other_schema:
        found.append(
            f'Of {text.join(sorted(other_schema))}: {matching.other_schema(schemas)}; '
            'upgrade nova-mdev-compat here'
        )
    LOG.warning(
        'No host accepts %(question)s. %(why)sFor each host: openstack mdev '
        'target list %(instance)s',
        {
            'question': question,
            'instance': question.instance,
            'why': ''.join(f'{sentence}. ' for sentence in found),
        },
    )


def clauses(
    question: live_migration.LiveMigration,
    patterns: Mapping[str, Pattern],
    taken: Collection[str],
) -> list[tuple[str, list[str]]]:
    """Return why patterns for the device refuse, each with these patterns.

    Patterns whose first failure is the latest come first.

    :param patterns: by trait
    :param taken: types, as ``Identity.served``, for which some device accepts
        all sources; a pattern that matches is not a reason there
    """
    found: dict[tuple[Stage, str], list[str]] = {}
    for served, sources in matching.by_type(question.all_sources).items():
        apart = (
            str(matching.TOGETHER)
            if len(sources) > 1
            else str(offer.not_served(sources[0].type))
        )
        for source in sources:
            for name, pattern in patterns.items():
                if not pattern.takes_parent(source.parent):
                    continue
                failure = matching.first_failure(pattern, source)
                if failure:
                    key = failure[0], str(failure[1])
                elif served not in taken:
                    key = _FITS, apart
                else:
                    continue
                found.setdefault(key, []).append(name)
    ordered = sorted(sorted(found), key=lambda key: key[0], reverse=True)
    return [(reason, found[stage, reason]) for stage, reason in ordered]


def sentences(accepted: bool, reasons: Sequence[str]) -> list[str]:
    """Return why hosts other than the source's are not chosen.

    :param accepted: one of their devices accepts; it may be full
    :param reasons: why their patterns do not match
    """
    found = []
    if accepted:
        found.append(
            f'Another host {matching.NO_CAPACITY}, or Nova excluded it for '
            'another reason'
        )
    if reasons:
        found.append(
            f'Patterns for this device do not match: {"; ".join(reasons)}'
        )
    return found or ['No other host publishes a pattern for this device']


def unanswered(
    instance: str, total: int, refused: int, why: Exception
) -> None:
    """Log why compatibility is unknown, and what the filter does.

    :param refused: how many hosts are refused
    """
    if refused in (0, total):
        what = f'{"Refusing" if refused else "Passing"} all {total} hosts'
    else:
        what = (
            f'Refusing {refused} of {total} hosts, which reject the known '
            f'mdevs, and passing {total - refused}'
        )
    LOG.warning(
        'Compatibility of the vGPUs of instance %(instance)s is unknown: '
        '%(why)s. %(what)s ([mdev_compat]mode = %(mode)s, '
        'unknown = %(unknown)s)',
        {
            'instance': instance,
            'why': why,
            'what': what,
            'mode': CONF.mdev_compat.mode,
            'unknown': CONF.mdev_compat.unknown,
        },
    )


def not_migratable(instance: str, total: int, why: Exception) -> None:
    """Log that Nova would refuse every host."""
    LOG.warning(
        'Nova cannot live-migrate instance %(instance)s: %(why)s. Refusing '
        'all %(total)d hosts at once ([mdev_compat]mode = %(mode)s)',
        {
            'instance': instance,
            'why': why,
            'total': total,
            'mode': CONF.mdev_compat.mode,
        },
    )


def left_behind(question: live_migration.LiveMigration) -> None:
    """Log that the instance has a newer migration than this one."""
    LOG.warning(
        'Instance %(instance)s has a newer migration than %(migration)s, '
        'which is still accepted and holds its mdevs. If no live migration '
        'of the instance is in progress, a conductor died and left that '
        'record; see "A migration that was left behind" in the guide',
        {'instance': question.instance, 'migration': question.migration},
    )


def unpublished_unknown(why: Exception) -> None:
    """Log why no host counts as one that publishes nothing."""
    LOG.warning(
        'Cannot determine which of the hosts that do not accept publish '
        'anything. None of them passes as unknown: %s',
        why,
    )


def unreadable(names: Collection[str]) -> None:
    """Log which accept patterns cannot be read."""
    LOG.warning(
        'Ignoring %(patterns)s in Placement that cannot be read: %(names)s. '
        'A newer nova-mdev-collector may have written them',
        {
            'patterns': text.count(len(names), 'accept pattern'),
            'names': text.join(sorted(names)),
        },
    )
