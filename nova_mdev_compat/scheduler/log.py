# SPDX-License-Identifier: Apache-2.0
"""What the filter says in the scheduler's log: a line or two a request."""

from collections.abc import Collection, Iterable, Mapping, Sequence
import dataclasses
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.conf import mdev_compat as options
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import offer
from nova_mdev_compat.core.pattern import Pattern
from nova_mdev_compat.core.pattern import Stage

CONF = cfg.CONF
#: The filter's own, so that operators find all that it says under one name.
LOG = logging.getLogger('nova_mdev_compat.filters')


#: Hosts, and reasons, that a line names.
NAMED = 10
REASONS = 5

#: Beyond where any pattern fails.
_FITS: Stage = (3, '')


@dataclasses.dataclass(frozen=True)
class Question:
    """A live migration of an instance with mdevs.

    :ivar instance: its UUID
    :ivar migration: UUID of the migration, which holds the allocations of
        the source meanwhile
    :ivar sources: the parents that its mdevs sit on
    :ivar provider: UUID of the resource provider of one of them
    :ivar why: why it is not known what some of them are, if so
    """

    instance: str
    migration: str
    sources: tuple[matching.Source, ...]
    provider: str
    why: Exception | None = None

    def __str__(self) -> str:
        devices = matching.describe(
            source.identities for source in self.sources if source.identities
        )
        return (
            f'live migration {self.migration} of instance '
            f'{self.instance} from {devices}'
        )


def answered(
    question: Question,
    hosts: Sequence[Any],
    refused: Sequence[Any],
    silent: Collection[str],
) -> None:
    """Say how many hosts accept.

    :param silent: UUIDs of those among the refused that publish nothing that
        can be read
    """
    permissive = CONF.mdev_compat.mode == options.PERMISSIVE
    LOG.info(
        '%(mode)s%(question)s: %(passed)d of %(total)d hosts accept it, '
        '%(refused)d do not, and on %(silent)d nothing is published that can '
        'be read',
        {
            'mode': 'Permissive, nothing is refused: ' if permissive else '',
            'question': question,
            'passed': len(hosts) - len(refused),
            'total': len(hosts),
            'refused': len(refused) - len(silent),
            'silent': len(silent),
        },
    )
    if refused and LOG.isEnabledFor(logging.DEBUG):
        LOG.debug(
            'Refused: %s; published nothing: %s',
            [host.host for host in refused],
            [host.host for host in refused if host.uuid in silent],
        )


def none_left(
    question: Question,
    said: Iterable[str],
    silent: Collection[str],
    strangers: Collection[str],
    schemas: Collection[str],
) -> None:
    """Say why there is no valid host, in the words of the commands.

    :param said: what other hosts say, in sentences
    :param silent: names of hosts on which no collector has published
    :param strangers: names of hosts that publish in other schemas
    :param schemas: the traits of these
    """
    sentences = list(said)
    if silent:
        sentences.append(
            f'On {_names(silent)}: {matching.NOT_PUBLISHED}; '
            'start nova-mdev-collector'
        )
    if strangers:
        sentences.append(
            f'Of {_names(strangers)}: {matching.other_schema(schemas)}; '
            'upgrade nova-mdev-compat here'
        )
    LOG.warning(
        'No host accepts %(question)s. %(why)sFor each host: openstack mdev '
        'target list %(instance)s',
        {
            'question': question,
            'instance': question.instance,
            'why': ''.join(f'{sentence}. ' for sentence in sentences),
        },
    )


def _names(names: Iterable[str]) -> str:
    return ', '.join(sorted(names)[:NAMED])


def clauses(
    question: Question,
    patterns: Mapping[str, Pattern],
    taken: Collection[str],
) -> list[tuple[str, list[str]]]:
    """Return what patterns that name the device say, each with the patterns.

    Those that let a source come furthest come first.

    :param patterns: by trait
    :param taken: mdev types for which some device takes all sources; that a
        pattern fits says nothing more there
    """
    found: dict[tuple[Stage, str], list[str]] = {}
    for mdev_type, sources in matching.by_type(question.sources).items():
        apart = (
            str(matching.TOGETHER)
            if len(sources) > 1
            else str(offer.not_served(mdev_type))
        )
        for source in sources:
            for name, pattern in patterns.items():
                if not pattern.takes_parent(source.parent):
                    continue
                failure = matching.first_failure(pattern, source)
                if failure:
                    key = failure[0], str(failure[1])
                elif mdev_type not in taken:
                    key = _FITS, apart
                else:
                    continue
                found.setdefault(key, []).append(name)
    ordered = sorted(sorted(found), key=lambda key: key[0], reverse=True)
    return [(text, found[stage, text]) for stage, text in ordered]


def sentences(accepted: bool, reasons: Sequence[str]) -> list[str]:
    """Return what other hosts than the source's say.

    :param accepted: some device of theirs accepts; it may be full
    :param reasons: what is said against the sources
    """
    found = []
    if accepted:
        found.append(
            f'Another host {matching.NO_CAPACITY}, or Nova has '
            'left it out for another reason'
        )
    if reasons:
        found.append(f'Patterns for this device say: {"; ".join(reasons)}')
    return found or ['No other host publishes a pattern for this device']


def unanswered(
    instance: str, total: int, refused: int, why: Exception
) -> None:
    """Say why there is no answer, and what happens instead.

    :param refused: how many hosts are refused all the same
    """
    if refused in (0, total):
        what = f'{"Refusing" if refused else "Letting through"} all {total}'
    else:
        what = (
            f'Refusing {refused}, which refuse what is known of it, and '
            f'letting through {total - refused} of {total}'
        )
    LOG.warning(
        'Compatibility of the mdevs of instance %(instance)s is unknown: '
        '%(why)s. %(what)s hosts ([mdev_compat]mode = %(mode)s, '
        'unknown = %(unknown)s)',
        {
            'instance': instance,
            'why': why,
            'what': what,
            'mode': CONF.mdev_compat.mode,
            'unknown': CONF.mdev_compat.unknown,
        },
    )


def left_behind(question: Question) -> None:
    """Say that the instance has a newer migration than the one judged."""
    LOG.warning(
        'Instance %(instance)s has a newer migration than %(migration)s, '
        'which is still accepted and holds its mdevs: if no live migration '
        'of it is under way, a conductor has left that behind; see '
        '"A migration that was left behind" in the guide',
        {'instance': question.instance, 'migration': question.migration},
    )


def nobody_is_silent(why: Exception) -> None:
    """Say why no host counts as one on which no collector has published."""
    LOG.warning(
        'Which of the hosts that do not accept have published is not '
        'known, and none of them passes as unknown: %s',
        why,
    )


def unreadable(names: Collection[str]) -> None:
    """Say which accept patterns cannot be read."""
    LOG.warning(
        '%(number)d accept patterns in Placement cannot be read, and accept '
        'nothing: %(names)s%(more)s. Were they written by a newer '
        'nova-mdev-collector?',
        {
            'number': len(names),
            'names': _names(names),
            'more': ', …' if len(names) > NAMED else '',
        },
    )
