# SPDX-License-Identifier: Apache-2.0
"""The Nova scheduler filter."""

from collections.abc import Callable, Collection, Iterable, Mapping
import contextlib
import dataclasses
import threading
from typing import Any, TypeVar

import cachetools
from nova import conf as nova_conf
from nova import context as nova_context
from nova import objects
from nova.scheduler.client import report
from nova.scheduler import filters
from oslo_config import cfg
from oslo_db import exception as db_exception
from oslo_log import log as logging

from nova_mdev_compat.conf import errors
from nova_mdev_compat.conf import mdev_compat as options
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import traits
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import queries
from nova_mdev_compat.scheduler import candidates as dec
from nova_mdev_compat.scheduler import log

CONF = nova_conf.CONF
options.register_opts(CONF)
LOG = logging.getLogger(__name__)

CACHE_SIZE = 64

Answer = TypeVar('Answer')


class Unknown(Exception):
    """The question cannot be answered; the message says why."""


@dataclasses.dataclass(frozen=True)
class Published:
    """What the whole cloud has published.

    :ivar carried: traits of ours that any provider carries; a query that
        names one that does not exist is refused
    :ivar said: what they say
    """

    carried: frozenset[str]
    said: traits.Description


#: Who accepts, by mdev type; None where that is not known.
ByType = Mapping[str, dec.Acceptors | None]


