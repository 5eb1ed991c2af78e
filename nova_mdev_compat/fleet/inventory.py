# SPDX-License-Identifier: Apache-2.0
"""A whole cloud, read from Placement: traits, and capacity of parents.

Placement has no request for the traits of many providers, but one for the
providers that have a trait. So there is a request for each distinct trait of
ours, four more, and one for each provider that changed meanwhile: their
number grows with what kinds of devices there are, not with how many.
"""

import collections
from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Mapping, Sequence
from concurrent import futures
import dataclasses
import functools
from typing import Any, TypeVar

from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import model
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import queries
from nova_mdev_compat.publication import host_traits

MANAGED = f'required={traits.SCHEMA}'
UNPUBLISHED = f'required=!{traits.SCHEMA}'
#: Not the roots, which repeat what their parents say.
PARENTS = f'{MANAGED},!{traits.HOST}'

#: Is given what there is to do, and yields it, a step at a time.
Progress = Callable[[Sequence[Any]], Iterable[Any]]

#: Requests that are under way at a time.
AT_A_TIME = 8

Asked = TypeVar('Asked')
Answer = TypeVar('Answer')


def map_concurrently(
    ask: Callable[[Asked], Answer],
    about: Sequence[Asked],
    progress: Progress = iter,
) -> Iterator[Answer]:
    """Yield the answers, in order; the first error ends it."""
    with futures.ThreadPoolExecutor(AT_A_TIME) as executor:
        pending = [executor.submit(ask, one) for one in about]
        try:
            for one in progress(pending):
                yield one.result()
        finally:
            # After an error the other answers are not needed.
            executor.shutdown(cancel_futures=True)


@dataclasses.dataclass(frozen=True)
class TraitQuestion:
    """Which managed providers carry a trait.

    :ivar lacking: ask for those that do not, because they are fewer
    """

    trait: str
    lacking: bool

    @property
    def query(self) -> str:
        return f'{PARENTS},{"!" if self.lacking else ""}{self.trait}'


def read(
    placement: client.Placement, progress: Progress = iter
) -> model.Cloud:
    """Return all hosts with their parents, and what these say.

    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    carried = placement.carried_traits()
    if not {traits.SCHEMA, traits.HOST} <= carried:
        # Nobody has published, and Placement refuses a query for a trait
        # that does not exist.
        return assemble(placement.providers_at(''), (), {})
    managed_query = queries.query(queries.readable(carried))
    unpublished = placement.providers_at(UNPUBLISHED)
    if schemas := traits.other_schemas(carried):
        unpublished += placement.providers_at(
            f'required=in:{",".join(schemas)}'
        )
    managed = {
        item.uuid: item for item in placement.providers_at(managed_query)
    }
    found = {item.uuid: {traits.SCHEMA} for item in managed.values()}
    for question in progress(questions(carried)):
        uuids = {item.uuid for item in placement.providers_at(question.query)}
        if question.lacking:
            uuids = found.keys() - uuids
        for uuid in uuids & found.keys():
            found[uuid].add(question.trait)
    changed = _changed(managed, placement.providers_at(managed_query))
    for uuid in sorted(changed):
        try:
            found[uuid] = set(placement.provider_traits(uuid)[0])
        except client.NotFound:
            del found[uuid], managed[uuid]
    return assemble(unpublished, managed.values(), found)


def questions(carried: Iterable[str]) -> list[TraitQuestion]:
    """Return the questions for traits.

    A trait that is the only one of its group is asked for by its absence.

    In most clouds all devices have the same module and operating system:
    the providers without it are a far shorter answer.

    :param carried: the traits of ours that any provider carries
    """
    groups = collections.defaultdict(list)
    for name in sorted(set(carried) - host_traits.ALWAYS):
        groups[_group(name)].append(name)
    return [
        TraitQuestion(name, len(names) == 1 and group != '')
        for group, names in groups.items()
        for name in names
    ]


def _group(name: str) -> str:
    """Return what a parent has one of: the trait without its value."""
    if name.startswith(traits.FACT):
        return traits.FACT + name.removeprefix(traits.FACT).partition('_')[0]
    for prefix in (traits.PARENT, traits.TYPE):
        if name.startswith(prefix):
            return prefix
    return ''


def _changed(
    before: Mapping[str, client.Provider], after: Iterable[client.Provider]
) -> set[str]:
    """Return whose answers may be of different times.

    A provider's generation counts whatever changes about it.
    """
    same = {
        item.uuid
        for item in after
        if item.uuid in before
        and item.generation == before[item.uuid].generation
    }
    return before.keys() - same


def assemble(
    unpublished: Iterable[client.Provider],
    managed: Iterable[client.Provider],
    found: Mapping[str, Collection[str]],
) -> model.Cloud:
    """Return the cloud that providers and their traits make.

    :param unpublished: providers on which no collector has published what can be
        read here
    :param managed: the others
    :param found: traits of ours of the managed ones, by UUID
    """
    providers = {item.uuid: item for item in (*unpublished, *managed)}
    parents = collections.defaultdict(list)
    for item in providers.values():
        root = providers.get(item.root)
        name = root and model.device_name(item.name, root.name)
        if name and not item.is_root:
            parents[item.root].append(
                model.Parent(
                    item.uuid,
                    name,
                    _described(frozenset(found.get(item.uuid, ()))),
                )
            )
    return model.by_name(
        model.Host(
            item.uuid,
            item.name,
            item.uuid in found,
            tuple(sorted(parents[item.uuid], key=lambda parent: parent.name)),
        )
        for item in providers.values()
        if item.is_root
    )


@functools.lru_cache(maxsize=1024)
def _described(names: frozenset[str]) -> traits.Description:
    """Return what traits say; that of equal ones is one object."""
    return traits.describe(names)


def capacity(
    placement: client.Placement,
    parents: Sequence[model.Parent],
    progress: Progress = iter,
) -> dict[str, client.Capacity]:
    """Return the capacity of parents by UUID: two requests each.

    :raises placement.PlacementError: Placement does not answer, or refuses
    """

    def ask(parent: model.Parent) -> tuple[str, client.Capacity]:
        try:
            found = placement.capacity(parent.uuid).values()
        except client.NotFound:
            # nova-compute has deleted it since.
            return parent.uuid, client.Capacity(0, 0)
        # All of it is of one class, but for the moment when that changes.
        return parent.uuid, client.Capacity(
            sum(one.used for one in found), sum(one.total for one in found)
        )

    return dict(map_concurrently(ask, parents, progress))


def free_capacity(
    placement: client.Placement,
    amounts: Iterable[tuple[str, int]],
    progress: Progress = iter,
) -> dict[str, dict[str, int]]:
    """Return how much parents have to spare: a request for each amount.

    :param amounts: resource classes and amounts that matter
    :returns: the largest of these, by parent's UUID, by resource class
    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    found: dict[str, dict[str, int]] = {}
    for resource_class, amount in progress(sorted(amounts)):
        query = f'{PARENTS}&resources={resource_class}:{amount}'
        found.setdefault(resource_class, {}).update(
            (uuid, amount) for uuid, _ in placement.lineage_at(query)
        )
    return found
