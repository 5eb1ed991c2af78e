# SPDX-License-Identifier: Apache-2.0
"""What a trait of ours says, in words and for programs. Pure."""

from collections.abc import Mapping, Sequence
import dataclasses
import itertools
from typing import Any

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.core import traits


@dataclasses.dataclass(frozen=True, order=True)
class Meaning:
    """What a trait says.

    :ivar kind: which of ours it is: "schema", "host", "mixed", "parent",
        "type", "in use", "fact" or "accept pattern"
    :ivar words: for people
    :ivar values: for programs; of a parent "parent", of a type "type", of a
        fact "fact" and "value", of an accept pattern "parent", "type" and
        "conditions", a list of "fact", "op" and "value" where "op" is a
        trait's word; otherwise nothing
    """

    kind: str
    words: str
    values: Mapping[str, Any] = dataclasses.field(compare=False)


_SIMPLE = {
    traits.SCHEMA: Meaning(
        'schema', 'a collector publishes here, in version 1 of the traits', {}
    ),
    traits.HOST: Meaning('host', 'a collector publishes for this host', {}),
    traits.MIXED: Meaning(
        'mixed',
        "this host's devices differ: each says for itself what it "
        'accepts, its root provider does not',
        {},
    ),
}


def decode(name: str) -> Meaning:
    """Return what a trait says.

    :raises traits.TraitError: it is not ours, or makes no sense
    """
    if not traits.is_ours(name):
        raise traits.TraitError(
            f'{name!r} is not a trait of ours, which begin with '
            f'{traits.PREFIX}'
        )
    if name in _SIMPLE:
        return _SIMPLE[name]
    if name.startswith(traits.ACCEPT):
        return _pattern(traits.decode_pattern(name))
    if name.startswith(traits.FACT):
        return _fact(*traits.decode_fact(name))
    said = traits.describe([name])
    if said.unreadable:
        raise traits.TraitError(
            f'{name} makes no sense: it is of another version, or it was '
            'made by hand'
        )
    return _value(said)


def _value(said: traits.Description) -> Meaning:
    for parent in said.parents:
        shown = identity.display_parent(parent)
        return Meaning('parent', f'device {shown}', {'parent': shown})
    for name in map(identity.display_type, said.types):
        return Meaning(
            'type', f'Nova uses mdev type {name} here', {'type': name}
        )
    (name,) = map(identity.display_type, said.in_use)
    return Meaning(
        'in use', f'running domains still use mdev type {name}', {'type': name}
    )


def _fact(name: str, value: str) -> Meaning:
    shown = identity.display(name, value)
    return Meaning('fact', f'{name}={shown}', {'fact': name, 'value': shown})


def _pattern(pattern: pat.Pattern) -> Meaning:
    parent = identity.display_parent(pattern.parent)
    whole = parent.removesuffix(f':{pat.ANY.lower()}')
    words = [
        f'from device {parent}'
        if whole == parent
        else f'from any device of vendor {whole}',
        'any type'
        if pattern.type == pat.ANY
        else f'type {identity.display_type(pattern.type)}',
    ]
    words += _conditions(pattern.conditions)
    return Meaning(
        'accept pattern',
        ', '.join(words),
        {
            'parent': parent,
            'type': identity.display_type(pattern.type),
            'conditions': [
                {
                    'fact': one.fact,
                    'op': one.op.name,
                    'value': identity.display(one.fact, one.value),
                }
                for one in pattern.conditions
            ],
        },
    )


def _conditions(conditions: Sequence[pat.Condition]) -> list[str]:
    """Return a text for each fact: ``driver at least 535 and below 560``."""
    by_fact = itertools.groupby(conditions, lambda one: one.fact)
    return [
        f'{fact} '
        + ' and '.join(
            f'{one.op.value} {identity.display(fact, one.value)}'
            for one in some
        )
        for fact, some in by_fact
    ]
