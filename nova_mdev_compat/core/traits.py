# SPDX-License-Identifier: Apache-2.0
"""Encode identities and accept patterns as trait names, and decode them.

::

    CUSTOM_MDEV_V1
    CUSTOM_MDEV_HOST
    CUSTOM_MDEV_MIXED
    CUSTOM_MDEV_PARENT_<PARENT>
    CUSTOM_MDEV_TYPE_<TYPE>
    CUSTOM_MDEV_INUSE_<TYPE>
    CUSTOM_MDEV_FACT_<NAME>_<VALUE>
    CUSTOM_MDEV_ACCEPT_<PARENT>__<TYPE>[__<FACT>_<OP>_<VALUE>[_<OP>_<VALUE>]]

``__`` is always a separator: a canonical value does not have it, and does not
start or end with ``_``. An operator word in a value would be read as an
operator, so encoding such a condition is an error.

Placement accepts trait names of up to 255 characters in A-Z, 0-9 and _
(``schemas/trait.py`` in its code).
"""

from collections.abc import Iterable
import dataclasses
import itertools
import re

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern as pat

PREFIX = 'CUSTOM_MDEV_'
SCHEMA = PREFIX + 'V1'
HOST = PREFIX + 'HOST'
MIXED = PREFIX + 'MIXED'
PARENT = PREFIX + 'PARENT_'
TYPE = PREFIX + 'TYPE_'
INUSE = PREFIX + 'INUSE_'
FACT = PREFIX + 'FACT_'
ACCEPT = PREFIX + 'ACCEPT_'

MAX_LENGTH = 255

_SCHEMA = re.compile(PREFIX + 'V[0-9]+')


class TraitError(ValueError):
    """A name is not one of our traits, or a trait cannot carry a value."""


def is_ours(name: str) -> bool:
    return name.startswith(PREFIX)


def other_schemas(names: Iterable[str]) -> list[str]:
    """Return the schema traits of versions that this release does not read."""
    return sorted(
        name for name in names if _SCHEMA.fullmatch(name) and name != SCHEMA
    )


def encode_pattern(pattern: pat.Pattern) -> str:
    """Return the trait name of an accept pattern.

    :raises TraitError: over 255 characters, or the name does not decode to
        the same pattern
    """
    for condition in pattern.conditions:
        words = set(condition.value.split('_')) & pat.Op.__members__.keys()
        if words:
            raise TraitError(
                f'{condition.fact} {condition.value}: a trait cannot tell '
                f'{min(words)} in a value from an operator'
            )
    sections = [pattern.parent, pattern.type]
    by_fact = itertools.groupby(pattern.conditions, lambda item: item.fact)
    for fact, conditions in by_fact:
        parts = [fact.upper()]
        for condition in conditions:
            parts += [condition.op.name, condition.value]
        sections.append('_'.join(parts))
    name = _checked(ACCEPT + '__'.join(sections))
    if decode_pattern(name) != pattern:
        raise TraitError(f'{name} does not decode to its own pattern')
    return name


def decode_pattern(name: str) -> pat.Pattern:
    """Return the accept pattern of a trait name.

    :raises TraitError: the name is not that of an accept pattern
    """
    if not name.startswith(ACCEPT):
        raise TraitError(f'{name} is not an accept pattern')
    sections = name.removeprefix(ACCEPT).split('__')
    if len(sections) < 2 or not all(map(identity.is_canonical, sections)):
        raise TraitError(f'{name} does not read as ACCEPT_PARENT__TYPE')
    conditions = itertools.chain.from_iterable(
        _decode_conditions(name, section) for section in sections[2:]
    )
    return pat.Pattern(sections[0], sections[1], tuple(conditions))


def _decode_conditions(name: str, section: str) -> list[pat.Condition]:
    fact, *words = section.split('_')
    found: list[tuple[pat.Op, list[str]]] = []
    for word in words:
        if word in pat.Op.__members__:
            found.append((pat.Op[word], []))
        elif found:
            found[-1][1].append(word)
        else:
            raise TraitError(f'{name}: no operator after {fact}')
    if not found or not all(value for _, value in found):
        raise TraitError(f'{name}: {section} does not read as FACT_OP_VALUE')
    return [
        pat.Condition(_fact_name(name, fact), op, '_'.join(value))
        for op, value in found
    ]


