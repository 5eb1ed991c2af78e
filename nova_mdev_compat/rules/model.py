# SPDX-License-Identifier: Apache-2.0
"""What a rule is, once its file has been read."""

from collections.abc import Mapping
import dataclasses

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import pattern

#: In a rule: the target parent's own value.
SAME = 'same'
#: In a rule: whatever it is (a product: of the rule's own vendor).
ANY = 'any'
#: The vendor of rules that speak for vendors without a file of their own.
EVERY_VENDOR = '*'
#: Characters of an error's text.
MAX_MESSAGE = 500


@dataclasses.dataclass(frozen=True)
class Place:
    """Where something stands, or a file as a whole.

    :ivar line: from 1, None where it is the file
    :ivar column: likewise
    """

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        if self.line is None:
            return self.file
        return f'{self.file}:{self.line}:{self.column}'


class RuleError(exceptions.BadInput):
    """Rules that cannot be used; as text it says where and why.

    :ivar text: what is wrong and what would be right
    :ivar place: where, None where no place in a file is to blame
    :ivar rule: the rule, ``'its name'`` or its number, where it is in one
    """

    def __init__(
        self, text: str, place: Place | None = None, rule: str | None = None
    ):
        if len(text) > MAX_MESSAGE:
            # It quotes from the file, which may have keys of any length.
            text = text[:MAX_MESSAGE] + '…'
        words = [str(place)] if place else []
        words += [f'rule {rule}'] if rule else []
        super().__init__(': '.join([*words, text]))
        self.text = text
        self.place = place
        self.rule = rule


@dataclasses.dataclass(frozen=True)
class Operand:
    """An operator with a canonical value, or SAME."""

    op: pattern.Op
    value: str


#: What a rule demands of one fact: alternatives, each a conjunction.
Alternatives = tuple[tuple[Operand, ...], ...]


@dataclasses.dataclass(frozen=True)
class Target:
    """Which of the host's parents a rule speaks for; None is all.

    :ivar products: parent ids
    :ivar types: canonical mdev types
    :ivar facts: demands by fact name
    """

    products: frozenset[str] | None = None
    types: frozenset[str] | None = None
    facts: Mapping[str, Alternatives] = dataclasses.field(default_factory=dict)

    def within(self, other: 'Target') -> 'Target':
        """Return the targets that both name; none of them has no products."""
        return Target(
            _both(self.products, other.products),
            _both(self.types, other.types),
            {
                name: _both_hold(
                    self.facts.get(name, ((),)), other.facts.get(name, ((),))
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


def _both_hold(one: Alternatives, other: Alternatives) -> Alternatives:
    return tuple(
        tuple(dict.fromkeys((*left, *right)))
        for left in one
        for right in other
    )


@dataclasses.dataclass(frozen=True)
class Accepts:
    """Which source devices a rule lets in.

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
    :ivar places: where its keys stand, by their paths in it
    """

    name: str
    source: str
    target: Target
    accepts: Accepts
    places: Mapping[tuple[str | int, ...], Place] = dataclasses.field(
        default_factory=dict, compare=False, repr=False
    )

    def __str__(self) -> str:
        return f'{self.name!r} ({self.source})'

    def place(self, path: tuple[str | int, ...] = ()) -> Place:
        """Return where a key of the rule stands, or what it stands in.

        :param path: of keys, ``('accepts', 'facts', 'ecc')``
        """
        while path and path not in self.places:
            path = path[:-1]
        return self.places[path]


@dataclasses.dataclass(frozen=True)
class RuleFile:
    """What a rule file says.

    :ivar vendor: canonical, or EVERY_VENDOR; empty where that is wrong
    :ivar rules: those that are right, for the devices that the file speaks
        for
    :ivar errors: all that is wrong, what to see to first coming first
    :ivar devices: which of the vendor's devices it speaks for; None is all
    :ivar places: where the keys of devices stand, by their paths in it
    """

    vendor: str
    rules: tuple[Rule, ...]
    errors: tuple[RuleError, ...] = ()
    devices: Target | None = None
    places: Mapping[tuple[str | int, ...], Place] = dataclasses.field(
        default_factory=dict, compare=False, repr=False
    )


@dataclasses.dataclass(frozen=True)
class RuleSet:
    """All rules of a host.

    :ivar by_vendor: by canonical vendor or EVERY_VENDOR
    :ivar devices: for which of a vendor's devices its files speak, one for
        each file; a vendor that is not in it has one that speaks for all
    """

    by_vendor: Mapping[str, tuple[Rule, ...]]
    devices: Mapping[str, tuple[Target, ...]] = dataclasses.field(
        default_factory=dict
    )

    def for_vendor(self, vendor: str) -> tuple[Rule, ...]:
        """Return the vendor's own rules, else those for every vendor."""
        default = self.by_vendor.get(EVERY_VENDOR, ())
        return self.by_vendor.get(vendor, default)
