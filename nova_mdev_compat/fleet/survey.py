# SPDX-License-Identifier: Apache-2.0
"""What all hosts offer one instance.

The number of requests does not depend on the number of hosts: a request asks
for the providers with certain patterns, and patterns that refuse the instance
for the same reason share one request. For an instance with one mdev these are
seven requests, and one for each such reason. For one with a virtual function
there are two more.
"""

import collections
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
import dataclasses
import functools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core.identity import Identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core.pattern import Pattern
from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import queries

ByUuid = dict[str, client.Provider]
#: Queries, as queries.queries returns them, and what stores the answer.
Question = tuple[tuple[tuple[str, ...], ...], Callable[[ByUuid], object]]


@dataclasses.dataclass
class Survey:
    """The answers of Placement, by the UUID of a provider.

    :ivar wanted: what the instance needs
    :ivar room: amounts of other resources, by class, that the instance has
        from its host's root provider
    :ivar hosts: roots that advertise
    :ivar with_type: advertising providers that serve any type
    :ivar physical: if the instance has virtual functions, the parents of
        such functions of the same vendor
    :ivar with_functions: Nova's providers that have room for a virtual
        function of the instance, by resource class
    :ivar unpublished: providers without our schema
    :ivar other_schema: providers with a schema that is not read here
    :ivar schemas: the traits of these schemas
    :ivar with_room: roots with the other resources
    :ivar accepts: patterns of advertising providers
    :ivar serves: types of these, of those that the instance has
    :ivar root_of: their roots
    :ivar free: free capacity of accepting parents, as far as it matters, by
        need and root
    """

    wanted: acceptance.Needs
    room: Mapping[str, int]
    hosts: ByUuid = dataclasses.field(default_factory=dict)
    with_type: ByUuid = dataclasses.field(default_factory=dict)
    physical: ByUuid = dataclasses.field(default_factory=dict)
    with_functions: ByUuid = dataclasses.field(default_factory=dict)
    unpublished: ByUuid = dataclasses.field(default_factory=dict)
    other_schema: ByUuid = dataclasses.field(default_factory=dict)
    schemas: tuple[str, ...] = ()
    with_room: ByUuid = dataclasses.field(default_factory=dict)
    accepts: dict[str, set[Pattern]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(set)
    )
    serves: dict[str, set[str]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(set)
    )
    root_of: dict[str, str] = dataclasses.field(default_factory=dict)
    free: dict[
        tuple[acceptance.Need, str], collections.Counter[client.Provider]
    ] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(collections.Counter)
    )

    def offers(self) -> dict[str, frozenset[Offer]]:
        """Return what each host offers, by the UUID of its root."""
        found = collections.defaultdict(set)
        for uuid, patterns in self.accepts.items():
            found[self.root_of[uuid]].add(
                Offer(frozenset(patterns), frozenset(self.serves[uuid]))
            )
        return {root: frozenset(offers) for root, offers in found.items()}


