# SPDX-License-Identifier: Apache-2.0
"""The Nova scheduler filter."""

from collections.abc import (
    Callable,
    Collection,
    Mapping,
)
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
from nova_mdev_compat.scheduler.counters import Counters
from nova_mdev_compat.scheduler.counters import DecisionReason
from nova_mdev_compat.scheduler import explanation
from nova_mdev_compat.scheduler import live_migration
from nova_mdev_compat.scheduler import log
from nova_mdev_compat.scheduler import nova_request

CONF = nova_conf.CONF
options.register_opts(CONF)


#: Who accepts, by mdev type; None where unknown.
ByType = Mapping[str, candidates.Acceptors | None]


class MdevCompatFilter(filters.BaseHostFilter):
    """Live-migrate vGPUs only to parents that accept them.

    A vGPU is an mdev, or a virtual function that a flavor's PCI alias asks
    for.

    =========================== ========================================
    request                     what the filter does
    =========================== ========================================
    no mdev in its candidates,  passes all hosts, without I/O
    and no alias of virtual
    functions
    no cell, or no host to      passes all hosts, without I/O: a live
    ignore                      migration always has both
    no live migration of the    passes all hosts, after one database
    instance is accepted        query
    one is, but it holds no     passes all hosts, after two database
    vGPUs, and the newest       queries and a request: a conductor that
    migration is another        died left the record behind
    a live migration, with an   refuses all hosts: Nova would, one by one
    alias that is not
    live_migratable
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
        self.counters = Counters(CONF.mdev_compat.metrics_file)
        self._unreadable: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        log.options_in_effect()

    def filter_all(
        self, filter_obj_list: Collection[Any], spec_obj: Any
    ) -> list[Any]:
        hosts = list(filter_obj_list)
        classes = frozenset(CONF.mdev_compat.resource_classes)
        aliases = nova_request.pci_aliases(spec_obj)
        if not nova_request.may_be_live_migration(
            hosts, spec_obj, classes, aliases
        ):
            return hosts
        permissive = CONF.mdev_compat.mode == options.PERMISSIVE
        try:
            question = live_migration.read(
                hosts,
                spec_obj,
                classes,
                aliases,
                self.advertised,
                self.live_migrations,
                _lets_unknown_pass(),
            )
            if question is None:
                return hosts
            remaining = self._answer_now(question, hosts, permissive)
        except live_migration.NotMigratable as exc:
            log.not_migratable(spec_obj.instance_uuid, len(hosts), exc)
            self.counters.add(DecisionReason.NOT_MIGRATABLE, permissive)
            return hosts if permissive else []
        except (
            live_migration.UnknownCompatibility,
            client.PlacementError,
            db_exception.DBError,
        ) as exc:
            passes = permissive or CONF.mdev_compat.unknown == options.ALLOW
            log.unanswered(
                spec_obj.instance_uuid,
                len(hosts),
                0 if passes else len(hosts),
                exc,
            )
            self.counters.add(_why_unknown(exc), permissive)
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

    def _answer_now(
        self,
        question: live_migration.LiveMigration,
        hosts: list[Any],
        permissive: bool,
    ) -> list[Any]:
        try:
            return self._answer(question, hosts, permissive)
        except client.BadQuery:
            # A trait whose name was cached has been deleted.
            self.advertised.forget()
            return self._answer(question, hosts, permissive)

    def _answer(
        self,
        question: live_migration.LiveMigration,
        hosts: list[Any],
        permissive: bool,
    ) -> list[Any]:
        published = self.advertised.published()
        self._report_unreadable(published)
        tree = hosts[0].uuid if len(hosts) == 1 else None
        acceptors, why = self._all_acceptors(question, published, tree)
        in_candidates = matching.by_type(question.sources)
        candidate_filter = candidates.CandidateFilter(
            question.sources,
            {served: acceptors[served] for served in in_candidates},
            question.classes,
        )
        refused = candidate_filter.filter(hosts, narrow=not permissive)
        if question.unnamed:
            refused = self._refused_whole(
                question, published, acceptors, hosts, refused
            )
        none_left = len(refused) == len(hosts)
        unpublished = self._unpublished(published, refused, none_left)
        reason = self._report(
            question, published, hosts, refused, unpublished, why
        )
        self.counters.add(reason, permissive)
        if permissive or not refused:
            return hosts
        if CONF.mdev_compat.unknown == options.ALLOW:
            refused = [
                host for host in refused if host.uuid not in unpublished
            ]
        # A HostState compares by value, slowly.
        out = set(map(id, refused))
        return [host for host in hosts if id(host) not in out]

    def _report(
        self,
        question: live_migration.LiveMigration,
        published: Published,
        hosts: list[Any],
        refused: list[Any],
        unpublished: frozenset[str],
        why: Exception | None,
    ) -> DecisionReason:
        """Log a decision, and return its reason.

        :param unpublished: UUIDs of the refused hosts that publish nothing
            readable
        :param why: why the verdict is partly unknown, or None
        """
        reason = (
            DecisionReason.SOME_HOSTS if refused else DecisionReason.ALL_HOSTS
        )
        if why:
            log.unanswered(
                question.instance,
                len(hosts),
                len(refused) - len(unpublished),
                why,
            )
        else:
            log.answered(question, hosts, refused, unpublished)
        if len(refused) == len(hosts):
            reason = explanation.none_left(
                self.advertised, question, published, hosts, unpublished
            )
        return _why_unknown(why) if why else reason

    def _refused_whole(
        self,
        question: live_migration.LiveMigration,
        published: Published,
        acceptors: ByType,
        hosts: list[Any],
        refused: list[Any],
    ) -> list[Any]:
        """Return the refused hosts, if candidates name no virtual functions.

        Nova may take any of a host's functions of that vendor, so all their
        parents must accept.

        :param refused: hosts that are refused anyway
        """
        accepting = [
            some.without(
                self.advertised.vfio_parents(
                    published, identity.vendor_of(sources[0].parent)
                )
            )
            for served, sources in matching.by_type(question.unnamed).items()
            if (some := acceptors[served]) is not None
        ]
        out = set(map(id, refused))
        return [
            host
            for host in hosts
            if id(host) in out
            or not all(host.uuid in roots for roots in accepting)
        ]

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
        question: live_migration.LiveMigration,
        published: Published,
        tree: str | None,
    ) -> tuple[ByType, Exception | None]:
        """Return who accepts, and why that is partly unknown, or None.

        :raises client.PlacementError: nothing is known, or unknown hosts are
            refused anyway
        """
        acceptors: dict[str, candidates.Acceptors | None] = {}
        why = question.why
        for served, sources in matching.by_type(question.all_sources).items():
            try:
                acceptors[served] = self.advertised.acceptors(
                    published, served, sources, tree
                )
            except client.BadQuery:
                raise
            except client.PlacementError as exc:
                acceptors[served], why = None, exc
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
        if not refused or not (
            none_left or CONF.mdev_compat.unknown == options.ALLOW
        ):
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


def _why_unknown(exc: Exception) -> DecisionReason:
    if isinstance(exc, client.PlacementError):
        return DecisionReason.PLACEMENT
    if isinstance(exc, db_exception.DBError):
        return DecisionReason.DATABASE
    return DecisionReason.SOURCE


def _lets_unknown_pass() -> bool:
    """Return whether unknown hosts are treated unlike refusing ones."""
    return bool(
        CONF.mdev_compat.unknown == options.ALLOW
        and CONF.mdev_compat.mode == options.ENFORCING
    )