class MdevCompatFilter(filters.BaseHostFilter):
    """Live-migrate mdevs only to parents that accept them.

    =========================== ========================================
    request                     what the filter does
    =========================== ========================================
    no mdev in its candidates   passes all hosts, without I/O
    no cell, or no host to      passes all hosts, without I/O: a live
    leave out                   migration always has both
    no live migration of the    passes all hosts, after one database
    instance is accepted        query
    one is, but it holds no     passes all hosts, after two database
    mdevs, and the newest       queries and a request: a conductor that
    migration is another        died left the record behind
    a live migration            keeps the hosts, and the allocation
                                candidates on them, whose parents
                                publish an accept pattern that the
                                source's identity matches
    =========================== ========================================
    """

    # A rebuild stays on its host.
    RUN_ON_REBUILD = False
    run_filter_once_per_request = True

    def __init__(
        self,
        placement: client.Placement | None = None,
        live_migrations: Callable[[Any], list[str]] | None = None,
    ):
        """Create the filter; Nova passes no arguments.

        Both are public attributes, too, for tests that count or fail what
        the filter asks for.

        :param placement: reads Placement; by default with the client of the
            scheduler
        :param live_migrations: returns the UUIDs of the accepted live
            migrations of a request's instance, newest first; by default from
            the cell's database
        """
        super().__init__()
        self.placement = placement or client.Placement(_send)
        self.live_migrations = live_migrations or _live_migrations
        self._cache: cachetools.TTLCache[Any, Any] = cachetools.TTLCache(
            CACHE_SIZE, CONF.mdev_compat.cache_ttl
        )
        self._unreadable: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        _log_options()

    def filter_all(
        self, filter_obj_list: Collection[Any], spec_obj: Any
    ) -> list[Any]:
        hosts = list(filter_obj_list)
        classes = frozenset(CONF.mdev_compat.resource_classes)
        if not _may_be_ours(hosts, spec_obj, classes):
            return hosts
        try:
            question = self._question(spec_obj, classes)
            if question is None:
                return hosts
            left = self._answer_now(question, hosts, classes)
        except (Unknown, client.PlacementError, db_exception.DBError) as exc:
            return _unanswered(hosts, spec_obj.instance_uuid, exc)
        if not left:
            _tell_if_left_behind(question, spec_obj)
        return left

    def _question(
        self,
        spec_obj: Any,
        classes: frozenset[str],
    ) -> log.Question | None:
        """Return what is asked, None if it is no live migration.

        The one that holds mdevs is it, whatever other records there are:
        neither a clock nor a record left behind shall decide that nothing
        is asked.
        """
        accepted = self.live_migrations(spec_obj)
        for migration in accepted:
            held = dec.amounts(self.placement.allocations(migration), classes)
            if held:
                return self._about(spec_obj, migration, held)
        if not accepted or _newest_migration(spec_obj) != accepted[0]:
            return None
        raise Unknown(
            f'migration {accepted[0]} holds no allocation of '
            f'{", ".join(sorted(classes))} on the source: compare '
            "'openstack resource provider allocation show' of the "
            'instance and of the migration'
        )

    def _about(
        self,
        spec_obj: Any,
        migration: str,
        held: dict[str, int],
    ) -> log.Question:
        """Ask what the source's parents are.

        :param held: how many mdevs the migration holds, by provider UUID
        :raises Unknown: it is not known, and what may be known of other
            parents could not refuse a host
        """
        sources, why = [], None
        for uuid, amount in sorted(held.items()):
            identities: frozenset[identity.Identity] = frozenset()
            try:
                identities = self._identities(uuid)
            except (Unknown, client.PlacementError) as exc:
                why = why or exc
            sources.append(matching.Source(amount, identities))
        if why and not (
            _lets_unknown_pass() and any(one.identities for one in sources)
        ):
            raise why
        return log.Question(
            spec_obj.instance_uuid, migration, tuple(sources), min(held), why
        )

    def _identities(self, uuid: str) -> frozenset[identity.Identity]:
        said = self._cached(self._described, uuid)
        identities = said.identities()
        if not identities:
            raise Unknown(
                matching.no_identity(
                    f'the source, resource provider {uuid},',
                    traits.other_schemas(said.unreadable),
                )
            )
        return identities

    def _answer_now(
        self, question: log.Question, hosts: list[Any], classes: frozenset[str]
    ) -> list[Any]:
        try:
            return self._answer(question, hosts, classes)
        except client.BadQuery:
            # Somebody has deleted a trait whose name was kept here.
            with self._lock:
                self._cache.clear()
            return self._answer(question, hosts, classes)

    def _answer(
        self, question: log.Question, hosts: list[Any], classes: frozenset[str]
    ) -> list[Any]:
        published = self._cached(self._published)
        self._complain(published)
        tree = hosts[0].uuid if len(hosts) == 1 else None
        acceptors, why = self._all_acceptors(question, published, tree)
        decision = dec.CandidateFilter(question.sources, acceptors, classes)
        narrowed, refused = decision.filter(hosts)
        none_left = len(refused) == len(hosts)
        silent = self._silent(published, refused, none_left)
        if why:
            log.unanswered(
                question.instance, len(hosts), len(refused) - len(silent), why
            )
        else:
            log.answered(question, hosts, refused, silent)
        if none_left:
            self._explain(
                question,
                published,
                [host for host in hosts if host.uuid in silent],
            )
        if CONF.mdev_compat.mode == options.PERMISSIVE:
            return hosts
        for host, left in narrowed:
            host.allocation_candidates = left
        return _without(refused, hosts, silent)

    def _complain(self, published: Published) -> None:
        """Log patterns that cannot be read: once, and when they change."""
        unreadable = frozenset(
            name
            for name in published.said.unreadable
            if name.startswith(traits.ACCEPT)
        )
        with self._lock:
            known, self._unreadable = self._unreadable, unreadable
        if unreadable and unreadable != known:
            log.unreadable(unreadable)

    def _all_acceptors(
        self,
        question: log.Question,
        published: Published,
        tree: str | None,
    ) -> tuple[ByType, Exception | None]:
        """Return who accepts, and why that is not wholly known if so.

        :raises placement.PlacementError: nothing is known, or what is not
            known is refused anyhow
        """
        acceptors: dict[str, dec.Acceptors | None] = {}
        why = question.why
        for mdev_type, sources in matching.by_type(question.sources).items():
            try:
                acceptors[mdev_type] = self._acceptors(
                    published, mdev_type, sources, tree
                )
            except client.BadQuery:
                raise
            except client.PlacementError as exc:
                acceptors[mdev_type], why = None, exc
                if not _lets_unknown_pass():
                    raise
        if why and all(some is None for some in acceptors.values()):
            raise why
        return acceptors, why

    def _acceptors(
        self,
        published: Published,
        mdev_type: str,
        sources: Iterable[identity.Identity],
        tree: str | None = None,
    ) -> dec.Acceptors:
        speakers = queries.advertisers(published.carried, mdev_type, tree)
        accepting = [
            matching.accepting_traits(published.said.accepts, source)
            for source in sources
        ]
        if speakers is None or not all(accepting):
            return dec.Acceptors()
        return self._cached(self._found, queries.queries(accepting, speakers))

    def _silent(
        self, published: Published, refused: list[Any], none_left: bool
    ) -> frozenset[str]:
        """Return which refused hosts publish nothing that can be read.

        Asked only where the answer matters: for unknown = allow, and when
        no host is left and somebody will want to know why. Where there is
        no answer nobody counts as silent, so that no host that refuses is
        let through as unknown.
        """
        allow = CONF.mdev_compat.unknown == options.ALLOW
        if not refused or not (allow or none_left):
            return frozenset()
        managed: frozenset[str] = frozenset()
        if {traits.HOST, traits.SCHEMA} <= published.carried:
            try:
                managed = self._hosts(
                    ('required', traits.HOST),
                    *queries.readable(published.carried),
                )
            except client.PlacementError as exc:
                log.nobody_is_silent(exc)
                return frozenset()
        return frozenset(
            host.uuid for host in refused if host.uuid not in managed
        )

    def _explain(
        self, question: log.Question, published: Published, silent: list[Any]
    ) -> None:
        """Say why no host is left, which is worth a few requests more."""
        schemas = traits.other_schemas(published.carried)
        strangers: frozenset[str] = frozenset()
        try:
            if silent and schemas:
                strangers = self._hosts(
                    ('required', f'in:{",".join(schemas)}')
                )
            said = self._said_elsewhere(question, published)
        except client.PlacementError as exc:
            said = [f'What patterns say of it is not known: {exc}']
        log.none_left(
            question,
            said,
            [host.host for host in silent if host.uuid not in strangers],
            [host.host for host in silent if host.uuid in strangers],
            schemas,
        )

    def _said_elsewhere(
        self, question: log.Question, published: Published
    ) -> list[str]:
        """Return what other hosts than the source's say, in sentences.

        The source's own, whose patterns fit best, is no candidate.
        """
        home = self._hosts(('uuid', question.provider))
        taken = {
            mdev_type
            for mdev_type, sources in matching.by_type(
                question.sources
            ).items()
            if not self._acceptors(published, mdev_type, sources).hosts <= home
        }
        clauses = log.clauses(question, published.said.accepts, taken)
        speakers = queries.advertisers(published.carried) or ()
        reasons = [
            text
            for text, names in clauses[: log.REASONS]
            if not self._cached(
                self._found, queries.queries([names], speakers)
            ).hosts
            <= home
        ]
        return log.sentences(bool(taken), reasons)

    # What is kept for a while: answers, made ready for use. Each of them is
    # as old as its requests, and none is made of others that were kept.

    def _described(self, uuid: str) -> traits.Description:
        return traits.describe(self.placement.provider_traits(uuid)[0])

    def _published(self) -> Published:
        carried = self.placement.carried_traits()
        return Published(carried, traits.describe(carried))

    def _found(self, queries: Iterable[Iterable[str]]) -> dec.Acceptors:
        found = [
            {
                pair
                for query in some
                for pair in self.placement.lineage_at(query)
            }
            for some in queries
        ]
        return dec.Acceptors.of(set.intersection(*found))

    def _hosts(self, *parameters: tuple[str, str]) -> frozenset[str]:
        """Return the hosts of the providers that a query finds."""
        return self._cached(self._found, ((queries.query(parameters),),)).hosts

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