def encode_fact(fact: str, value: str) -> str:
    """Return the trait name of a canonical fact.

    :raises TraitError: over 255 characters
    """
    return _checked(f'{FACT}{fact.upper()}_{value}')


def encode_value(prefix: str, value: str) -> str:
    """Return the trait name of a canonical parent id or mdev type.

    :param prefix: PARENT, TYPE or INUSE
    :raises TraitError: over 255 characters, or a reserved word
    """
    if value == pat.ANY:
        raise TraitError(f'{value} is reserved and cannot name a device')
    return _checked(prefix + value)


@dataclasses.dataclass(frozen=True)
class Description:
    """The content of one provider's traits.

    :ivar managed: a collector has published here, in our schema and no other
    :ivar parents: parent ids; a parent's provider has one
    :ivar types: mdev types that it serves
    :ivar in_use: mdev types that only running domains still use
    :ivar facts: pairs of fact name and canonical value
    :ivar accepts: accept patterns by trait name
    :ivar unreadable: traits of ours that are invalid
    """

    managed: bool
    parents: frozenset[str]
    types: frozenset[str]
    in_use: frozenset[str]
    facts: frozenset[tuple[str, str]]
    accepts: dict[str, pat.Pattern]
    unreadable: tuple[str, ...]

    def identities(self) -> frozenset[identity.Identity]:
        """Return the provider's identities, one for each of its types.

        The result is empty if the identity is not completely known.
        """
        found = map(self.identity_of, self.types | self.in_use)
        return frozenset(one for one in found if one is not None)

    def identity_of(self, mdev_type: str) -> identity.Identity | None:
        """Return the provider's identity with a canonical type.

        None if a collector has not published everything, or if a fact has
        two values, one of which is wrong.
        """
        if not self.managed or len(self.parents) != 1 or self.unreadable:
            return None
        if len(dict(self.facts)) != len(self.facts):
            return None
        (parent,) = self.parents
        return identity.Identity(parent, mdev_type, self.facts)


def describe(names: Iterable[str]) -> Description:
    """Return the content of traits; other traits than ours are ignored."""
    ours = sorted(name for name in names if is_ours(name))
    facts, accepts, unreadable = set(), {}, []
    for name in ours:
        try:
            if name.startswith(FACT):
                facts.add(decode_fact(name))
            elif name.startswith(ACCEPT):
                accepts[name] = decode_pattern(name)
            elif name not in (SCHEMA, HOST, MIXED) and not any(
                name.startswith(prefix)
                and identity.is_canonical(name.removeprefix(prefix))
                for prefix in (PARENT, TYPE, INUSE)
            ):
                unreadable.append(name)
        except TraitError:
            unreadable.append(name)

    def values(prefix: str) -> frozenset[str]:
        return frozenset(
            name.removeprefix(prefix)
            for name in ours
            if name.startswith(prefix)
        )

    managed = SCHEMA in ours and not other_schemas(ours)
    return Description(
        managed,
        values(PARENT),
        values(TYPE),
        values(INUSE),
        frozenset(facts),
        accepts,
        tuple(unreadable),
    )


def decode_fact(name: str) -> tuple[str, str]:
    """Return the fact name and canonical value of a trait.

    :raises TraitError: the trait is not that of a fact
    """
    fact, _, value = name.removeprefix(FACT).partition('_')
    if not name.startswith(FACT) or not identity.is_canonical(value):
        raise TraitError(f'{name} does not read as FACT_NAME_VALUE')
    return _fact_name(name, fact), value


def _fact_name(name: str, fact: str) -> str:
    try:
        return identity.fact_name(fact.lower())
    except identity.IdentityError as exc:
        raise TraitError(f'{name}: {exc}') from exc


def _checked(name: str) -> str:
    if len(name) > MAX_LENGTH:
        raise TraitError(
            f'trait {name} has {len(name)} characters, Placement takes '
            f'{MAX_LENGTH}'
        )
    return name
