# SPDX-License-Identifier: Apache-2.0
"""Query strings of ``GET /resource_providers``. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from urllib import parse

from nova_mdev_compat.core import traits

#: Longest query string that is sent; servers refuse lines of 8 kB.
MAX_QUERY = 4000

#: Of a query, each with its value.
Parameters = tuple[tuple[str, str], ...]


def readable(carried: Collection[str]) -> Parameters:
    """Return query parameters for providers with our schema and no other.

    Placement refuses a query that names a trait that does not exist.

    :param carried: traits of ours that any provider carries, our schema's
        among them
    """
    others = (f'!{name}' for name in traits.other_schemas(carried))
    return tuple(('required', name) for name in (traits.SCHEMA, *others))


def advertisers(
    carried: Collection[str],
    mdev_type: str | None = None,
    tree: str | None = None,
) -> Parameters | None:
    """Return query parameters for providers that advertise, and serve a type.

    :param carried: traits of ours that any provider carries
    :param mdev_type: canonical; None for any
    :param tree: UUID of the only host that matters
    :returns: None if no provider advertises it
    """
    marks = {traits.HOST, traits.MIXED}.intersection(carried)
    if not marks or traits.SCHEMA not in carried:
        return None
    found = [_any_of(marks), *readable(carried)]
    if mdev_type is not None:
        if traits.TYPE + mdev_type not in carried:
            return None
        found.append(('required', traits.TYPE + mdev_type))
    if tree:
        found.append(('in_tree', tree))
    return tuple(found)


def queries(
    accepting: Sequence[Collection[str]],
    tail: Sequence[tuple[str, str]],
) -> tuple[tuple[str, ...], ...]:
    """Return queries for the providers that accept all sources.

    :param accepting: for each source, the traits that accept it
    :param tail: further parameters of each query
    :returns: query strings of GET /resource_providers; the answers of an
        inner tuple have to be united, those of the outer one intersected
    """
    whole = query([*map(_any_of, accepting), *tail])
    if len(whole) <= MAX_QUERY:
        return ((whole,),)
    room = MAX_QUERY - len(query([_any_of(()), *tail]))
    return tuple(
        tuple(query([_any_of(some), *tail]) for some in _chunks(names, room))
        for names in accepting
    )


def _any_of(names: Iterable[str]) -> tuple[str, str]:
    return 'required', 'in:' + ','.join(sorted(names))


def query(parameters: Iterable[tuple[str, str]]) -> str:
    """Return a query string that Placement reads."""
    return parse.urlencode(list(parameters), safe=':,')


def _chunks(names: Iterable[str], room: int) -> Iterator[list[str]]:
    chunk: list[str] = []
    used = 0
    for name in sorted(names):
        if chunk and used + len(name) + 1 > room:
            yield chunk
            chunk, used = [], 0
        chunk.append(name)
        used += len(name) + 1
    yield chunk