def ask(
    placement: client.Placement,
    wanted: acceptance.Needs,
    room: Mapping[str, int],
    progress: inventory.Progress = iter,
) -> Survey:
    """Return what must be known of hosts to decide for an instance.

    :param wanted: as in Survey
    :param room: as in Survey
    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    survey = Survey(wanted, room)
    answer = functools.cache(placement.providers_at)
    asked = list(questions(survey, placement.carried_traits()))
    for all_of, note in progress(asked):
        found = [
            {
                provider.inventory_uuid: provider
                for query in alternatives
                for provider in answer(query)
            }
            for alternatives in all_of
        ]
        everywhere = set.intersection(*map(set, found))
        note({uuid: found[0][uuid] for uuid in everywhere})
    return survey


def questions(survey: Survey, carried: Collection[str]) -> Iterator[Question]:
    """Yield the questions of a survey, whose notes fill it.

    :param carried: traits of ours that any provider carries; Placement
        refuses a query for a trait that does not exist
    """
    survey.schemas = tuple(traits.other_schemas(carried))
    if survey.schemas:
        yield queries.queries([survey.schemas], ()), survey.other_schema.update
    yield from _functions(survey, carried)
    advertisers = queries.advertisers(carried)
    if advertisers is None or traits.HOST not in carried:
        yield _one('', survey.unpublished)  # no collector has published
        return
    published = traits.describe(carried)
    readable = queries.readable(carried)
    host = ('required', traits.HOST)
    yield _one(inventory.UNPUBLISHED, survey.unpublished)
    yield _one(queries.query([host, *readable]), survey.hosts)
    if survey.room:
        amounts = ','.join(
            f'{name}:{amount}' for name, amount in sorted(survey.room.items())
        )
        yield _one(
            queries.query([host, ('resources', amounts)]), survey.with_room
        )
    yield from _types(survey, published.types, advertisers)
    yield from _patterns(survey, published.accepts, advertisers)
    yield from _capacity(survey, published, readable)


def _functions(survey: Survey, carried: Collection[str]) -> Iterator[Question]:
    """Ask where virtual functions are, if the instance has any.

    A host without a collector is unknown if Nova has room for the functions
    there; nothing else tells these from other PCI devices.
    """
    needs = [need for need in survey.wanted if need.framework == identity.VFIO]
    for name in sorted({need.resource_class for need in needs}):
        yield _one(
            queries.query([('resources', f'{name}:1')]),
            survey.with_functions,
        )
    vendors = {identity.vendor_of(source.parent) for source in _sources(needs)}
    alike = [
        traits.PARENT + parent
        for parent in traits.describe(carried).parents
        if identity.vendor_of(parent) in vendors
    ]
    framework = traits.encode_fact(identity.FRAMEWORK, identity.VFIO)
    if alike and framework in carried:
        yield (
            queries.queries([alike], [('required', framework)]),
            (survey.physical.update),
        )


def _one(query: str, answers: ByUuid) -> Question:
    return ((query,),), answers.update


def _types(
    survey: Survey, types: frozenset[str], advertisers: queries.Parameters
) -> Iterator[Question]:
    if types:
        names = [traits.TYPE + mdev_type for mdev_type in types]
        yield queries.queries([names], advertisers), survey.with_type.update
    needed = {source.type for source in _sources(survey.wanted)}
    for mdev_type in sorted(types & needed):

        def note(found: ByUuid, mdev_type: str = mdev_type) -> None:
            for uuid in found:
                survey.serves[uuid].add(mdev_type)

        query = [*advertisers, ('required', traits.TYPE + mdev_type)]
        yield ((queries.query(query),),), note


def _patterns(
    survey: Survey,
    patterns: Mapping[str, Pattern],
    advertisers: queries.Parameters,
) -> Iterator[Question]:
    """Ask once for all patterns with the same outcome for the instance."""
    sources = list(_sources(survey.wanted))
    alike = collections.defaultdict(list)
    for name, pattern in sorted(patterns.items()):
        alike[outcome(pattern, sources)].append(name)
    for names in alike.values():

        def note(found: ByUuid, pattern: Pattern = patterns[names[0]]) -> None:
            for uuid, provider in found.items():
                survey.accepts[uuid].add(pattern)
                survey.root_of[uuid] = provider.root

        yield queries.queries([names], advertisers), note


def _sources(wanted: Iterable[acceptance.Need]) -> Iterator[Identity]:
    for need in wanted:
        for _, sources in need.alternatives:
            yield from sources


def outcome(pattern: Pattern, sources: Iterable[Identity]) -> object:
    """Return all that a verdict takes from a pattern."""
    return tuple(
        (pattern.judge(source).kind, matching.first_failure(pattern, source))
        for source in sources
    )


def _capacity(
    survey: Survey,
    published: traits.Description,
    readable: queries.Parameters,
) -> Iterator[Question]:
    """Ask for the parents that accept a need and have capacity for it.

    The accepting parents of virtual functions and those with capacity are two
    questions, because our providers have no inventory. The answers are by
    the UUID of the provider that has it, so they can be intersected.
    """
    for need in survey.wanted:
        for _, sources in need.alternatives:
            mdev_type = sources[0].type
            accepting = [
                matching.accepting_traits(published.accepts, source)
                for source in sources
            ]
            if mdev_type not in published.types or not all(accepting):
                continue
            for amount in range(1, acceptance.most(need, survey.wanted) + 1):

                def note(
                    found: ByUuid,
                    need: acceptance.Need = need,
                    amount: int = amount,
                ) -> None:
                    for provider in found.values():
                        free = survey.free[need, provider.root]
                        free[provider] = max(amount, free[provider])

                room = ('resources', f'{need.resource_class}:{amount}')
                tail = [
                    *readable,
                    ('required', f'{traits.TYPE}{mdev_type},!{traits.HOST}'),
                ]
                if need.framework == identity.VFIO:
                    found = queries.queries(accepting, tail)
                    yield (*found, (queries.query([room]),)), note
                else:
                    yield queries.queries(accepting, [*tail, room]), note
