# SPDX-License-Identifier: Apache-2.0
"""Why a device may land on another, or why no rule lets it."""

from collections.abc import Iterable, Mapping
import dataclasses

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import verdict
from nova_mdev_compat.host import devices
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import evaluation


@dataclasses.dataclass(frozen=True)
class Said:
    """What one rule says about one source.

    :ivar rule: its name; empty where something is refused before any is
        asked
    :ivar source: where the rule stands
    :ivar reasons: why it does not speak for the target, or the first
        condition that the source fails, in each of the alternatives that it
        comes so far in; none where the rule allows it
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
class Answer:
    """Whether a source may land on a target.

    :ivar said: by the rule that allows it; otherwise by each rule, in their
        order
    """

    kind: verdict.Status
    said: tuple[Said, ...]

    def __str__(self) -> str:
        return '; '.join(map(str, self.said))


def answer(
    target: host_traits.ParentTraits,
    source: identity.Identity,
    unknown: Mapping[str, str] | None = None,
) -> Answer:
    """Return whether a source may land on a target, and why.

    It is unknown where a rule might allow it if data were not missing.

    :param unknown: why facts of the source are not known, by fact name
    """
    if target.failure is not None:
        return Answer(
            verdict.Status.UNKNOWN,
            (
                Said(
                    '',
                    '',
                    (
                        verdict.Reason(
                            verdict.Cause.MISSING, str(target.failure)
                        ),
                    ),
                ),
            ),
        )
    floor = _floor(target, source)
    if floor is not None:
        return floor
    said = []
    for outcome in target.outcomes:
        one = _said(outcome, source, unknown or {})
        if not one.reasons:
            return Answer(verdict.Status.COMPATIBLE, (one,))
        said.append(one)
    return Answer(_kind(target.outcomes, source), tuple(said))


def _floor(
    target: host_traits.ParentTraits, source: identity.Identity
) -> Answer | None:
    """Return what no rule can change, None where rules decide."""
    own = target.parent.target()
    if own is None:
        return _refused(verdict.Cause.TYPE, target.note)
    if target.parent.device_api != devices.VFIO_PCI:
        # Recordings of older releases have a pattern that accepts.
        return _refused(
            verdict.Cause.TYPE,
            host_traits.not_migratable(target.parent.device_api),
        )
    if identity.vendor_of(own.parent) != identity.vendor_of(source.parent):
        return _refused(
            verdict.Cause.PARENT,
            (
                f'device {identity.display_parent(source.parent)} is of another '
                f'vendor than {identity.display_parent(own.parent)}'
            ),
        )
    floor = Offer(frozenset(), frozenset({own.type})).floor(source)
    if floor:
        return Answer(verdict.Status.INCOMPATIBLE, (Said('', '', (floor,)),))
    if not target.outcomes:
        return _refused(verdict.Cause.PARENT, target.note)
    return None


def _refused(cause: verdict.Cause, text: str) -> Answer:
    reason = verdict.Reason(cause, text)
    return Answer(verdict.Status.INCOMPATIBLE, (Said('', '', (reason,)),))


def _said(
    outcome: evaluation.Outcome,
    source: identity.Identity,
    unknown: Mapping[str, str],
) -> Said:
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
    return Said(outcome.name, outcome.source, reasons)


def _kind(
    outcomes: Iterable[evaluation.Outcome], source: identity.Identity
) -> verdict.Status:
    """Return what it is that no rule allows a source."""
    for outcome in outcomes:
        verdicts = [one.judge(source) for one in outcome.patterns.values()]
        if outcome.reasons:
            verdicts.append(verdict.Verdict.from_reasons(outcome.reasons))
        if any(one.kind is verdict.Status.UNKNOWN for one in verdicts):
            return verdict.Status.UNKNOWN
    return verdict.Status.INCOMPATIBLE