def _log_options() -> None:
    """Log the options in effect, so that schedulers can be compared.

    Which Placement answers, and who asks, depends on the scheduler's own
    ``[placement]``. A wrong value does not keep nova-scheduler from starting.
    """
    groups = (
        ('mdev_compat', [option.dest for option in options.OPTS]),
        (
            'placement',
            [
                'auth_type',
                'region_name',
                'valid_interfaces',
                'endpoint_override',
                'timeout',
            ],
        ),
    )
    found = []
    for group, names in groups:
        for name in names:
            try:
                value = CONF[group][name]
            except cfg.Error as exc:
                value = f'invalid ({errors.describe(exc)})'
            if isinstance(value, list):
                value = ','.join(value)
            found.append(f'[{group}]{name} = {value}')
    LOG.info('MdevCompatFilter: options in effect: %s', ', '.join(found))


def _send(method: str, url: str, body: Any) -> client.Response:
    # The filter only ever reads, with the scheduler's own client.
    response: client.Response = report.report_client_singleton().get(
        url, version=client.MICROVERSION
    )
    return response


def _may_be_ours(
    hosts: list[Any], spec_obj: Any, classes: frozenset[str]
) -> bool:
    """Tell from memory alone whether this can be a live migration of mdevs.

    All candidates of a request ask for the same resource classes, so the
    first one tells. A live migration stays in its cell and leaves out at
    least the source (``LiveMigrationTask._find_destination``).
    """
    candidates = next(
        (
            host.allocation_candidates
            for host in hosts
            if host.allocation_candidates
        ),
        None,
    )
    if not candidates or not dec.mdev_amounts(candidates[0], classes):
        return False
    return bool(_cell(spec_obj)) and bool(
        'ignore_hosts' in spec_obj and spec_obj.ignore_hosts
    )


