# SPDX-License-Identifier: Apache-2.0
"""A whole cloud, read from Placement: traits, and capacity of parents.

Placement cannot list the traits of many providers in one request, but it can
list the providers that have a trait. So there is one request for each distinct
trait of ours, four more, and one for each provider that changed meanwhile. The
number grows with how many device classes there are, not with how many devices.
"""

import collections
from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Mapping, Sequence
from concurrent import futures
import functools
from typing import Any, TypeVar

from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import model
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import providers
from nova_mdev_compat.placement import queries
from nova_mdev_compat.publication import host_traits

UNPUBLISHED = f'required=!{traits.SCHEMA}'
#: Parents that are published. Roots only repeat what their parents advertise.
PARENTS = f'required={traits.SCHEMA},!{traits.HOST}'

#: Takes what there is to do, and yields it one by one.
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


def read(
    placement: client.Placement, progress: Progress = iter
) -> model.Cloud:
    """Return all hosts, with their parents and the content of their traits.

    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    carried = placement.carried_traits()
    schemas = {
        name: placement.providers_at(f'required={name}')
        for name in traits.other_schemas(carried)
    }
    if not {traits.SCHEMA, traits.HOST} <= carried:
        # Placement refuses a query for a trait that does not exist.
        return assemble(placement.providers_at(''), (), {}, schemas)
    readable = queries.query(queries.readable(carried))
    unpublished = placement.providers_at(UNPUBLISHED)
    for some in schemas.values():
        unpublished += some
    managed = {item.uuid: item for item in placement.providers_at(readable)}
    found = {uuid: {traits.SCHEMA} for uuid in managed}
    for name, lacking in progress(questions(carried - schemas.keys())):
        query = f'{PARENTS},{"!" if lacking else ""}{name}'
        uuids = {item.uuid for item in placement.providers_at(query)}
        if lacking:
            uuids = found.keys() - uuids
        for uuid in uuids & found.keys():
            found[uuid].add(name)
    # A provider's generation counts whatever changes about it.
    same = {
        item.uuid
        for item in placement.providers_at(readable)
        if item.uuid in managed
        and item.generation == managed[item.uuid].generation
    }
    for uuid in sorted(managed.keys() - same):
        try:
            found[uuid] = set(placement.provider_traits(uuid)[0])
        except client.NotFound:
            del found[uuid], managed[uuid]
    return assemble(unpublished, managed.values(), found, schemas)


def questions(carried: Iterable[str]) -> list[tuple[str, bool]]:
    """Return which traits to ask for, and whether by their absence.

    A trait that is the only one of its group is asked for by its absence. In
    most clouds all devices have the same module and operating system, and the
    list of providers without it is much shorter.

    :param carried: the traits of ours that any provider carries
    """
    groups = collections.defaultdict(list)
    for name in sorted(set(carried) - host_traits.ALWAYS):
        groups[_group(name)].append(name)
    return [
        (name, len(names) == 1 and group != '')
        for group, names in groups.items()
        for name in names
    ]


def _group(name: str) -> str:
    """Return the part of a trait before its value, if a parent has one."""
    if name.startswith(traits.FACT):
        return traits.FACT + name.removeprefix(traits.FACT).partition('_')[0]
    for prefix in (traits.PARENT, traits.TYPE):
        if name.startswith(prefix):
            return prefix
    return ''


def assemble(
    unpublished: Iterable[client.Provider],
    managed: Iterable[client.Provider],
    found: Mapping[str, Collection[str]],
    schemas: Mapping[str, Iterable[client.Provider]],
) -> model.Cloud:
    """Return the cloud of providers and their traits.

    :param unpublished: providers without traits that are read here
    :param managed: the others
    :param found: traits of ours of the managed ones, by UUID
    :param schemas: providers with traits of other schemas, by schema
    """
    by_uuid = {item.uuid: item for item in (*unpublished, *managed)}
    parents = collections.defaultdict(list)
    for item in by_uuid.values():
        root = by_uuid.get(item.root)
        name = root and providers.device_name(item.name, root.name)
        if name and not item.is_root:
            said = _described(frozenset(found.get(item.uuid, ())))
            parents[item.root].append(
                model.Parent(item.inventory_uuid, name, said)
            )
    carried = {
        name: {item.root for item in some} for name, some in schemas.items()
    }
    return model.by_name(
        model.Host(
            item.uuid,
            item.name,
            item.uuid in found,
            tuple(sorted(parents[item.uuid], key=lambda parent: parent.name)),
            tuple(
                name for name, roots in carried.items() if item.uuid in roots
            ),
        )
        for item in by_uuid.values()
        if item.is_root
    )


@functools.lru_cache(maxsize=1024)
def _described(names: frozenset[str]) -> traits.Description:
    """Return the content of traits; equal traits give one object."""
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
        # There are two classes only for the moment in which one replaces
        # the other.
        return parent.uuid, client.Capacity(
            sum(one.used for one in found), sum(one.total for one in found)
        )

    return dict(map_concurrently(ask, parents, progress))


def free_capacity(
    placement: client.Placement,
    amounts: Iterable[tuple[str, int]],
    progress: Progress = iter,
) -> dict[str, dict[str, int]]:
    """Return the free capacity of parents: a request for each amount.

    :param amounts: resource classes and amounts that matter
    :returns: the largest of these, by resource class, by parent's UUID;
        other providers of these classes are among them
    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    found: dict[str, dict[str, int]] = {}
    for resource_class, amount in progress(sorted(amounts)):
        # Nova's providers of physical functions have no traits of ours.
        query = f'resources={resource_class}:{amount}'
        found.setdefault(resource_class, {}).update(
            (uuid, amount) for uuid, _ in placement.lineage_at(query)
        )
    return found


def all_free_capacity(
    placement: client.Placement,
    classes: Sequence[str],
    progress: Progress = iter,
) -> dict[str, dict[str, int]]:
    """Return all free capacity of parents, by resource class, by UUID.

    A request for each amount up to the largest that a parent has to spare.

    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    found: dict[str, dict[str, int]] = {}
    for name in progress(classes):
        free = found.setdefault(name, {})
        amount = 1
        while some := free_capacity(placement, [(name, amount)])[name]:
            free.update(some)
            amount += 1
    return found
