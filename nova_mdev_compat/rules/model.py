# SPDX-License-Identifier: Apache-2.0
"""Rules and rule files as parsed."""

from collections.abc import Iterator, Mapping
import dataclasses
import itertools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import pattern
from nova_mdev_compat.rules import yaml_document

_NO_DOCUMENT = yaml_document.Document(None, {(): (1, 1)})

#: In a rule: the target parent's own value.
SAME = 'same'
#: In a rule: any product of the rule's vendor, or any type.
ANY = 'any'
#: The vendor of rules for vendors without a file of their own.
EVERY_VENDOR = '*'
#: Characters of an error's text.
MAX_MESSAGE = 500


@dataclasses.dataclass(frozen=True)
class Position:
    """A position in a file, from 1, or a file as a whole."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        if self.line is None:
            return self.file
        return f'{self.file}:{self.line}:{self.column}'


_NOWHERE = Position('')


class RuleError(exceptions.BadInput):
    """Rules that cannot be used; its text names the place and the reason.

    :ivar text: what is wrong and what would be right
    :ivar place: where; its file is empty if it is not in a file
    :ivar rule: the rule, ``'its name'`` or its number, if it is in one
    """

    def __init__(
        self, text: str, place: Position = _NOWHERE, rule: str | None = None
    ):
        if len(text) > MAX_MESSAGE:
            # It quotes the file, whose keys may have any length.
            text = text[:MAX_MESSAGE] + '…'
        parts = [str(place), f'rule {rule}' if rule else '', text]
        super().__init__(': '.join(filter(None, parts)))
        self.text = text
        self.place = place
        self.rule = rule


@dataclasses.dataclass(frozen=True)
class Operand:
    """An operator with a canonical value, or SAME."""

    op: pattern.Op
    value: str

    def condition(self, fact: str, own: str = '') -> pattern.Condition:
        """Return the condition on a fact.

        :param own: the value that replaces SAME
        """
        value = own if self.value == SAME else self.value
        return pattern.Condition(fact, self.op, value)


#: What a rule demands of one fact: alternatives, each a conjunction.
Alternatives = tuple[tuple[Operand, ...], ...]


def operands(alternatives: Alternatives) -> Iterator[Operand]:
    return itertools.chain.from_iterable(alternatives)


def needs_own(alternatives: Alternatives) -> bool:
    """Return whether a target's own value decides."""
    return any(operand.value == SAME for operand in operands(alternatives))


@dataclasses.dataclass(frozen=True)
class Target:
    """The parents of the host that a rule is for; None is all.

    :ivar products: parent ids
    :ivar types: canonical mdev types
    :ivar facts: demands by fact name
    """

    products: frozenset[str] | None = None
    types: frozenset[str] | None = None
    facts: Mapping[str, Alternatives] = dataclasses.field(default_factory=dict)

    def within(self, other: 'Target') -> 'Target':
        """Return the targets that both name.

        If they have no product, or no type, in common, that set is empty.
        """
        return Target(
            _both(self.products, other.products),
            _both(self.types, other.types),
            {
                name: tuple(
                    tuple(dict.fromkeys((*left, *right)))
                    for left in self.facts.get(name, ((),))
                    for right in other.facts.get(name, ((),))
                )
                for name in {**other.facts, **self.facts}
            },
        )


def _both(
    one: frozenset[str] | None, other: frozenset[str] | None
) -> frozenset[str] | None:
    if one is None or other is None:
        return one if other is None else other
    return one & other


@dataclasses.dataclass(frozen=True)
class Accepts:
    """The source devices that a rule accepts.

    :ivar products: parent ids, or (SAME,), or (ANY,)
    :ivar types: canonical mdev types, or (SAME,), or (ANY,)
    :ivar facts: demands by fact name
    """

    products: tuple[str, ...] = (SAME,)
    types: tuple[str, ...] = (SAME,)
    facts: Mapping[str, Alternatives] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule.

    :ivar name: its name in the file
    :ivar source: file and line, ``/etc/…/nvidia.yaml:5``
    :ivar document: the content of its file
    :ivar path: of the rule in it, ``('rules', 0)``
    """

    name: str
    source: str
    target: Target
    accepts: Accepts
    document: yaml_document.Document = dataclasses.field(
        default=_NO_DOCUMENT, compare=False, repr=False
    )
    path: yaml_document.Path = dataclasses.field(
        default=(), compare=False, repr=False
    )

    def __str__(self) -> str:
        return f'{self.name!r} ({self.source})'

    def place(self, path: yaml_document.Path = ()) -> Position:
        """Return the position of a key of the rule, or of its container.

        :param path: of keys, ``('accepts', 'facts', 'ecc')``
        """
        return Position(
            self.source.rpartition(':')[0],
            *self.document.position((*self.path, *path)),
        )


@dataclasses.dataclass(frozen=True)
class RuleFile:
    """The content of a rule file.

    :ivar vendor: canonical, or EVERY_VENDOR; empty if it is wrong
    :ivar rules: those without errors, limited to the file's devices
    :ivar errors: all errors, in the order to correct them
    :ivar devices: the vendor's devices that the file is for; None is all
    :ivar file: its name
    :ivar document: its data and positions
    """

    vendor: str = ''
    rules: tuple[Rule, ...] = ()
    errors: tuple[RuleError, ...] = ()
    devices: Target | None = None
    file: str = ''
    document: yaml_document.Document = dataclasses.field(
        default=_NO_DOCUMENT, compare=False, repr=False
    )

    def place(self, path: yaml_document.Path) -> Position:
        """Return the position of a key, or of its container."""
        return Position(self.file, *self.document.position(path))


@dataclasses.dataclass(frozen=True)
class RuleSet:
    """All rules of a host.

    :ivar by_vendor: by canonical vendor or EVERY_VENDOR
    :ivar devices: the devices that a vendor's files are for, one target for
        each file; a vendor that is missing has a file for all its devices
    """

    by_vendor: Mapping[str, tuple[Rule, ...]]
    devices: Mapping[str, tuple[Target, ...]] = dataclasses.field(
        default_factory=dict
    )

    def for_vendor(self, vendor: str) -> tuple[Rule, ...]:
        """Return the vendor's own rules, else those for every vendor."""
        default = self.by_vendor.get(EVERY_VENDOR, ())
        return self.by_vendor.get(vendor, default)
