# SPDX-License-Identifier: Apache-2.0
"""Snapshots of hosts: which device accepts which, and by which rule. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import dataclasses

from nova_mdev_compat.core import equivalence
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import verdict
from nova_mdev_compat.host import parents
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import evaluation
from nova_mdev_compat.rules import model


@dataclasses.dataclass(frozen=True)
class RuleVerdict:
    """The verdict of one rule on one source.

    :ivar rule: its name; empty if the source is refused before rules apply
    :ivar source: where the rule is written
    :ivar reasons: why it does not apply to the target, or the first condition
        that the source fails in each of its closest alternatives; empty if
        the rule allows it
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

    :ivar verdicts: of the rule that allows it; otherwise of each rule, in
        order
    """

    kind: verdict.Status
    verdicts: tuple[RuleVerdict, ...]

    def __str__(self) -> str:
        return '; '.join(map(str, self.verdicts))


def explain(
    target: host_traits.ParentTraits,
    source: identity.Identity,
    unknown: Mapping[str, str] | None = None,
) -> Explanation:
    """Return whether a target accepts a source, and why.

    It is unknown if a rule might allow it once missing data is known.

    :param unknown: why facts of the source are unknown, by fact name
    """
    refusal = _refusal(target, source)
    if refusal is not None:
        return Explanation(
            verdict.Verdict.from_reasons((refusal,)).kind,
            (RuleVerdict('', '', (refusal,)),),
        )
    verdicts = []
    for outcome in target.outcomes:
        one = RuleVerdict(
            outcome.name,
            outcome.source,
            tuple(_reasons(outcome, source, unknown or {})),
        )
        if not one.reasons:
            return Explanation(verdict.Status.COMPATIBLE, (one,))
        verdicts.append(one)
    return Explanation(_kind(target.outcomes, source), tuple(verdicts))


def _refusal(
    target: host_traits.ParentTraits, source: identity.Identity
) -> verdict.Reason | None:
    """Return why no rule can allow it, None if rules decide."""
    if target.failure is not None:
        return verdict.Reason(verdict.Cause.MISSING, str(target.failure))
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
            f'device {identity.display_parent(source.parent)} is of another '
            f'vendor than {identity.display_parent(own.parent)}',
        )
    floor = Offer(frozenset(), frozenset({own.type})).floor(source)
    if floor or target.outcomes:
        return floor
    return verdict.Reason(verdict.Cause.PARENT, target.note)


def _reasons(
    outcome: evaluation.RuleOutcome,
    source: identity.Identity,
    unknown: Mapping[str, str],
) -> Iterable[verdict.Reason]:
    """Return why a rule does not allow a source; nothing if it does."""
    if outcome.patterns:
        return (
            evaluation.with_why(reason, unknown)
            for reason in matching.first_failures(
                outcome.patterns.values(), source
            )
        )
    # What is wrong comes before what is unknown.
    wrong = [
        reason
        for reason in outcome.reasons
        if reason.cause is not verdict.Cause.MISSING
    ]
    return wrong or outcome.reasons[:1]


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


#: Rules in force on recorded hosts; None for those that each host recorded.
Rules = model.RuleSet | None


@dataclasses.dataclass(frozen=True)
class RecordedClass(equivalence.DeviceClass):
    """Devices that are equal in all that decides.

    :ivar targets: what they accept, under each of the rule sets
    """

    targets: tuple[host_traits.ParentTraits, ...]


@dataclasses.dataclass(frozen=True)
class RecordedPair:
    """Whether one class accepts a source of another.

    :ivar source: the device that mdevs leave
    :ivar number: of pairs of devices on different hosts
    :ivar answers: one under each of the rule sets
    """

    origin: RecordedClass
    source: identity.Identity
    destination: RecordedClass
    number: int
    answers: tuple[Explanation, ...]


def classify(
    hosts: Iterable[host_traits.HostSnapshot], rules: Sequence[Rules]
) -> tuple[RecordedClass, ...]:
    """Return the classes of devices of hosts.

    :param rules: the rule sets to compare
    :raises exceptions.BadInput: a rule and a device make an invalid trait
    """
    targets: dict[object, tuple[host_traits.ParentTraits, ...]] = {}
    members: dict[object, list[equivalence.Member]] = {}
    for host in hosts:
        for recorded in host.parents:
            key = _key(recorded)
            if key not in targets:
                targets[key] = tuple(
                    _under(host.name, recorded, one) for one in rules
                )
            members.setdefault(key, []).append(
                equivalence.Member(host.name, recorded.parent.name)
            )
    return tuple(
        sorted(
            (
                RecordedClass(
                    tuple(sorted(members[key])),
                    _sources(some[0].parent),
                    some,
                )
                for key, some in targets.items()
            ),
            key=lambda one: one.members,
        )
    )


def _key(recorded: host_traits.ParentTraits) -> object:
    parent = recorded.parent
    return (
        parent.parent_id,
        parent.target_type,
        parent.device_api,
        parent.in_use,
        frozenset(parent.facts.items()),
        frozenset(parent.unknown.items()),
        recorded.plugin,
        recorded.failure and str(recorded.failure),
        frozenset(recorded.accepts),
        tuple(
            (
                outcome.name,
                outcome.source,
                frozenset(outcome.patterns),
                outcome.reasons,
            )
            for outcome in recorded.outcomes
        ),
    )


def _under(
    host: str, recorded: host_traits.ParentTraits, rules: Rules
) -> host_traits.ParentTraits:
    """Return what a device accepts under rules.

    Rules do not apply if a vendor's plugin has answered, or if the device
    could not be read.
    """
    if rules is None or recorded.plugin is not None or recorded.failure:
        return recorded
    try:
        return host_traits.describe(recorded.parent, rules)
    except exceptions.BadInput as exc:
        raise exceptions.BadInput(f'host {host}: {exc}') from exc


def _sources(parent: parents.MdevParent) -> tuple[identity.Identity, ...]:
    if not parent.parent_id:
        return ()
    types = {parent.target_type, *parent.in_use} - {None}
    found = (
        identity.Identity.of(parent.parent_id, str(name), parent.facts)
        for name in types
    )
    return tuple(sorted(found, key=str))


def pairs(
    origins: Sequence[RecordedClass],
    destinations: Sequence[RecordedClass],
    progress: Callable[
        [Sequence[RecordedClass]], Iterable[RecordedClass]
    ] = iter,
) -> Iterator[RecordedPair]:
    """Yield all pairs of classes with devices on different hosts.

    :param progress: takes the origins, and yields them
    """
    for origin in progress(origins):
        for destination in destinations:
            number = equivalence.number_of_pairs(origin, destination)
            if not number:
                continue
            for source in origin.sources:
                yield RecordedPair(
                    origin,
                    source,
                    destination,
                    number,
                    tuple(
                        explain(
                            target, source, origin.targets[0].parent.unknown
                        )
                        for target in destination.targets
                    ),
                )
