# SPDX-License-Identifier: Apache-2.0
"""Whether a rule accepts everything that another one accepts. Pure.

Whether a condition holds depends only on which values are versions, how these
are ordered and which texts are equal. So the values of target and source make
finitely many cases beside those that two rules name, and each case is tried.
The rules' own versions are first renamed to 3, 6, 9…, which leaves room for
two values in each gap.
"""

from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import itertools

from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import versions
from nova_mdev_compat.rules import model

#: A product or type that no rule names.
_UNNAMED = ''
#: Values that are not versions and that no rule names: canonical ones are in
#: upper case.
_OTHERS = ('x', 'y')
#: No demand: one alternative, without conditions.
_ANYTHING: model.Alternatives = ((),)

_Conditions = tuple[pattern.Condition, ...]


def covers(wide: model.Rule, narrow: model.Rule) -> bool:
    """Return whether a rule accepts whatever another one accepts.

    This holds for every target and source. Both are rules of one vendor, and
    the target is a parent of that vendor, with a product if they name any.

    False may be wrong, True is not. These cases are not detected: a vendor
    without products, for which ``any`` is ``same``; a list that names all
    products there are; a rule which accepts nothing because of one fact and is
    therefore covered whatever its other facts demand; two versions with none
    between them.
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


def applies(rule: model.Rule, fact: str) -> bool:
    """Return whether a target can have what a rule demands of a fact.

    True may be wrong, False is not.
    """
    (demand,), values = _renamed(_demand(rule, fact))
    return any(map(demand.applies, values))


def accepts(rule: model.Rule, fact: str) -> bool:
    """Return whether a target and a source can have values for a rule.

    True may be wrong, False is not.
    """
    (demand,), values = _renamed(_demand(rule, fact))
    return any(
        _holds(conditions, found)
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
        targets = frozenset({_UNNAMED})
    if wide_targets is not None and not targets <= wide_targets:
        return False
    return model.ANY in wide or all(
        _own(narrow, target) <= _own(wide, target) for target in targets
    )


def _own(ids: Iterable[str], target: str) -> set[str]:
    return {target if item == model.SAME else item for item in ids}


@dataclasses.dataclass(frozen=True)
class _Demand:
    """What a rule demands of one fact of the target and of the source.

    An unknown value is None.
    """

    target: model.Alternatives
    accepts: model.Alternatives

    def renamed(self, names: Mapping[str, str]) -> '_Demand':
        target, accepts = (
            tuple(
                tuple(
                    model.Operand(one.op, names.get(one.value, one.value))
                    for one in operands
                )
                for operands in alternatives
            )
            for alternatives in (self.target, self.accepts)
        )
        return _Demand(target, accepts)

    def applies(self, own: str | None) -> bool:
        """Return whether the rule applies to a target's value."""
        if own is None and model.needs_own(self.accepts):
            return False
        return _holds(_conditions(self.target), own)

    def conditions(self, own: str | None) -> list[_Conditions]:
        """Return the conditions on the source in its patterns for a target."""
        if not self.applies(own):
            return []
        # evaluation does not publish an empty pattern.
        return [
            one
            for one in _conditions(self.accepts, own or '')
            if not pattern.is_empty(one)
        ]


def _demand(rule: model.Rule, fact: str) -> _Demand:
    return _Demand(
        rule.target.facts.get(fact, _ANYTHING),
        rule.accepts.facts.get(fact, _ANYTHING),
    )


def _conditions(
    alternatives: model.Alternatives, own: str = ''
) -> Iterator[_Conditions]:
    for operands in alternatives:
        yield tuple(operand.condition('', own) for operand in operands)


def _holds(alternatives: Iterable[_Conditions], found: str | None) -> bool:
    return any(
        all(found is not None and one.holds(found) for one in conditions)
        for conditions in alternatives
    )


def _renamed(*demands: _Demand) -> tuple[list[_Demand], list[str | None]]:
    """Return demands on one fact with simpler versions, and all cases."""
    operands = [
        operand
        for demand in demands
        for operand in model.operands(demand.target + demand.accepts)
    ]
    literals = {operand.value for operand in operands} - {model.SAME}
    groups = itertools.groupby(
        sorted(filter(versions.is_version, literals), key=versions.key),
        versions.key,
    )
    by_rank = {
        3 * number: sorted(group)
        for number, (_, group) in enumerate(groups, 1)
    }
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


def _version(rank: int, spelling: int) -> str:
    """Return one of the texts of a version: 3, 3_0, 3_0_0…"""
    return f'{rank}{"_0" * spelling}'


def _covers_demand(wide: _Demand, narrow: _Demand) -> bool:
    if wide == narrow:
        return True
    (wide, narrow), values = _renamed(wide, narrow)
    targets = values
    if not any(map(model.needs_own, (wide.accepts, narrow.accepts))):
        # It only matters to which of them the rules apply.
        cases = {
            (wide.applies(own), narrow.applies(own)): own for own in values
        }
        targets = list(cases.values())
    for own in targets:
        wider, narrower = wide.conditions(own), narrow.conditions(own)
        if not all(
            _holds(wider, found) for found in values if _holds(narrower, found)
        ):
            return False
    return True
