# SPDX-License-Identifier: Apache-2.0
"""The Nova scheduler filter."""

from collections.abc import Callable, Collection
import dataclasses
import threading
from typing import Any

import cachetools
from nova import conf as nova_conf
from nova import context as nova_context
from nova import objects
from nova.scheduler.client import report
from nova.scheduler import filters
from oslo_db import exception as db_exception
from oslo_log import log as logging

from nova_mdev_compat.conf import mdev_compat as options
from nova_mdev_compat import decision as dec
from nova_mdev_compat import pattern as pat
from nova_mdev_compat import placement as pl
from nova_mdev_compat import traits

CONF = nova_conf.CONF
options.register_opts(CONF)
LOG = logging.getLogger(__name__)

CACHE_SIZE = 64


class Unknown(Exception):
    """The question cannot be answered; the message says why."""


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
        devices = ' + '.join(sorted(
            ' or '.join(sorted(map(str, source.identities)))
            for source in self.sources))
        return (f'live migration {self.migration} of instance '
                f'{self.instance} from {devices}')


class MdevCompatFilter(filters.BaseHostFilter):
    """Live-migrate mdevs only to parents that accept them.

    =========================== ========================================
    request                     what the filter does
    =========================== ========================================
    no mdev in its candidates   passes all hosts, without I/O
    no cell, or no host to      passes all hosts, without I/O: a live
    leave out                   migration always has both
    newest migration of the     passes all hosts, after one database
    instance is not a live one  query
    a live migration            keeps the hosts, and the allocation
                                candidates on them, whose parents
                                publish an accept pattern that the
                                source's identity matches
    =========================== ========================================
    """

    # A rebuild stays on its host.
    RUN_ON_REBUILD = False
    run_filter_once_per_request = True

    def __init__(self) -> None:
        super().__init__()
        self._placement = pl.Placement(_send)
        self._cache: cachetools.TTLCache[Any, Any] = cachetools.TTLCache(
            CACHE_SIZE, CONF.mdev_compat.cache_ttl)
        self._lock = threading.Lock()

    def filter_all(self, filter_obj_list: Collection[Any],
                   spec_obj: Any) -> list[Any]:
        hosts = list(filter_obj_list)
        classes = frozenset(CONF.mdev_compat.resource_classes)
        if not _may_be_ours(hosts, spec_obj, classes):
            return hosts
        try:
            migration = _live_migration(spec_obj)
            if migration is None:
                return hosts
            question = self._question(spec_obj, migration, classes)
            return self._answer(question, hosts, classes)
        except (Unknown, pl.PlacementError, db_exception.DBError) as exc:
            return _unanswered(hosts, spec_obj.instance_uuid, exc)

    def _question(self, spec_obj: Any, migration: str,
                  classes: frozenset[str]) -> Question:
        held = dec.amounts(self._placement.allocations(migration), classes)
        if not held:
            raise Unknown(
                f'migration {migration} holds no allocation of '
                f'{", ".join(sorted(classes))} on the source: compare '
                "'openstack resource provider allocation show' of the "
                'instance and of the migration')
        return Question(spec_obj.instance_uuid, migration, tuple(
            dec.Source(amount, self._identities(uuid))
            for uuid, amount in sorted(held.items())))

    def _identities(self, uuid: str) -> frozenset[Any]:
        names, _ = self._cached(self._placement.provider_traits, uuid)
        identities = traits.describe(names).identities()
        if not identities:
            raise Unknown(
                f'the source, resource provider {uuid}, carries no complete '
                'identity: start nova-mdev-collector on its host, or upgrade '
                'it, and see its log')
        return identities

    def _answer(self, question: Question, hosts: list[Any],
                classes: frozenset[str]) -> list[Any]:
        patterns = self._patterns()
        tree = hosts[0].uuid if len(hosts) == 1 else None
        acceptors = {
            mdev_type: self._acceptors(mdev_type, [
                dec.matching(patterns, source) for source in sources], tree)
            for mdev_type, sources in dec.by_type(question.sources).items()}
        decision = dec.Decision(question.sources, acceptors, classes)
        left = {id(host): decision.remaining(
            host.uuid, host.allocation_candidates) for host in hosts}
        refused = [host for host in hosts if not left[id(host)]]
        silent = self._silent(refused, len(refused) == len(hosts))
        _report(question, hosts, refused, silent, patterns)
        if CONF.mdev_compat.mode == options.PERMISSIVE:
            return hosts
        return _keep(hosts, left, silent)

    def _patterns(self) -> dict[str, pat.Pattern]:
        names = self._cached(self._placement.accept_traits)
        described = traits.describe(names)
        for name in described.unreadable:
            LOG.warning('Trait %s makes no sense and accepts nothing: was it '
                        'written by a newer nova-mdev-collector?', name)
        return described.accepts

    def _acceptors(self, mdev_type: str, accepting: list[frozenset[str]],
                   tree: str | None) -> dec.Acceptors:
        if not all(accepting):
            return dec.Acceptors()
        found = [
            {(provider.uuid, provider.root) for query in some
             for provider in self._cached(self._placement.providers_at, query)}
            for some in dec.queries(mdev_type, accepting, tree)]
        return dec.Acceptors.of(set.intersection(*found))

    def _silent(self, refused: list[Any], none_left: bool) -> frozenset[int]:
        """Return which refused hosts publish nothing, as ids of host states.

        Asked only where the answer matters: for unknown = allow, and when
        no host is left and somebody will want to know why.
        """
        allow = CONF.mdev_compat.unknown == options.ALLOW
        if not refused or not (allow or none_left):
            return frozenset()
        managed = {provider.uuid for provider in self._cached(
            self._placement.providers_at, f'required={traits.HOST}')}
        return frozenset(id(host) for host in refused
                         if host.uuid not in managed)

    def _cached(self, ask: Callable[..., Any], *args: Any) -> Any:
        key = (ask.__name__, args)
        with self._lock:
            if key in self._cache:
                return self._cache[key]
        answer = ask(*args)
        with self._lock:
            self._cache[key] = answer
        return answer


