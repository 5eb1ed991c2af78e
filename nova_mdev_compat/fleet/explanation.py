# SPDX-License-Identifier: Apache-2.0
"""Why a device accepts another, or why no rule allows it."""

from collections.abc import Iterable, Mapping
import dataclasses

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import verdict
from nova_mdev_compat.host import parents
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import evaluation


@dataclasses.dataclass(frozen=True)
class RuleVerdict:
    """The verdict of one rule on one source.

    :ivar rule: its name; empty if the source is refused before rules apply
    :ivar source: where the rule stands
    :ivar reasons: why it does not apply to the target, or the first condition
        that the source fails in each of its closest alternatives; none if the
        rule allows it
    """

    rule: str
    source: str
    reasons: tuple[verdict.Reason, ...] = ()

    def __str__(self) -> str:
        why = ', '.join(map(str, self.reasons))
        if not self.rule:
            return why
        return f'{self.rule!r}: {why}' if why else repr(self.rule)


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Whether a target accepts a source, and why.

    :ivar said: the verdict of the rule that allows it; otherwise of each
        rule, in order
    """

    kind: verdict.Status
    said: tuple[RuleVerdict, ...]

    def __str__(self) -> str:
        return '; '.join(map(str, self.said))


def answer(
    target: host_traits.ParentTraits,
    source: identity.Identity,
    unknown: Mapping[str, str] | None = None,
) -> Explanation:
    """Return whether a target accepts a source, and why.

    It is unknown if a rule might allow it once missing data is there.

    :param unknown: why facts of the source are unknown, by fact name
    """
    if target.failure is not None:
        return _before_rules(
            verdict.Status.UNKNOWN,
            verdict.Reason(verdict.Cause.MISSING, str(target.failure)),
        )
    refusal = _refusal(target, source)
    if refusal is not None:
        return _before_rules(verdict.Status.INCOMPATIBLE, refusal)
    said = []
    for outcome in target.outcomes:
        one = _said(outcome, source, unknown or {})
        if not one.reasons:
            return Explanation(verdict.Status.COMPATIBLE, (one,))
        said.append(one)
    return Explanation(_kind(target.outcomes, source), tuple(said))


def _before_rules(kind: verdict.Status, reason: verdict.Reason) -> Explanation:
    return Explanation(kind, (RuleVerdict('', '', (reason,)),))


def _refusal(
    target: host_traits.ParentTraits, source: identity.Identity
) -> verdict.Reason | None:
    """Return why no rule can allow it, None if rules decide."""
    own = target.parent.target()
    if own is None:
        return verdict.Reason(verdict.Cause.TYPE, target.note)
    if target.parent.device_api != parents.VFIO_PCI:
        # Snapshots of older releases have a pattern that accepts.
        return verdict.Reason(
            verdict.Cause.TYPE,
            host_traits.not_migratable(target.parent.device_api),
        )
    if identity.vendor_of(own.parent) != identity.vendor_of(source.parent):
        return verdict.Reason(
            verdict.Cause.PARENT,
            (
                f'device {identity.display_parent(source.parent)} is of another '
                f'vendor than {identity.display_parent(own.parent)}'
            ),
        )
    floor = Offer(frozenset(), frozenset({own.type})).floor(source)
    if floor:
        return floor
    if not target.outcomes:
        return verdict.Reason(verdict.Cause.PARENT, target.note)
    return None


def _said(
    outcome: evaluation.RuleOutcome,
    source: identity.Identity,
    unknown: Mapping[str, str],
) -> RuleVerdict:
    if outcome.patterns:
        reasons = tuple(
            evaluation.with_why(reason, unknown)
            for reason in matching.first_failures(
                outcome.patterns.values(), source
            )
        )
    else:
        wrong = [
            reason
            for reason in outcome.reasons
            if reason.cause is not verdict.Cause.MISSING
        ]
        reasons = tuple(wrong) or outcome.reasons[:1]
    return RuleVerdict(outcome.name, outcome.source, reasons)


def _kind(
    outcomes: Iterable[evaluation.RuleOutcome], source: identity.Identity
) -> verdict.Status:
    """Return the verdict on a source that no rule allows."""
    for outcome in outcomes:
        verdicts = [one.judge(source) for one in outcome.patterns.values()]
        if outcome.reasons:
            verdicts.append(verdict.Verdict.from_reasons(outcome.reasons))
        if any(one.kind is verdict.Status.UNKNOWN for one in verdicts):
            return verdict.Status.UNKNOWN
    return verdict.Status.INCOMPATIBLE
