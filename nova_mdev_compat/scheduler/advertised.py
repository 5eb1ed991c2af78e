# SPDX-License-Identifier: Apache-2.0
"""What providers advertise, asked of Placement and kept for a while."""

from collections.abc import Callable, Iterable
import dataclasses
import threading
from typing import Any, TypeVar

import cachetools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import traits
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import queries
from nova_mdev_compat.scheduler import candidates

CACHE_SIZE = 64

Answer = TypeVar('Answer')


@dataclasses.dataclass(frozen=True)
class Published:
    """What the whole cloud publishes.

    :ivar carried: our traits that any provider carries; Placement refuses a
        query that names a trait that does not exist
    :ivar content: what these traits mean
    """

    carried: frozenset[str]
    content: traits.Description


class Advertised:
    """Answers of Placement, each as old as its requests.

    No answer is made of others that were kept. Two threads may ask the same
    at once, which does no harm.

    :param placement: reads Placement
    :param ttl: how long an answer is kept, in seconds
    """

    def __init__(self, placement: client.Placement, ttl: float):
        self.placement = placement
        self._cache: cachetools.TTLCache[Any, Any] = cachetools.TTLCache(
            CACHE_SIZE, ttl
        )
        self._lock = threading.Lock()

    def published(self) -> Published:
        """Return what the whole cloud publishes."""

        def ask() -> Published:
            carried = self.placement.carried_traits()
            return Published(carried, traits.describe(carried))

        return self._cached('published', ask)

    def description(self, uuid: str) -> traits.Description:
        """Return what the traits of a provider mean."""
        return self._cached(
            ('description', uuid),
            lambda: traits.describe(self.placement.provider_traits(uuid)[0]),
        )

    def vfio_parents(
        self, published: Published, vendor: str
    ) -> frozenset[tuple[str, str]]:
        """Return the parents of virtual functions that advertise themselves.

        :param vendor: canonical; of these only
        :returns: UUIDs of each, and of its root
        """
        framework = traits.encode_fact(identity.FRAMEWORK, identity.VFIO)
        if not {traits.SCHEMA, traits.MIXED, framework} <= published.carried:
            return frozenset()
        of_vendor = sorted(
            traits.PARENT + parent
            for parent in published.content.parents
            if identity.vendor_of(parent) == vendor
        )
        query = queries.query(
            [
                *queries.readable(published.carried),
                ('required', f'{traits.MIXED},{framework}'),
                ('required', f'in:{",".join(of_vendor)}'),
            ]
        )
        return self._cached(
            ('parents', query),
            lambda: frozenset(self.placement.lineage_at(query)),
        )

    def acceptors(
        self,
        published: Published,
        served: str,
        sources: Iterable[identity.Identity],
        tree: str | None = None,
    ) -> candidates.Acceptors:
        """Return the providers that accept all sources.

        :param served: ``Identity.served`` of the sources
        :param tree: UUID of the root of the only host that matters
        """
        mdev_type = served.partition('/')[0]
        advertisers = queries.advertisers(published.carried, mdev_type, tree)
        accepting = [
            matching.accepting_traits(published.content.accepts, source)
            for source in sources
        ]
        if advertisers is None or not all(accepting):
            return candidates.Acceptors()
        return self.find(queries.queries(accepting, advertisers))

    def find(
        self, query_strings: Iterable[Iterable[str]]
    ) -> candidates.Acceptors:
        """Return the providers that queries find.

        :param query_strings: as queries.queries returns them
        """

        def ask() -> candidates.Acceptors:
            found = [
                {
                    pair
                    for query in alternatives
                    for pair in self.placement.lineage_at(query)
                }
                for alternatives in query_strings
            ]
            return candidates.Acceptors.of(set.intersection(*found))

        return self._cached(('find', query_strings), ask)

    def hosts(self, *parameters: tuple[str, str]) -> frozenset[str]:
        """Return UUIDs of the hosts of the providers that a query finds."""
        return self.find(((queries.query(parameters),),)).hosts

    def forget(self) -> None:
        """Drop all answers: a trait that one of them names is gone."""
        with self._lock:
            self._cache.clear()

    def _cached(self, key: object, ask: Callable[[], Answer]) -> Answer:
        with self._lock:
            if key in self._cache:
                answer: Answer = self._cache[key]
                return answer
        answer = ask()
        with self._lock:
            self._cache[key] = answer
        return answer
