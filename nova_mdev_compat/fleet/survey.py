# SPDX-License-Identifier: Apache-2.0
"""What all hosts say to the mdevs of one instance.

In few requests, however many hosts there are: those who speak for a host are
asked for by the patterns that they carry, and patterns that stop the
instance for the same reason are asked for together. For an instance with one
mdev these are seven, and one for each such reason.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping
import dataclasses

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.pattern import Pattern
from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import queries

#: What is asked, beside patterns, types and Free.
HOSTS = 'hosts'
SILENT = 'silent'
ROOM = 'room'
ANY_TYPE = 'any type'


@dataclasses.dataclass(frozen=True)
class Free:
    """A parent that accepts a need has at least so much to spare.

    :ivar mdev_type: which it serves, of those that the need may be of
    """

    need: acceptance.Need
    mdev_type: str
    amount: int


@dataclasses.dataclass(frozen=True)
class Strangers:
    """Somebody publishes in schemas that are not read here.

    :ivar schemas: their traits
    """

    schemas: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Serves:
    """Who speaks for a host serves a type."""

    mdev_type: str


@dataclasses.dataclass(frozen=True)
class Question:
    """Something to know of providers.

    :ivar about: HOSTS, SILENT, ROOM or ANY_TYPE; Strangers; Serves; Free; or
        a pattern, for all those that stop the instance alike
    :ivar queries: as decision.queries returns them
    """

    about: Hashable
    queries: tuple[tuple[str, ...], ...]


#: The providers that each question finds, by their UUID.
Answers = Mapping[Hashable, Mapping[str, client.Provider]]


def ask(
    placement: client.Placement,
    wanted: acceptance.Needs,
    room: Mapping[str, int],
    progress: inventory.Progress = iter,
) -> Answers:
    """Return what is to be known of hosts to judge them.

    :param room: amounts of other resources, by class, that the instance has
        from its host's root provider
    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    carried = placement.carried_traits()
    return {
        question.about: _answer(placement, question)
        for question in progress(questions(carried, wanted, room))
    }


def _answer(
    placement: client.Placement, question: Question
) -> dict[str, client.Provider]:
    found = [
        {
            provider.uuid: provider
            for query in some
            for provider in placement.providers_at(query)
        }
        for some in question.queries
    ]
    everywhere = set.intersection(*map(set, found))
    return {
        uuid: provider
        for uuid, provider in found[0].items()
        if uuid in everywhere
    }


def questions(
    carried: Collection[str], wanted: acceptance.Needs, room: Mapping[str, int]
) -> list[Question]:
    """Return what to ask; of traits that exist, or Placement refuses it.

    :param carried: traits of ours that any provider carries
    """
    found = []
    schemas = tuple(traits.other_schemas(carried))
    if schemas:
        found.append(
            Question(Strangers(schemas), queries.queries([schemas], ()))
        )
    speakers = queries.advertisers(carried)
    if speakers is None or traits.HOST not in carried:
        return [*found, _one(SILENT, '')]  # nobody has published
    published = traits.describe(carried)
    readable = queries.readable(carried)
    return [
        *found,
        _one(SILENT, inventory.SILENT),
        _one(HOSTS, queries.query([('required', traits.HOST), *readable])),
        *(
            [
                _one(
                    ROOM,
                    queries.query(
                        [
                            ('required', traits.HOST),
                            ('resources', _resources(room)),
                        ]
                    ),
                )
            ]
            if room
            else []
        ),
        *_by_type(published.types, wanted, speakers),
        *_by_pattern(published.accepts, wanted, speakers),
        *_with_capacity(published, wanted, readable),
    ]


def _one(about: Hashable, query: str) -> Question:
    return Question(about, ((query,),))


def _resources(amounts: Mapping[str, int]) -> str:
    return ','.join(
        f'{name}:{amount}' for name, amount in sorted(amounts.items())
    )


def _by_type(
    types: frozenset[str],
    wanted: Iterable[acceptance.Need],
    speakers: queries.Parameters,
) -> list[Question]:
    if not types:
        return []
    names = [traits.TYPE + mdev_type for mdev_type in types]
    return [Question(ANY_TYPE, queries.queries([names], speakers))] + [
        _one(
            Serves(mdev_type),
            queries.query([*speakers, ('required', traits.TYPE + mdev_type)]),
        )
        for mdev_type in sorted(
            types & {name for need in wanted for name, _ in need.alternatives}
        )
    ]


def _by_pattern(
    patterns: Mapping[str, Pattern],
    wanted: Iterable[acceptance.Need],
    speakers: queries.Parameters,
) -> list[Question]:
    sources = [
        source
        for need in wanted
        for _, identities in need.alternatives
        for source in identities
    ]
    alike: dict[object, list[str]] = {}
    for name, pattern in sorted(patterns.items()):
        alike.setdefault(_fate(pattern, sources), []).append(name)
    return [
        Question(patterns[names[0]], queries.queries([names], speakers))
        for names in alike.values()
    ]


def _fate(pattern: Pattern, sources: Iterable[identity.Identity]) -> object:
    """Return all that judgement takes from a pattern."""
    return tuple(
        (pattern.judge(source).kind, matching.first_failure(pattern, source))
        for source in sources
    )


def _with_capacity(
    published: traits.Description,
    wanted: acceptance.Needs,
    readable: queries.Parameters,
) -> list[Question]:
    return [
        Question(
            Free(need, mdev_type, amount),
            queries.queries(
                accepting,
                [
                    *readable,
                    ('required', f'{traits.TYPE}{mdev_type},!{traits.HOST}'),
                    ('resources', f'{need.resource_class}:{amount}'),
                ],
            ),
        )
        for need in wanted
        for mdev_type, sources in need.alternatives
        for amount in range(1, acceptance.most(need, wanted) + 1)
        if mdev_type in published.types
        and all(
            accepting := [
                matching.accepting_traits(published.accepts, source)
                for source in sources
            ]
        )
    ]
