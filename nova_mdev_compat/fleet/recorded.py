# SPDX-License-Identifier: Apache-2.0
"""All devices of recorded hosts against each other, a class at a time."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import dataclasses

from nova_mdev_compat.core import equivalence
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.fleet import explanation
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import model

#: Rules in force on recorded hosts; None for what each recorded itself.
Rules = model.RuleSet | None


@dataclasses.dataclass(frozen=True)
class RecordedClass(equivalence.DeviceClass):
    """Devices that are the same in all that decides.

    :ivar targets: what they accept, under each of the rule sets
    """

    targets: tuple[host_traits.ParentTraits, ...]

    @property
    def unknown(self) -> Mapping[str, str]:
        """Why facts of them are unknown, by fact name."""
        return self.targets[0].parent.unknown


@dataclasses.dataclass(frozen=True)
class RecordedPair:
    """Whether one class accepts a source of another.

    :ivar source: the device that moves
    :ivar number: of pairs of devices on different hosts
    :ivar answers: one under each of the rule sets
    """

    origin: RecordedClass
    source: identity.Identity
    destination: RecordedClass
    number: int
    answers: tuple[explanation.Explanation, ...]


def kinds(
    hosts: Iterable[host_traits.HostSnapshot], rules: Sequence[Rules]
) -> tuple[RecordedClass, ...]:
    """Return the classes of devices of hosts.

    :param rules: the rule sets to compare
    :raises exceptions.BadInput: a rule and a device make an invalid trait
    """
    memory: dict[object, tuple[host_traits.ParentTraits, ...]] = {}
    members: dict[object, list[equivalence.Member]] = {}
    for host in hosts:
        for recorded in host.parents:
            key = _key(recorded)
            if key not in memory:
                memory[key] = tuple(
                    _under(host.name, recorded, one) for one in rules
                )
            members.setdefault(key, []).append(
                equivalence.Member(host.name, recorded.parent.name)
            )
    return tuple(
        sorted(
            (
                RecordedClass(
                    tuple(sorted(members[key])), _sources(targets[0]), targets
                )
                for key, targets in memory.items()
            ),
            key=lambda kind: kind.members,
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

    Rules are not asked if a vendor's plugin has answered, or if the device
    could not be read.
    """
    if rules is None or recorded.plugin is not None or recorded.failure:
        return recorded
    try:
        return host_traits.describe(recorded.parent, rules)
    except exceptions.BadInput as exc:
        raise exceptions.BadInput(f'host {host}: {exc}') from exc


def _sources(
    recorded: host_traits.ParentTraits,
) -> tuple[identity.Identity, ...]:
    parent = recorded.parent
    if not parent.parent_id:
        return ()
    types = {parent.target_type, *parent.in_use} - {None}
    return tuple(
        sorted(
            (
                identity.Identity.of(parent.parent_id, str(name), parent.facts)
                for name in types
            ),
            key=str,
        )
    )


def pairs(
    origins: Sequence[RecordedClass],
    destinations: Sequence[RecordedClass],
    progress: Callable[
        [Sequence[RecordedClass]], Iterable[RecordedClass]
    ] = iter,
) -> Iterator[RecordedPair]:
    """Return every way from one class to another, between different hosts.

    :param progress: is given the origins and yields them
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
                        explanation.answer(target, source, origin.unknown)
                        for target in destination.targets
                    ),
                )
