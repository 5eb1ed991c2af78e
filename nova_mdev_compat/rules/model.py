# SPDX-License-Identifier: Apache-2.0
"""What a rule is, once its file has been read."""

from collections.abc import Mapping
import dataclasses

from nova_mdev_compat import exceptions
from nova_mdev_compat import pattern as pat

#: In a rule: the target parent's own value.
SAME = 'same'
#: In a rule: whatever it is (a product: of the rule's own vendor).
ANY = 'any'
#: The vendor of rules that speak for vendors without a file of their own.
EVERY_VENDOR = '*'


class RuleError(exceptions.BadInput):
    """Rules that cannot be used; the message says where and why."""


@dataclasses.dataclass(frozen=True)
class Operand:
    """An operator with a canonical value, or SAME."""

    op: pat.Op
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
    """

    name: str
    source: str
    target: Target
    accepts: Accepts

    def __str__(self) -> str:
        return f'{self.name!r} ({self.source})'


@dataclasses.dataclass(frozen=True)
class RuleSet:
    """All rules of a host, by canonical vendor or EVERY_VENDOR."""

    by_vendor: Mapping[str, tuple[Rule, ...]]

    def for_vendor(self, vendor: str) -> tuple[Rule, ...]:
        """Return the vendor's own rules, else those for every vendor."""
        default = self.by_vendor.get(EVERY_VENDOR, ())
        return self.by_vendor.get(vendor, default)