def _send(method: str, url: str, body: Any) -> pl.Response:
    # The filter only ever reads, with the scheduler's own client.
    return report.report_client_singleton().get(url, version=pl.MICROVERSION)


def _may_be_ours(hosts: list[Any], spec_obj: Any,
                 classes: frozenset[str]) -> bool:
    """Tell from memory alone whether this can be a live migration of mdevs.

    All candidates of a request ask for the same resource classes, so the
    first one tells. A live migration stays in its cell and leaves out at
    least the source (``LiveMigrationTask._find_destination``).
    """
    candidates = next((host.allocation_candidates for host in hosts
                       if host.allocation_candidates), None)
    if not candidates or not dec.mdev_amounts(candidates[0], classes):
        return False
    return bool(_cell(spec_obj)) and bool(
        'ignore_hosts' in spec_obj and spec_obj.ignore_hosts)


def _cell(spec_obj: Any) -> Any:
    if 'requested_destination' not in spec_obj:
        return None
    destination = spec_obj.requested_destination
    if not destination or 'cell' not in destination:
        return None
    return destination.cell


def _live_migration(spec_obj: Any) -> str | None:
    """Return the UUID of the live migration that this request is for.

    Nothing in a request says what it is for, but every move that names a
    cell and has a source makes a migration record first; the newest is it.
    """
    admin = nova_context.get_admin_context()
    with nova_context.target_cell(admin, _cell(spec_obj)) as context:
        newest = objects.MigrationList.get_by_filters(
            context, {'instance_uuid': spec_obj.instance_uuid},
            sort_keys=['created_at', 'id'], sort_dirs=['desc', 'desc'],
            limit=1)
    for migration in newest:
        if (migration.migration_type == 'live-migration'
                and migration.status == 'accepted'):
            return str(migration.uuid)
    return None


def _keep(hosts: list[Any], left: dict[int, list[Any]],
          silent: frozenset[int]) -> list[Any]:
    allow = CONF.mdev_compat.unknown == options.ALLOW
    kept = []
    for host in hosts:
        if left[id(host)]:
            host.allocation_candidates = left[id(host)]
            kept.append(host)
        elif allow and id(host) in silent:
            kept.append(host)
    return kept


def _unanswered(hosts: list[Any], instance: str,
                exc: Exception) -> list[Any]:
    passes = (CONF.mdev_compat.mode == options.PERMISSIVE
              or CONF.mdev_compat.unknown == options.ALLOW)
    LOG.warning(
        'Compatibility of the mdevs of instance %(instance)s is unknown: '
        '%(why)s. %(what)s all %(total)d hosts ([mdev_compat]mode = %(mode)s, '
        'unknown = %(unknown)s)',
        {'instance': instance, 'why': exc, 'total': len(hosts),
         'what': 'Letting through' if passes else 'Refusing',
         'mode': CONF.mdev_compat.mode, 'unknown': CONF.mdev_compat.unknown})
    return hosts if passes else []


def _report(question: Question, hosts: list[Any], refused: list[Any],
            silent: frozenset[int], patterns: dict[str, pat.Pattern]) -> None:
    permissive = CONF.mdev_compat.mode == options.PERMISSIVE
    LOG.info(
        '%(mode)s%(question)s: %(passed)d of %(total)d hosts accept it, '
        '%(refused)d declare nothing that does, %(silent)d publish nothing',
        {'mode': 'Permissive, nothing is refused: ' if permissive else '',
         'question': question, 'passed': len(hosts) - len(refused),
         'total': len(hosts), 'refused': len(refused) - len(silent),
         'silent': len(silent)})
    LOG.debug('Refused: %s; published nothing: %s',
              [host.host for host in refused],
              [host.host for host in refused if id(host) in silent])
    if refused and len(refused) == len(hosts):
        _explain(question, [host.host for host in refused
                            if id(host) in silent], patterns)


def _explain(question: Question, silent: list[str],
             patterns: dict[str, pat.Pattern]) -> None:
    sources = [identity for source in question.sources
               for identity in source.identities]
    nearest = {str(pattern.judge(source)) for source in sources
               for pattern in patterns.values()
               if pattern.takes_parent(source.parent)}
    LOG.warning(
        'No host accepts %(question)s. %(patterns)s%(silent)s',
        {'question': question,
         'patterns': 'Patterns for this device say: %s. ' % '; '.join(
             sorted(filter(None, nearest))[:5])
         if any(nearest) else 'No host has free capacity on a device whose '
         'patterns fit. ' if nearest else
         'No host publishes a pattern for this device. ',
         'silent': 'Start nova-mdev-collector on: %s' % ', '.join(
             sorted(silent)[:10]) if silent else ''})
