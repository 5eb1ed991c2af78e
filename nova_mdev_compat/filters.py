# SPDX-License-Identifier: Apache-2.0
"""The Nova scheduler filter."""

from collections.abc import Callable, Collection, Iterable
import threading
from typing import Any, TypeVar

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
from nova_mdev_compat import filter_report
from nova_mdev_compat import identity as ident
from nova_mdev_compat import judgement
from nova_mdev_compat import pattern as pat
from nova_mdev_compat import placement as pl
from nova_mdev_compat import traits

CONF = nova_conf.CONF
options.register_opts(CONF)
LOG = logging.getLogger(__name__)

CACHE_SIZE = 64

Answer = TypeVar('Answer')


class Unknown(Exception):
    """The question cannot be answered; the message says why."""


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
            return self._answer_now(question, hosts, classes)
        except (Unknown, pl.PlacementError, db_exception.DBError) as exc:
            return _unanswered(hosts, spec_obj.instance_uuid, exc)

    def _question(self, spec_obj: Any, migration: str,
                  classes: frozenset[str]) -> filter_report.Question:
        held = dec.amounts(self._placement.allocations(migration), classes)
        if not held:
            raise Unknown(
                f'migration {migration} holds no allocation of '
                f'{", ".join(sorted(classes))} on the source: compare '
                "'openstack resource provider allocation show' of the "
                'instance and of the migration')
        return filter_report.Question(spec_obj.instance_uuid, migration, tuple(
            dec.Source(amount, self._identities(uuid))
            for uuid, amount in sorted(held.items())))

    def _identities(self, uuid: str) -> frozenset[ident.Identity]:
        identities = self._cached(self._described, uuid).identities()
        if not identities:
            raise Unknown(judgement.no_identity(
                f'the source, resource provider {uuid},'))
        return identities

    def _answer_now(self, question: filter_report.Question, hosts: list[Any],
                    classes: frozenset[str]) -> list[Any]:
        try:
            return self._answer(question, hosts, classes)
        except pl.BadQuery:
            # Somebody has deleted a trait whose name was kept here.
            with self._lock:
                self._cache.clear()
            return self._answer(question, hosts, classes)

    def _answer(self, question: filter_report.Question, hosts: list[Any],
                classes: frozenset[str]) -> list[Any]:
        patterns = self._patterns()
        tree = hosts[0].uuid if len(hosts) == 1 else None
        acceptors = {
            mdev_type: self._acceptors(mdev_type, [
                dec.matching(patterns, source) for source in sources], tree)
            for mdev_type, sources in dec.by_type(question.sources).items()}
        decision = dec.Decision(question.sources, acceptors, classes)
        narrowed, refused = decision.judge(hosts)
        silent = self._silent(refused, len(refused) == len(hosts))
        filter_report.answered(question, hosts, refused, silent, patterns)
        if CONF.mdev_compat.mode == options.PERMISSIVE:
            return hosts
        for host, left in narrowed:
            host.allocation_candidates = left
        return _without(refused, hosts, silent)

    def _patterns(self) -> dict[str, pat.Pattern]:
        published = self._cached(self._published)
        for name in published.unreadable:
            LOG.warning('Trait %s makes no sense and accepts nothing: was it '
                        'written by a newer nova-mdev-collector?', name)
        return published.accepts

    def _acceptors(self, mdev_type: str, accepting: list[frozenset[str]],
                   tree: str | None) -> dec.Acceptors:
        if not all(accepting):
            return dec.Acceptors()
        return self._cached(
            self._found, dec.queries(accepting, dec.speakers(mdev_type, tree)))

    def _silent(self, refused: list[Any], none_left: bool) -> frozenset[str]:
        """Return which refused hosts publish nothing.

        Asked only where the answer matters: for unknown = allow, and when
        no host is left and somebody will want to know why.
        """
        allow = CONF.mdev_compat.unknown == options.ALLOW
        if not refused or not (allow or none_left):
            return frozenset()
        managed = self._cached(self._managed)
        return frozenset(host.uuid for host in refused
                         if host.uuid not in managed)

    # What is kept for a while: answers, made ready for use. Each of them is
    # as old as its requests, and none is made of others that were kept.

    def _described(self, uuid: str) -> traits.Description:
        return traits.describe(self._placement.provider_traits(uuid)[0])

    def _published(self) -> traits.Description:
        return traits.describe(self._placement.accept_traits())

    def _found(self, queries: Iterable[Iterable[str]]) -> dec.Acceptors:
        found = [{pair for query in some
                  for pair in self._placement.lineage_at(query)}
                 for some in queries]
        return dec.Acceptors.of(set.intersection(*found))

    def _managed(self) -> frozenset[str]:
        found = self._placement.lineage_at(f'required={traits.HOST}')
        return frozenset(uuid for uuid, _ in found)

    def _cached(self, ask: Callable[..., Answer], *args: Any) -> Answer:
        key = (ask.__name__, args)
        with self._lock:
            if key in self._cache:
                answer: Answer = self._cache[key]
                return answer
        answer = ask(*args)
        with self._lock:
            self._cache[key] = answer
        return answer


def _send(method: str, url: str, body: Any) -> pl.Response:
    # The filter only ever reads, with the scheduler's own client.
    response: pl.Response = report.report_client_singleton().get(
        url, version=pl.MICROVERSION)
    return response


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


def _without(refused: list[Any], hosts: list[Any],
             silent: frozenset[str]) -> list[Any]:
    if CONF.mdev_compat.unknown == options.ALLOW:
        refused = [host for host in refused if host.uuid not in silent]
    out = set(map(id, refused))
    return [host for host in hosts if id(host) not in out] if out else hosts


def _unanswered(hosts: list[Any], instance: str,
                exc: Exception) -> list[Any]:
    passes = (CONF.mdev_compat.mode == options.PERMISSIVE
              or CONF.mdev_compat.unknown == options.ALLOW)
    filter_report.unanswered(instance, len(hosts), passes, exc)
    return hosts if passes else []
