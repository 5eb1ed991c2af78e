# SPDX-License-Identifier: Apache-2.0
"""Accept patterns of a target, and whether a source matches one."""

from collections.abc import Callable, Collection, Iterator
import dataclasses
import enum
import functools
import itertools
import operator

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import verdict
from nova_mdev_compat.core import versions

#: Every mdev type; after a vendor, every product of that vendor.
ANY = 'ANY'

#: Where a source fails: at the framework, the parent, the type, or a fact that
#: is named.
Stage = tuple[int, str]
#: The number of a failure of the type. Those of facts have the next one.
TYPE_STAGE = 2


class Op(enum.Enum):
    """An operator. The name is its word in traits, the value in messages."""

    GE = 'at least'
    GT = 'above'
    LE = 'at most'
    LT = 'below'
    EQ = 'version'
    NE = 'other than'
    IS = 'equal to'


OPS: dict[Op, Callable[[versions.Key, versions.Key], bool]] = {
    Op.GE: operator.ge,
    Op.GT: operator.gt,
    Op.LE: operator.le,
    Op.LT: operator.lt,
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
}
#: Operators that a value which is not a version can satisfy: it equals itself.
EQUAL = frozenset({Op.EQ, Op.IS})
_ORDER = {op: index for index, op in enumerate(Op)}


@dataclasses.dataclass(frozen=True)
class Condition:
    """A condition on one fact of the source: ``driver GE 535``.

    :ivar fact: fact name, ``driver``
    :ivar op: operator
    :ivar value: canonical value, ``535``
    """

    fact: str
    op: Op
    value: str

    def holds(self, found: str) -> bool:
        """Tell whether a canonical value satisfies the condition.

        A value that is not a version (N_A) is not ordered. It equals itself
        and nothing else: it is outside every range, and it can neither bound
        a range nor be an exception from one.
        """
        if self.op is Op.IS or not (
            versions.is_version(found) and versions.is_version(self.value)
        ):
            return self.op in EQUAL and found == self.value
        return OPS[self.op](versions.key(found), versions.key(self.value))

    def reason(
        self, device: identity.Identity, who: str = 'the source'
    ) -> verdict.Reason | None:
        """Return why a device fails the condition, None if it satisfies it.

        :param who: what to call the device
        """
        found = device.fact(self.fact)
        if found is None:
            return verdict.Reason(
                verdict.Cause.MISSING,
                f'{self.fact} of {who} is unknown',
                self.fact,
            )
        if self.holds(found):
            return None
        return verdict.Reason(
            verdict.Cause.FACT,
            f'{self.fact} {identity.display(self.fact, found)} is not '
            f'{self.op.value} {identity.display(self.fact, self.value)}',
            self.fact,
        )

    def is_possible(self) -> bool:
        """Tell whether any value satisfies the condition."""
        return self.op in EQUAL or versions.is_version(self.value)

    def sort_key(self) -> tuple[str, int, str]:
        return self.fact, _ORDER[self.op], self.value