def _cell(spec_obj: Any) -> Any:
    if 'requested_destination' not in spec_obj:
        return None
    destination = spec_obj.requested_destination
    if not destination or 'cell' not in destination:
        return None
    return destination.cell


def _live_migrations(spec_obj: Any) -> list[str]:
    """Return the UUIDs of the instance's accepted live migrations.

    Nothing in a request says what it is for, but the conductor makes a
    record in this status before it asks for a host, and it keeps the status
    as long as it asks (``LiveMigrationTask``). The newest comes first.
    """
    return _migrations(
        spec_obj, {'migration_type': 'live-migration', 'status': 'accepted'}
    )


def _newest_migration(spec_obj: Any) -> str | None:
    """Return the UUID of the instance's newest migration of any kind."""
    return next(iter(_migrations(spec_obj, {}, limit=1)), None)


def _tell_if_left_behind(question: log.Question, spec_obj: Any) -> None:
    """Say so if a request that finds no host may be no live migration."""
    with contextlib.suppress(db_exception.DBError):
        if _newest_migration(spec_obj) != question.migration:
            log.left_behind(question)


def _migrations(
    spec_obj: Any, filters_: dict[str, str], limit: int | None = None
) -> list[str]:
    """Return the UUIDs of the instance's migrations, the newest first.

    By their id, which the cell's database counts up; created_at is the clock
    of whichever conductor made the record. The request's own context keeps
    its ID in the log: target_cell() makes what it is given the thread's.
    """
    with nova_context.target_cell(
        spec_obj._context, _cell(spec_obj)
    ) as context:
        found = objects.MigrationList.get_by_filters(
            context,
            {'instance_uuid': spec_obj.instance_uuid, **filters_},
            sort_keys=['id'],
            sort_dirs=['desc'],
            limit=limit,
        )
    return [str(migration.uuid) for migration in found]


def _lets_unknown_pass() -> bool:
    """Tell whether it makes a difference what is unknown and what refused."""
    return bool(
        CONF.mdev_compat.unknown == options.ALLOW
        and CONF.mdev_compat.mode == options.ENFORCING
    )


def _without(
    refused: list[Any], hosts: list[Any], silent: frozenset[str]
) -> list[Any]:
    if CONF.mdev_compat.unknown == options.ALLOW:
        refused = [host for host in refused if host.uuid not in silent]
    out = set(map(id, refused))
    return [host for host in hosts if id(host) not in out] if out else hosts


def _unanswered(hosts: list[Any], instance: str, exc: Exception) -> list[Any]:
    passes = (
        CONF.mdev_compat.mode == options.PERMISSIVE
        or CONF.mdev_compat.unknown == options.ALLOW
    )
    log.unanswered(instance, len(hosts), 0 if passes else len(hosts), exc)
    return hosts if passes else []
