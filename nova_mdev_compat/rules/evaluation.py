# SPDX-License-Identifier: Apache-2.0
"""A rule and this host's own parent make accept patterns.

Rules only ever allow: a parent's patterns are the union of what its
vendor's rules give, and what no pattern takes is refused.
"""

from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import functools
import itertools
import math
from typing import Any

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import verdict
from nova_mdev_compat.rules import model

#: Patterns that one rule may give for one parent; lists multiply.
MAX_PATTERNS = 64
TOO_MANY = (
    f'its lists make more than {MAX_PATTERNS} accept patterns; split '
    'the rule or use at_least and at_most'
)


class EvaluationError(ValueError):
    """A rule that cannot be expressed in traits; the message names it."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one rule, or a vendor's plugin, says for one parent.

    :ivar name: the rule's name, or the plugin's
    :ivar source: where the rule stands, ``/etc/…/nvidia.yaml:5``
    :ivar patterns: accept patterns by trait name; none where it is skipped
    :ivar reasons: why it gives none
    """

    name: str
    source: str
    patterns: Mapping[str, pat.Pattern]
    reasons: tuple[verdict.Reason, ...] = ()


def for_device(
    rules: model.RuleSet, own: identity.Identity
) -> tuple[model.Rule, ...]:
    """Return the rules that speak for a parent.

    They are its vendor's, or, where none of that vendor's files speaks for
    it, those for every vendor. A file of which it is not known whether it
    does keeps these from speaking, which may be milder.

    :param own: the parent in its role as a target
    """
    vendor = identity.vendor_of(own.parent)
    named = rules.devices.get(vendor, ())
    if named and all(map(functools.partial(_is_no, own), named)):
        vendor = model.EVERY_VENDOR
    return rules.for_vendor(vendor)


def _is_no(own: identity.Identity, target: model.Target) -> bool:
    """Tell whether a parent is known to be none of these."""
    reasons = tuple(_target_reasons(target, own))
    return (
        verdict.Verdict.from_reasons(reasons).kind
        is verdict.Status.INCOMPATIBLE
    )


def evaluate(
    rules: Iterable[model.Rule],
    own: identity.Identity,
    unknown: Mapping[str, str] | None = None,
) -> tuple[Outcome, ...]:
    """Return what each rule says for a parent, in the rules' order.

    :param own: the parent in its role as a target
    :param unknown: why facts of it are not known, by fact name
    :raises EvaluationError: a pattern that no trait can carry, or too many
    """
    return tuple(_outcome(rule, own, unknown or {}) for rule in rules)


def _outcome(
    rule: model.Rule, own: identity.Identity, unknown: Mapping[str, str]
) -> Outcome:
    reasons = tuple(_target_reasons(rule.target, own))
    if not reasons:
        reasons = tuple(_unfit(rule.accepts, own))
    if reasons:
        return Outcome(
            rule.name,
            rule.source,
            {},
            tuple(with_why(reason, unknown) for reason in reasons),
        )
    found = [one for one in _patterns(rule, own) if not one.is_empty()]
    if not found:
        return Outcome(
            rule.name,
            rule.source,
            {},
            (
                verdict.Reason(
                    verdict.Cause.FACT, 'its conditions leave nothing'
                ),
            ),
        )
    return Outcome(
        rule.name, rule.source, {_encode(rule, one): one for one in found}
    )


def with_why(
    reason: verdict.Reason, unknown: Mapping[str, str]
) -> verdict.Reason:
    """Return a reason that also says why a fact is missing.

    :param unknown: why facts are not known, by fact name
    """
    why = unknown.get(reason.fact)
    if reason.cause is not verdict.Cause.MISSING or why is None:
        return reason
    return dataclasses.replace(reason, text=f'{reason}: {why}')


def _target_reasons(
    target: model.Target, own: identity.Identity
) -> Iterator[verdict.Reason]:
    if target.products is not None and own.parent not in target.products:
        yield verdict.Reason(
            verdict.Cause.PARENT,
            'it does not speak for device '
            f'{identity.display_parent(own.parent)}',
        )
    if target.types is not None and own.type not in target.types:
        yield verdict.Reason(
            verdict.Cause.TYPE,
            f'it does not speak for type {identity.display_type(own.type)}',
        )
    for name, alternatives in target.facts.items():
        yield from _first_failure(name, alternatives, own)


def _first_failure(
    name: str, alternatives: model.Alternatives, own: identity.Identity
) -> list[verdict.Reason]:
    """Return why no alternative holds; nothing where one does."""
    failures = []
    for operands in alternatives:
        conditions = [
            pat.Condition(name, operand.op, operand.value)
            for operand in operands
        ]
        reasons = [one.reason(own, 'the target') for one in conditions]
        if not any(reasons):
            return []
        failures += [reason for reason in reasons if reason]
    return failures


def _unfit(
    accepts: model.Accepts, own: identity.Identity
) -> Iterator[verdict.Reason]:
    """Return why own values cannot stand where a rule says same."""
    for name, alternatives in sorted(accepts.facts.items()):
        value = own.fact(name)
        if value is None:
            if any(
                operand.value == model.SAME
                for operands in alternatives
                for operand in operands
            ):
                yield verdict.Reason(
                    verdict.Cause.MISSING,
                    f'{name} of the target is unknown',
                    name,
                )
        elif all(
            any(
                operand.value == model.SAME
                and not pat.Condition(name, operand.op, value).is_possible()
                for operand in operands
            )
            for operands in alternatives
        ):
            yield verdict.Reason(
                verdict.Cause.FACT,
                f'{name} {identity.display(name, value)} of '
                'the target is no version, so that it makes no range',
                name,
            )


def number_of_patterns(rule: model.Rule) -> int:
    """Return how many patterns a rule's lists make for one parent."""
    accepts = rule.accepts
    return math.prod(
        map(len, [accepts.products, accepts.types, *accepts.facts.values()])
    )


def _patterns(
    rule: model.Rule, own: identity.Identity
) -> Iterator[pat.Pattern]:
    accepts = rule.accepts
    facts = [
        [
            [_condition(name, operand, own) for operand in operands]
            for operands in alternatives
        ]
        for name, alternatives in sorted(accepts.facts.items())
    ]
    lists: list[Any] = [accepts.products, accepts.types, *facts]
    if number_of_patterns(rule) > MAX_PATTERNS:
        raise EvaluationError(f'rule {rule}: {TOO_MANY}')
    for product, mdev_type, *conditions in itertools.product(*lists):
        yield pat.Pattern(
            _parent(product, own),
            _type(mdev_type, own),
            tuple(itertools.chain.from_iterable(conditions)),
        )


def _condition(
    name: str, operand: model.Operand, own: identity.Identity
) -> pat.Condition:
    value = operand.value
    if value == model.SAME:
        value = own.fact(name) or ''  # _unfit has seen to it
    return pat.Condition(name, operand.op, value)


def _parent(product: str, own: identity.Identity) -> str:
    if product == model.SAME:
        return own.parent
    if product == model.ANY:
        vendor = identity.vendor_of(own.parent)
        return vendor if vendor == own.parent else f'{vendor}_{pat.ANY}'
    return product


def _type(mdev_type: str, own: identity.Identity) -> str:
    if mdev_type == model.SAME:
        return own.type
    return pat.ANY if mdev_type == model.ANY else mdev_type


def _encode(rule: model.Rule, pattern: pat.Pattern) -> str:
    try:
        return traits.encode_pattern(pattern)
    except traits.TraitError as exc:
        raise EvaluationError(f'rule {rule}: {exc}') from exc
