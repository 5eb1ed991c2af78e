# SPDX-License-Identifier: Apache-2.0
"""Evaluate rules for a parent of this host: the result is accept patterns.

Rules only allow: a parent's patterns are the union of those that its vendor's
rules make, and a source that no pattern accepts is refused.
"""

from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import itertools
import math
from typing import Any

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import verdict
from nova_mdev_compat.rules import model

#: Patterns that one rule may make for one parent; lists multiply.
MAX_PATTERNS = 64
TOO_MANY = (
    f'its lists make more than {MAX_PATTERNS} accept patterns; split '
    'the rule or use at_least and at_most'
)


class EvaluationError(ValueError):
    """A rule that cannot be expressed in traits; the message names it."""


@dataclasses.dataclass(frozen=True)
class RuleOutcome:
    """The result of one rule, or a vendor's plugin, for one parent.

    :ivar name: the rule's name, or the plugin's
    :ivar source: file and line of the rule, ``/etc/…/nvidia.yaml:5``
    :ivar patterns: accept patterns by trait name; none if it is skipped
    :ivar reasons: why it is skipped
    """

    name: str
    source: str
    patterns: Mapping[str, pat.Pattern]
    reasons: tuple[verdict.Reason, ...] = ()


def for_device(
    rules: model.RuleSet, own: identity.Identity
) -> tuple[model.Rule, ...]:
    """Return the rules for a parent.

    They are its vendor's. If none of that vendor's files is for the parent,
    they are those for every vendor. These may be milder, so they do not apply
    if it is unknown whether a file is for the parent.

    :param own: the parent in its role as a target
    """
    vendor = identity.vendor_of(own.parent)
    verdicts = [
        verdict.Verdict.from_reasons(tuple(_target_reasons(target, own)))
        for target in rules.devices.get(vendor, ())
    ]
    if verdicts and all(
        one.kind is verdict.Status.INCOMPATIBLE for one in verdicts
    ):
        vendor = model.EVERY_VENDOR
    return rules.for_vendor(vendor)


def evaluate(
    rules: Iterable[model.Rule],
    own: identity.Identity,
    unknown: Mapping[str, str] | None = None,
) -> tuple[RuleOutcome, ...]:
    """Return the result of each rule for a parent, in the rules' order.

    :param own: the parent in its role as a target
    :param unknown: why facts of it are unknown, by fact name
    :raises EvaluationError: a pattern that no trait can carry, or too many
    """
    outcomes = []
    for rule in rules:
        found = {}
        reasons = [*_target_reasons(rule.target, own)] or [
            *_same_reasons(rule.accepts, own)
        ]
        if not reasons:
            try:
                found = {
                    traits.encode_pattern(one): one
                    for one in (
                        pattern.within(own.framework)
                        for pattern in _patterns(rule, own)
                    )
                    if not pat.is_empty(one.conditions)
                }
            except traits.TraitError as exc:
                raise EvaluationError(f'rule {rule}: {exc}') from exc
            if not found:
                text = 'no value meets its conditions'
                reasons = [verdict.Reason(verdict.Cause.FACT, text)]
        why = tuple(with_why(reason, unknown or {}) for reason in reasons)
        outcomes.append(RuleOutcome(rule.name, rule.source, found, why))
    return tuple(outcomes)


def with_why(
    reason: verdict.Reason, unknown: Mapping[str, str]
) -> verdict.Reason:
    """Return a reason, with the reason why its fact is missing.

    :param unknown: why facts are unknown, by fact name
    """
    why = unknown.get(reason.fact)
    if reason.cause is not verdict.Cause.MISSING or why is None:
        return reason
    return dataclasses.replace(reason, text=f'{reason}: {why}')


def _target_reasons(
    target: model.Target, own: identity.Identity
) -> Iterator[verdict.Reason]:
    """Return why a parent is not one of a rule's targets."""
    if target.products is not None and own.parent not in target.products:
        product = identity.display_parent(own.parent)
        yield verdict.Reason(
            verdict.Cause.PARENT, f'it does not apply to device {product}'
        )
    if target.types is not None and own.type not in target.types:
        mdev_type = identity.display_type(own.type)
        yield verdict.Reason(
            verdict.Cause.TYPE, f'it does not apply to type {mdev_type}'
        )
    for name, alternatives in target.facts.items():
        reasons = [
            [
                operand.condition(name).reason(own, 'the target')
                for operand in operands
            ]
            for operands in alternatives
        ]
        if all(map(any, reasons)):
            yield from filter(None, itertools.chain.from_iterable(reasons))


def _same_reasons(
    accepts: model.Accepts, own: identity.Identity
) -> Iterator[verdict.Reason]:
    """Return why a parent's values cannot replace ``same`` in a rule."""
    for name, alternatives in sorted(accepts.facts.items()):
        value = own.fact(name)
        if value is None:
            if model.needs_own(alternatives):
                text = f'{name} of the target is unknown'
                yield verdict.Reason(verdict.Cause.MISSING, text, name)
        elif all(
            any(
                operand.value == model.SAME
                and not operand.condition(name, value).is_possible()
                for operand in operands
            )
            for operands in alternatives
        ):
            yield verdict.Reason(
                verdict.Cause.FACT,
                f'{name} {identity.display(name, value)} of '
                'the target is not a version and cannot bound a range',
                name,
            )


def number_of_patterns(rule: model.Rule) -> int:
    """Return how many patterns a rule's lists make for one parent."""
    accepts = rule.accepts
    lists = [accepts.products, accepts.types, *accepts.facts.values()]
    return math.prod(map(len, lists))


def _patterns(
    rule: model.Rule, own: identity.Identity
) -> Iterator[pat.Pattern]:
    if number_of_patterns(rule) > MAX_PATTERNS:
        raise EvaluationError(f'rule {rule}: {TOO_MANY}')
    vendor = identity.vendor_of(own.parent)
    any_product = vendor if vendor == own.parent else f'{vendor}_{pat.ANY}'
    parents = {model.SAME: own.parent, model.ANY: any_product}
    types = {model.SAME: own.type, model.ANY: pat.ANY}
    facts: list[Any] = [
        [
            [
                operand.condition(name, own.fact(name) or '')
                for operand in operands
            ]
            for operands in alternatives
        ]
        for name, alternatives in sorted(rule.accepts.facts.items())
    ]
    for product, mdev_type, *conditions in itertools.product(
        rule.accepts.products, rule.accepts.types, *facts
    ):
        yield pat.Pattern(
            parents.get(product, product),
            types.get(mdev_type, mdev_type),
            tuple(itertools.chain.from_iterable(conditions)),
        )
