# SPDX-License-Identifier: Apache-2.0
"""The Nova scheduler filter."""

from collections.abc import Callable, Collection, Mapping
import contextlib
import threading
from typing import Any

from nova import conf as nova_conf
from nova.scheduler import filters
from oslo_db import exception as db_exception

from nova_mdev_compat.conf import mdev_compat as options
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import traits
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import queries
from nova_mdev_compat.scheduler.advertised import Advertised
from nova_mdev_compat.scheduler.advertised import Published
from nova_mdev_compat.scheduler import candidates
from nova_mdev_compat.scheduler import log
from nova_mdev_compat.scheduler import nova_request

CONF = nova_conf.CONF
options.register_opts(CONF)


class UnknownCompatibility(Exception):
    """Compatibility is unknown; the message says why."""


#: Who accepts, by mdev type; None where unknown.
ByType = Mapping[str, candidates.Acceptors | None]


class MdevCompatFilter(filters.BaseHostFilter):
    """Live-migrate mdevs only to parents that accept them.

    =========================== ========================================
    request                     what the filter does
    =========================== ========================================
    no mdev in its candidates   passes all hosts, without I/O
    no cell, or no host to      passes all hosts, without I/O: a live
    ignore                      migration always has both
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
        self.placement = placement or client.Placement(nova_request.send)
        self.live_migrations = live_migrations or nova_request.live_migrations
        self.advertised = Advertised(
            self.placement, CONF.mdev_compat.cache_ttl
        )
        self._unreadable: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        log.options_in_effect()

    def filter_all(
        self, filter_obj_list: Collection[Any], spec_obj: Any
    ) -> list[Any]:
        hosts = list(filter_obj_list)
        classes = frozenset(CONF.mdev_compat.resource_classes)
        if not nova_request.may_be_live_migration(hosts, spec_obj, classes):
            return hosts
        try:
            question = self._question(spec_obj, classes)
            if question is None:
                return hosts
            remaining = self._answer_now(question, hosts, classes)
        except (
            UnknownCompatibility,
            client.PlacementError,
            db_exception.DBError,
        ) as exc:
            passes = (
                CONF.mdev_compat.mode == options.PERMISSIVE
                or CONF.mdev_compat.unknown == options.ALLOW
            )
            log.unanswered(
                spec_obj.instance_uuid,
                len(hosts),
                0 if passes else len(hosts),
                exc,
            )
            return hosts if passes else []
        if not remaining:
            # The request may be another than a live migration.
            with contextlib.suppress(db_exception.DBError):
                if (
                    nova_request.newest_migration(spec_obj)
                    != question.migration
                ):
                    log.left_behind(question)
        return remaining

    def _question(
        self,
        spec_obj: Any,
        classes: frozenset[str],
    ) -> log.LiveMigration | None:
        """Return the question; None if this is not a live migration.

        The accepted live migration that holds mdevs is the one to decide.
        Other records do not matter: neither a clock nor a record left behind
        may decide that there is nothing to decide.
        """
        accepted = self.live_migrations(spec_obj)
        for migration in accepted:
            held = candidates.amounts(
                self.placement.allocations(migration), classes
            )
            if held:
                return self._about(spec_obj, migration, held)
        if (
            not accepted
            or nova_request.newest_migration(spec_obj) != accepted[0]
        ):
            return None
        raise UnknownCompatibility(
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
    ) -> log.LiveMigration:
        """Return the question, with the identities of the source's parents.

        :param held: how many mdevs the migration holds, by provider UUID
        :raises UnknownCompatibility: an identity is unknown, and the known
            ones cannot refuse a host
        """
        sources, why = [], None
        for uuid, amount in sorted(held.items()):
            identities: frozenset[identity.Identity] = frozenset()
            try:
                identities = self._identities(uuid)
            except (UnknownCompatibility, client.PlacementError) as exc:
                why = why or exc
            sources.append(matching.Source(amount, identities))
        if why and not (
            _lets_unknown_pass() and any(one.identities for one in sources)
        ):
            raise why
        return log.LiveMigration(
            spec_obj.instance_uuid, migration, tuple(sources), min(held), why
        )

    def _identities(self, uuid: str) -> frozenset[identity.Identity]:
        described = self.advertised.description(uuid)
        identities = described.identities()
        if not identities:
            raise UnknownCompatibility(
                matching.no_identity(
                    f'the source, resource provider {uuid},',
                    traits.other_schemas(described.unreadable),
                )
            )
        return identities

    def _answer_now(
        self,
        question: log.LiveMigration,
        hosts: list[Any],
        classes: frozenset[str],
    ) -> list[Any]:
        try:
            return self._answer(question, hosts, classes)
        except client.BadQuery:
            # A trait whose name was cached has been deleted.
            self.advertised.forget()
            return self._answer(question, hosts, classes)

    def _answer(
        self,
        question: log.LiveMigration,
        hosts: list[Any],
        classes: frozenset[str],
    ) -> list[Any]:
        published = self.advertised.published()
        self._report_unreadable(published)
        tree = hosts[0].uuid if len(hosts) == 1 else None
        acceptors, why = self._all_acceptors(question, published, tree)
        candidate_filter = candidates.CandidateFilter(
            question.sources, acceptors, classes
        )
        permissive = CONF.mdev_compat.mode == options.PERMISSIVE
        refused = candidate_filter.filter(hosts, narrow=not permissive)
        none_left = len(refused) == len(hosts)
        unpublished = self._unpublished(published, refused, none_left)
        if why:
            log.unanswered(
                question.instance,
                len(hosts),
                len(refused) - len(unpublished),
                why,
            )
        else:
            log.answered(question, hosts, refused, unpublished)
        if none_left:
            self._explain(
                question,
                published,
                [host for host in hosts if host.uuid in unpublished],
            )
        if permissive:
            return hosts
        if CONF.mdev_compat.unknown == options.ALLOW:
            refused = [
                host for host in refused if host.uuid not in unpublished
            ]
        # A HostState compares by value, slowly.
        out = set(map(id, refused))
        return (
            [host for host in hosts if id(host) not in out] if out else hosts
        )

    def _report_unreadable(self, published: Published) -> None:
        """Log patterns that cannot be read: once, and when they change."""
        unreadable = frozenset(
            name
            for name in published.content.unreadable
            if name.startswith(traits.ACCEPT)
        )
        with self._lock:
            known, self._unreadable = self._unreadable, unreadable
        if unreadable and unreadable != known:
            log.unreadable(unreadable)

    def _all_acceptors(
        self,
        question: log.LiveMigration,
        published: Published,
        tree: str | None,
    ) -> tuple[ByType, Exception | None]:
        """Return who accepts, and why that is partly unknown, or None.

        :raises client.PlacementError: nothing is known, or unknown hosts are
            refused anyway
        """
        acceptors: dict[str, candidates.Acceptors | None] = {}
        why = question.why
        for mdev_type, sources in matching.by_type(question.sources).items():
            try:
                acceptors[mdev_type] = self.advertised.acceptors(
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

    def _unpublished(
        self, published: Published, refused: list[Any], none_left: bool
    ) -> frozenset[str]:
        """Return UUIDs of refused hosts that publish nothing readable.

        Placement is asked only if the answer matters: for unknown = allow,
        and to explain why no host is left. If Placement does not answer, no
        host counts as unpublished, so a host that refuses never passes as
        unknown.
        """
        allow = CONF.mdev_compat.unknown == options.ALLOW
        if not refused or not (allow or none_left):
            return frozenset()
        managed: frozenset[str] = frozenset()
        if {traits.HOST, traits.SCHEMA} <= published.carried:
            try:
                managed = self.advertised.hosts(
                    ('required', traits.HOST),
                    *queries.readable(published.carried),
                )
            except client.PlacementError as exc:
                log.unpublished_unknown(exc)
                return frozenset()
        return frozenset(
            host.uuid for host in refused if host.uuid not in managed
        )

    def _explain(
        self,
        question: log.LiveMigration,
        published: Published,
        unpublished: list[Any],
    ) -> None:
        """Log why no host is left; that is worth a few more requests."""
        schemas = traits.other_schemas(published.carried)
        other_schema: frozenset[str] = frozenset()
        try:
            if unpublished and schemas:
                other_schema = self.advertised.hosts(
                    ('required', f'in:{",".join(schemas)}')
                )
            reasons = self._reasons_elsewhere(question, published)
        except client.PlacementError as exc:
            reasons = [f'The reasons of other hosts are unknown: {exc}']
        log.none_left(
            question,
            reasons,
            [
                host.host
                for host in unpublished
                if host.uuid not in other_schema
            ],
            [host.host for host in unpublished if host.uuid in other_schema],
            schemas,
        )

    def _reasons_elsewhere(
        self, question: log.LiveMigration, published: Published
    ) -> list[str]:
        """Return why hosts other than the source's refuse, in sentences.

        The source's own patterns match best, but it is not a candidate.
        """
        home = self.advertised.hosts(('uuid', question.provider))
        taken = {
            mdev_type
            for mdev_type, sources in matching.by_type(
                question.sources
            ).items()
            if not self.advertised.acceptors(
                published, mdev_type, sources
            ).hosts
            <= home
        }
        clauses = log.clauses(question, published.content.accepts, taken)
        advertisers = queries.advertisers(published.carried) or ()
        reasons = [
            reason
            for reason, names in clauses[: log.REASONS]
            if not self.advertised.find(
                queries.queries([names], advertisers)
            ).hosts
            <= home
        ]
        return log.sentences(bool(taken), reasons)


def _lets_unknown_pass() -> bool:
    """Return whether unknown hosts are treated unlike refusing ones."""
    return bool(
        CONF.mdev_compat.unknown == options.ALLOW
        and CONF.mdev_compat.mode == options.ENFORCING
    )
