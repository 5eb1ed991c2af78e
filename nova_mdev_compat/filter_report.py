# SPDX-License-Identifier: Apache-2.0
"""What the filter says in the scheduler's log: a line or two a request."""

from collections.abc import Collection, Mapping, Sequence
import dataclasses
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.conf import mdev_compat as options
from nova_mdev_compat import decision as dec
from nova_mdev_compat import judgement
from nova_mdev_compat import pattern as pat

CONF = cfg.CONF
#: The filter's own, so that operators find all that it says under one name.
LOG = logging.getLogger('nova_mdev_compat.filters')


#: Hosts, and reasons, that a line names.
NAMED = 10
REASONS = 5


@dataclasses.dataclass(frozen=True)
class Question:
    """A live migration of an instance with mdevs.

    :ivar instance: its UUID
    :ivar migration: UUID of the migration, which holds the allocations of
        the source meanwhile
    :ivar sources: the parents that its mdevs sit on
    """

    instance: str
    migration: str
    sources: tuple[dec.Source, ...]

    def __str__(self) -> str:
        devices = dec.devices(source.identities for source in self.sources)
        return (f'live migration {self.migration} of instance '
                f'{self.instance} from {devices}')


def answered(question: Question, hosts: Sequence[Any], refused: Sequence[Any],
             silent: Collection[str],
             patterns: Mapping[str, pat.Pattern]) -> None:
    """Say how many hosts accept, and where none does, why.

    :param silent: UUIDs of those among the refused that publish nothing
    """
    permissive = CONF.mdev_compat.mode == options.PERMISSIVE
    LOG.info(
        '%(mode)s%(question)s: %(passed)d of %(total)d hosts accept it, '
        '%(refused)d do not, and on %(silent)d no collector has published',
        {'mode': 'Permissive, nothing is refused: ' if permissive else '',
         'question': question, 'passed': len(hosts) - len(refused),
         'total': len(hosts), 'refused': len(refused) - len(silent),
         'silent': len(silent)})
    none_left = len(refused) == len(hosts)
    if not none_left and not LOG.isEnabledFor(logging.DEBUG):
        return
    silent_names = [host.host for host in refused if host.uuid in silent]
    LOG.debug('Refused: %s; published nothing: %s',
              [host.host for host in refused], silent_names)
    if none_left:
        _explain(question, silent_names, patterns)


def _explain(question: Question, silent: list[str],
             patterns: Mapping[str, pat.Pattern]) -> None:
    """Say why there is no valid host, in the words of the commands."""
    names = ', '.join(sorted(silent)[:NAMED])
    LOG.warning(
        'No host accepts %(question)s. %(nearest)s%(silent)sFor each host: '
        'openstack mdev target list %(instance)s',
        {'question': question, 'nearest': _nearest(question, patterns),
         'instance': question.instance,
         'silent': f'On {names}: {judgement.NOT_PUBLISHED}; start '
                   'nova-mdev-collector. ' if names else ''})


def _nearest(question: Question, patterns: Mapping[str, pat.Pattern]) -> str:
    """Return what the patterns that name the device say against it.

    Each may be another host's, so that none speaks for the others.
    """
    sources = {identity for source in question.sources
               for identity in source.identities}
    failures = [judgement.first_failure(pattern, source)
                for source in sources for pattern in patterns.values()
                if pattern.takes_parent(source.parent)]
    reasons = sorted({str(failure[1]) for failure in failures if failure})
    if reasons:
        return ('Patterns for this device say: '
                f'{"; ".join(reasons[:REASONS])}. ')
    if failures:
        return f'Any device whose patterns fit {judgement.NO_CAPACITY}. '
    return 'No host publishes a pattern for this device. '


def unanswered(instance: str, total: int, passes: bool,
               why: Exception) -> None:
    """Say why there is no answer, and what happens instead.

    :param passes: all hosts are let through
    """
    LOG.warning(
        'Compatibility of the mdevs of instance %(instance)s is unknown: '
        '%(why)s. %(what)s all %(total)d hosts ([mdev_compat]mode = %(mode)s, '
        'unknown = %(unknown)s)',
        {'instance': instance, 'why': why, 'total': total,
         'what': 'Letting through' if passes else 'Refusing',
         'mode': CONF.mdev_compat.mode, 'unknown': CONF.mdev_compat.unknown})
