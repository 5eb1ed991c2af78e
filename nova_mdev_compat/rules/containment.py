# SPDX-License-Identifier: Apache-2.0
"""Whether a rule accepts all that another one accepts. Pure.

Nothing is proved about operators: values are tried. Whether a condition
holds depends on nothing but which of the values are versions, how these are
ordered and which texts are equal. So there are only finitely many cases for
the values that target and source may have beside those that two rules name,
and each of them is tried. The rules' own versions are renamed to 3, 6, 9…
before, which leaves room for two values in each gap.
"""

from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import itertools

from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import versions
from nova_mdev_compat.rules import model

#: A target that no rule names.
_SOMEBODY = ''
#: Values that are no version and that no rule names; canonical ones are in
#: upper case.
_OTHERS = ('x', 'y')

_Conditions = tuple[pattern.Condition, ...]


def covers(wide: model.Rule, narrow: model.Rule) -> bool:
    """Tell whether a rule accepts whatever another one accepts.

    For every target and every source. Both are rules of one vendor, and the
    target is a parent of that vendor, with a product where they name any.

    False may be wrong, True is not. Not seen is: that of a vendor without
    products ``any`` is ``same``; that a list names all products there are;
    that a rule which accepts nothing because of one fact is covered in
    spite of another; that there may be no version between two.
    """
    one, other = wide.target, narrow.target
    return (
        _covers_ids(
            one.products,
            wide.accepts.products,
            other.products,
            narrow.accepts.products,
        )
        and _covers_ids(
            one.types, wide.accepts.types, other.types, narrow.accepts.types
        )
        and all(
            _covers_demand(_demand(wide, name), _demand(narrow, name))
            for name in {*one.facts, *wide.accepts.facts}
        )
    )


def speaks(rule: model.Rule, fact: str) -> bool:
    """Tell whether what a rule demands of its target's fact is possible.

    True may be wrong, False is not.
    """
    (demand,), values = _renamed(_demand(rule, fact))
    return any(map(demand.speaks, values))


def accepts(rule: model.Rule, fact: str) -> bool:
    """Tell whether a target and a source may have values that a rule takes.

    True may be wrong, False is not.
    """
    (demand,), values = _renamed(_demand(rule, fact))
    return any(
        _takes(conditions, found)
        for conditions in map(demand.conditions, values)
        for found in values
    )


def _covers_ids(
    wide_targets: frozenset[str] | None,
    wide: tuple[str, ...],
    narrow_targets: frozenset[str] | None,
    narrow: tuple[str, ...],
) -> bool:
    """Compare products, or types: of targets, and what these accept."""
    targets = narrow_targets
    if targets is None:
        targets = frozenset({_SOMEBODY})
    if wide_targets is not None and not targets <= wide_targets:
        return False
    return model.ANY in wide or all(
        _own(narrow, target) <= _own(wide, target) for target in targets
    )


def _own(ids: Iterable[str], target: str) -> set[str]:
    return {target if item == model.SAME else item for item in ids}


@dataclasses.dataclass(frozen=True)
class _Demand:
    """What a rule demands of one fact; None is nothing.

    A value that is not known is None in all that follows.
    """

    target: model.Alternatives | None
    accepts: model.Alternatives | None

    def operands(self) -> Iterator[model.Operand]:
        for alternatives in (self.target, self.accepts):
            yield from itertools.chain.from_iterable(alternatives or ())

    def renamed(self, names: Mapping[str, str]) -> '_Demand':
        return _Demand(
            _rename(self.target, names), _rename(self.accepts, names)
        )

    def needs_own(self) -> bool:
        return any(
            operand.value == model.SAME
            for operand in itertools.chain.from_iterable(self.accepts or ())
        )

    def speaks(self, own: str | None) -> bool:
        """Tell whether the rule speaks for a target's value."""
        if own is None and self.needs_own():
            return False
        return self.target is None or _takes(_conditions(self.target), own)

    def conditions(self, own: str | None) -> list[_Conditions]:
        """Return what its patterns for a target ask of the source."""
        if not self.speaks(own):
            return []
        if self.accepts is None:
            return [()]
        # As in evaluation, which publishes no pattern that is empty.
        return [
            one
            for one in _conditions(self.accepts, own)
            if not pattern.Pattern('', '', one).is_empty()
        ]


def _rename(
    alternatives: model.Alternatives | None, names: Mapping[str, str]
) -> model.Alternatives | None:
    if alternatives is None:
        return None
    return tuple(
        tuple(
            model.Operand(operand.op, names.get(operand.value, operand.value))
            for operand in operands
        )
        for operands in alternatives
    )


def _renamed(*demands: _Demand) -> tuple[list[_Demand], list[str | None]]:
    """Return demands on one fact with simpler versions, and all cases."""
    operands = list(
        itertools.chain.from_iterable(demand.operands() for demand in demands)
    )
    literals = {operand.value for operand in operands} - {model.SAME}
    by_rank = _by_rank(filter(versions.is_version, literals))
    names = {
        text: _version(rank, number)
        for rank, texts in by_rank.items()
        for number, text in enumerate(texts)
    }
    spellings = 1
    if any(operand.op is pattern.Op.IS for operand in operands):
        # Equal versions may be different texts: those that are named, and
        # one each for target and source.
        spellings = max(map(len, by_rank.values()), default=0) + 2
    ranks = range(1, 3 * len(by_rank) + 3)
    return [demand.renamed(names) for demand in demands], [
        None,
        *_OTHERS,
        *sorted(literals - names.keys()),
        *itertools.starmap(
            _version, itertools.product(ranks, range(spellings))
        ),
    ]


def _by_rank(texts: Iterable[str]) -> dict[int, list[str]]:
    ordered = sorted(texts, key=versions.key)
    groups = itertools.groupby(ordered, versions.key)
    return {
        3 * number: sorted(group)
        for number, (_, group) in enumerate(groups, 1)
    }


def _version(rank: int, spelling: int) -> str:
    """Return one of the texts of a version: 3, 3_0, 3_0_0…"""
    return f'{rank}{"_0" * spelling}'


def _demand(rule: model.Rule, fact: str) -> _Demand:
    return _Demand(rule.target.facts.get(fact), rule.accepts.facts.get(fact))


def _conditions(
    alternatives: model.Alternatives, own: str | None = None
) -> list[_Conditions]:
    return [
        tuple(
            pattern.Condition('', operand.op, _value(operand, own))
            for operand in operands
        )
        for operands in alternatives
    ]


def _value(operand: model.Operand, own: str | None) -> str:
    return own if operand.value == model.SAME and own else operand.value


def _takes(alternatives: Iterable[_Conditions], found: str | None) -> bool:
    return any(
        all(
            found is not None and condition.holds(found)
            for condition in conditions
        )
        for conditions in alternatives
    )


def _covers_demand(wide: _Demand, narrow: _Demand) -> bool:
    if wide == narrow:
        return True
    (wide, narrow), values = _renamed(wide, narrow)
    targets = values
    if not (wide.needs_own() or narrow.needs_own()):
        # All that counts is for which of them the rules speak.
        targets = list(
            {
                (wide.speaks(own), narrow.speaks(own)): own for own in values
            }.values()
        )
    return all(
        _covers_source(wide.conditions(own), narrow.conditions(own), values)
        for own in targets
    )


def _covers_source(
    wide: list[_Conditions],
    narrow: list[_Conditions],
    values: list[str | None],
) -> bool:
    return all(
        _takes(wide, found) for found in values if _takes(narrow, found)
    )