@dataclasses.dataclass(frozen=True)
class Pattern:
    """An accept pattern; all its conditions have to hold.

    :ivar parent: parent id, or a vendor's ``10DE_ANY``
    :ivar type: mdev type or ``ANY``
    :ivar conditions: in the order in which a trait names them, each once
    :raises identity.IdentityError: a part is not canonical
    :raises AttributeError, KeyError, TypeError: a part has the wrong type
    """

    parent: str
    type: str
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        ordered = tuple(sorted(set(self.conditions), key=Condition.sort_key))
        object.__setattr__(self, 'conditions', ordered)
        for text in (
            self.parent,
            self.type,
            *(condition.value for condition in ordered),
        ):
            if not identity.is_canonical(text):
                raise identity.IdentityError(
                    f'{text!r} in a pattern is not in canonical form: upper '
                    'case letters, digits and single underscores'
                )
        for condition in ordered:
            identity.fact_name(condition.fact)

    def words(self) -> list[str]:
        """Return clauses for people, the first about the source's product."""
        parent = identity.display_parent(self.parent)
        vendor = parent.removesuffix(f':{ANY.lower()}')
        words = [
            f'device {parent}'
            if vendor == parent
            else f'any device of vendor {vendor}',
            'any type'
            if self.type == ANY
            else f'type {identity.display_type(self.type)}',
        ]
        # One text for each fact: driver at least 535 and below 560.
        for fact, some in itertools.groupby(
            self.conditions, operator.attrgetter('fact')
        ):
            tests = [
                f'{one.op.value} {identity.display(fact, one.value)}'
                for one in some
            ]
            words.append(f'{fact} {" and ".join(tests)}')
        return words

    @functools.cached_property
    def framework(self) -> str:
        """The only framework that it accepts: MDEV or VFIO."""
        for condition in self.conditions:
            if condition.fact == identity.FRAMEWORK and condition.op is Op.IS:
                return condition.value
        return identity.MDEV

    def within(self, framework: str) -> 'Pattern':
        """Return the pattern for one framework, whatever it has said of it.

        :param framework: MDEV or VFIO
        """
        conditions = [
            condition
            for condition in self.conditions
            if condition.fact != identity.FRAMEWORK
        ]
        if framework != identity.MDEV:
            conditions.append(Condition(identity.FRAMEWORK, Op.IS, framework))
        return dataclasses.replace(self, conditions=tuple(conditions))

    def takes_parent(self, parent: str) -> bool:
        """Tell whether the pattern takes a source's parent id."""
        return self.parent in (parent, f'{identity.vendor_of(parent)}_{ANY}')

    def judge(self, source: identity.Identity) -> verdict.Verdict:
        """Return the verdict on a source."""
        return verdict.Verdict.from_reasons(
            tuple(reason for _, reason in self.failures(source))
        )

    def failures(
        self, source: identity.Identity
    ) -> Iterator[tuple[Stage, verdict.Reason]]:
        """Return every failure of a source, and where it occurs.

        The order is the same for all patterns: framework, parent, type, facts
        by name. No condition decides about the framework: a device has one,
        and it is MDEV where nothing is published of it.
        """
        if self.framework != source.framework:
            yield (
                (0, ''),
                verdict.Reason(
                    verdict.Cause.FACT,
                    f'framework {source.framework.lower()} is not '
                    f'{self.framework.lower()}',
                    identity.FRAMEWORK,
                ),
            )
        if not self.takes_parent(source.parent):
            yield (
                (1, ''),
                verdict.Reason(
                    verdict.Cause.PARENT,
                    f'device {identity.display_parent(source.parent)} is not '
                    f'{identity.display_parent(self.parent)}',
                ),
            )
        if self.type not in (source.type, ANY):
            yield (
                (TYPE_STAGE, ''),
                verdict.Reason(
                    verdict.Cause.TYPE,
                    f'type {identity.display_type(source.type)} is not '
                    f'{identity.display_type(self.type)}',
                ),
            )
        for condition in self.conditions:
            if condition.fact == identity.FRAMEWORK:
                continue
            reason = condition.reason(source)
            if reason:
                yield (TYPE_STAGE + 1, condition.fact), reason


def is_empty(conditions: Collection[Condition]) -> bool:
    """Tell whether no value satisfies a condition, or two contradict.

    Only pairs are compared, so a range whose exceptions leave no value is not
    found. Such a pattern is harmless: no source matches it.
    """
    return any(
        not one.is_possible()
        or any(
            one.fact == other.fact and _contradict(one, other)
            for other in conditions
        )
        for one in conditions
    )


def _contradict(one: Condition, other: Condition) -> bool:
    if one.op in (Op.EQ, Op.IS):
        return not other.holds(one.value)
    if one.op in (Op.GE, Op.GT) and other.op in (Op.LE, Op.LT):
        low, high = versions.key(one.value), versions.key(other.value)
        open_end = Op.GT is one.op or Op.LT is other.op
        return low > high or (open_end and low == high)
    return False
