# SPDX-License-Identifier: Apache-2.0
"""What a host's providers are to say, and why. Pure.

Where all parents of a host are of one kind and accept the same, its root
provider says it for them and the filter needs to look no further. Where they
are not, the root says nothing but that it is managed, and every parent
carries CUSTOM_MDEV_MIXED: "ask me, not my root". So one query for (host or
MIXED) finds whoever speaks.

The root must not carry the types of parents that differ: Placement would
take ``trait:CUSTOM_MDEV_TYPE_X=required`` of a flavor for satisfied by the
root, whichever parent the vGPU comes from.
"""

from collections.abc import Collection, Iterable, Mapping
import contextlib
import dataclasses
import enum
from typing import Any

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity as ident
from nova_mdev_compat.core.pattern import Pattern
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import verdict
from nova_mdev_compat.host import devices
from nova_mdev_compat.host import parents as par
from nova_mdev_compat.host.remarks import Leftovers
from nova_mdev_compat.publication import devices_file
from nova_mdev_compat.rules import evaluation
from nova_mdev_compat.rules import model

#: Traits that must exist in Placement before anybody may ask for them.
ALWAYS = frozenset({traits.SCHEMA, traits.HOST, traits.MIXED})

#: What a root says for its parents.
_FOR_ALL = (traits.PARENT, traits.TYPE, traits.ACCEPT)
#: What decides which patterns the rules make for a parent.
_IDENTITY = (traits.PARENT, traits.TYPE, traits.FACT)


class PublicationError(exceptions.BadInput):
    """Something that cannot be said in traits; the message names it."""


class PartlyRead(exceptions.PartlyDone):
    """Some parents could not be read, or judged; the others could.

    :param failures: why, by libvirt's name
    :ivar exit_status: 2 where somebody has to put something right
    """

    def __init__(self, failures: Mapping[str, exceptions.Failure]):
        # Those of one plugin, or one library, fail for the same reason.
        names: dict[str, list[str]] = {}
        for name, failure in sorted(failures.items()):
            names.setdefault(str(failure), []).append(name)
        super().__init__(
            '; '.join(
                f'{", ".join(some)}: {why}' for why, some in names.items()
            )
        )
        self.exit_status = max(one.exit_status for one in failures.values())


class Standing(enum.Enum):
    """What becomes of the accept patterns of a parent that cannot be read."""

    KEPT = 'what it accepted stays published for now'
    NEW = 'nothing was published of it before: it accepts nothing'
    CONTRADICTED = 'what is published is not true any more: it accepts nothing'
    EXPIRED = (
        'it has been unreadable for longer than '
        '[collector]acceptance_max_age: it accepts nothing'
    )


@dataclasses.dataclass(frozen=True)
class ParentTraits:
    """What one parent is and accepts.

    :ivar identity: trait names that say what it is, as far as it was read
    :ivar accepts: accept patterns by trait name
    :ivar outcomes: what each rule, or the vendor's plugin, said; empty where
        none was asked
    :ivar note: why it accepts nothing
    :ivar plugin: name of the vendor plugin that answered in the rules'
        place, if one did
    :ivar failure: why the parent could not be read and judged completely,
        None where it could
    :ivar unread: prefixes of the identity traits about which nothing was
        read, ``CUSTOM_MDEV_FACT_ECC_``
    :ivar expired: it could not be read for too long
    :ivar standing: after ``settled``, what became of its accept patterns
    """

    parent: par.Parent
    identity: frozenset[str]
    accepts: Mapping[str, Pattern]
    outcomes: tuple[evaluation.RuleOutcome, ...] = ()
    note: str = ''
    plugin: str | None = None
    failure: exceptions.Failure | None = None
    unread: tuple[str, ...] = ()
    expired: bool = False
    standing: Standing | None = None

    @property
    def why_nothing(self) -> str:
        """Why it accepts nothing, with what each rule says to that."""
        said = '; '.join(
            f'{outcome.name!r}: {", ".join(map(str, outcome.reasons))}'
            for outcome in self.outcomes
            if outcome.reasons
        )
        return f'{self.note} ({said})' if said else self.note

    @property
    def all_traits(self) -> frozenset[str]:
        return self.identity | frozenset(self.accepts)

    @property
    def offer(self) -> frozenset[str]:
        """What a root would say for it: parent id, type, accept patterns."""
        return frozenset(
            name for name in self.all_traits if name.startswith(_FOR_ALL)
        )

    def contradicts(self, published: Collection[str]) -> bool:
        """Return whether what was read differs from what is published.

        Nothing is known of traits that ``unread`` names. Types in use are
        left out: they say nothing about what the parent accepts.

        :param published: trait names on the parent's provider
        """

        def known(names: Iterable[str]) -> set[str]:
            return {
                name
                for name in names
                if name.startswith(_IDENTITY)
                and not name.startswith(self.unread)
            }

        return known(published) != known(self.identity)

    def settled(self, published: Collection[str]) -> 'ParentTraits':
        """Return what may be published of a parent that cannot be read.

        What is published and may still be true stays until the parent has
        expired. Where it is contradicted, and where nothing is published,
        the parent accepts nothing. A parent that was read is returned as it
        is.

        :param published: trait names on the parent's provider
        """
        if self.failure is None:
            return self
        if traits.SCHEMA not in published:
            standing = Standing.NEW
        elif self.contradicts(published):
            standing = Standing.CONTRADICTED
        elif self.expired:
            standing = Standing.EXPIRED
        else:
            standing = Standing.KEPT
        changes: dict[str, Any] = {
            'standing': standing,
            'note': f'{self.failure}; {standing.value}',
        }
        if standing is Standing.KEPT:
            changes['identity'] = self.identity.union(
                name for name in published if name.startswith(self.unread)
            )
            changes['accepts'] = traits.describe(published).accepts
        return dataclasses.replace(self, **changes)


@dataclasses.dataclass(frozen=True)
class Host:
    """What was found on a host.

    :ivar name: hypervisor hostname
    :ivar leftovers: mdevs that no domain has
    :ivar remarks: what else an operator should know, a line each
    """

    name: str
    parents: tuple[ParentTraits, ...]
    leftovers: Leftovers = ()
    remarks: tuple[str, ...] = ()

    @property
    def failures(self) -> dict[str, exceptions.Failure]:
        """Why parents could not be read completely, by libvirt's name."""
        return {
            item.parent.name: item.failure
            for item in self.parents
            if item.failure is not None
        }

    def check(self) -> None:
        """Raise what says which parents could not be read completely.

        :raises PartlyRead: there are some
        """
        failures = self.failures
        if failures:
            raise PartlyRead(failures)


@dataclasses.dataclass(frozen=True)
class VendorAnswer:
    """What a vendor's plugin says that a parent accepts.

    :ivar plugin: its name
    :ivar patterns: none at all: nothing
    """

    plugin: str
    patterns: frozenset[Pattern]


@dataclasses.dataclass(frozen=True)
class HostTraits:
    """What a host's providers are to say.

    :ivar root: trait names for the root provider
    :ivar parents: trait names by libvirt device name
    :ivar mixed: each parent speaks for itself
    """

    root: frozenset[str]
    parents: Mapping[str, frozenset[str]]
    mixed: bool


def describe(
    parent: par.Parent,
    rules: model.RuleSet,
    answer: VendorAnswer | None = None,
) -> ParentTraits:
    """Return what one parent is and, by the rules, accepts.

    :param answer: of the vendor's plugin, which replaces the rules' one
    :raises PublicationError: a name or pattern that no trait can carry
    """
    try:
        identity = frozenset(identity_traits(parent))
        target = parent.target()
        if target is None:
            return ParentTraits(
                parent, identity, {}, note=(parent.why_no_type or par.NO_TYPE)
            )
        if parent.device_api != devices.VFIO_PCI:
            return ParentTraits(
                parent, identity, {}, note=not_migratable(parent.device_api)
            )
        if answer is not None:
            return _by_plugin(parent, identity, answer)
        return _by_rules(parent, identity, target, rules)
    except (
        ident.IdentityError,
        traits.TraitError,
        evaluation.EvaluationError,
    ) as exc:
        raise PublicationError(f'node device {parent.name}: {exc}') from exc


def not_migratable(device_api: str) -> str:
    """Return why nothing may land on a device, nor come from it."""
    return f'device API {device_api} cannot be live-migrated'


def _by_plugin(
    parent: par.Parent, identity: frozenset[str], answer: VendorAnswer
) -> ParentTraits:
    accepts = {traits.encode_pattern(one): one for one in answer.patterns}
    name = f'vendor plugin {answer.plugin}'
    reasons = (
        ()
        if accepts
        else (verdict.Reason(verdict.Cause.VENDOR, 'it accepts nothing here'),)
    )
    return ParentTraits(
        parent,
        identity,
        accepts,
        (evaluation.RuleOutcome(name, name, accepts, reasons),),
        note='' if accepts else f'{name} accepts nothing here',
        plugin=answer.plugin,
    )


def _by_rules(
    parent: par.Parent,
    identity: frozenset[str],
    target: ident.Identity,
    rules: model.RuleSet,
) -> ParentTraits:
    outcomes = evaluation.evaluate(
        evaluation.for_device(rules, target), target, parent.unknown
    )
    accepts: dict[str, Pattern] = {}
    for outcome in outcomes:
        accepts.update(outcome.patterns)
    note = '' if accepts else 'no rule applies to this device'
    if not outcomes:
        vendor = ident.vendor_of(target.parent)
        note = (
            f'the rule files for vendor {vendor} have no rule for this device'
            if vendor in rules.by_vendor
            else f'no rule file speaks for vendor {vendor}'
        )
    return ParentTraits(parent, identity, accepts, outcomes, note)


def identity_traits(parent: par.Parent) -> Iterable[str]:
    """Return the trait names that say what a parent is.

    :raises identity.IdentityError, traits.TraitError: there is no such trait
    """
    yield traits.SCHEMA
    yield traits.encode_value(traits.PARENT, parent.parent_id)
    if parent.target_type is not None:
        yield _type_trait(traits.TYPE, parent.target_type)
    for mdev_type in parent.in_use:
        yield _type_trait(traits.INUSE, mdev_type)
    for name, value in ident.canonical_facts(parent.facts):
        yield traits.encode_fact(name, value)


def _type_trait(prefix: str, mdev_type: str) -> str:
    try:
        return traits.encode_value(prefix, ident.canonical(mdev_type))
    except traits.TraitError as exc:
        raise traits.TraitError(f'mdev type {mdev_type!r}: {exc}') from exc


def unreadable(
    parent: par.Parent, failure: exceptions.Failure, unread: Iterable[str] = ()
) -> ParentTraits:
    """Return what is known of a parent that could not be read completely.

    :param parent: with the facts that were read
    :param unread: prefixes of the traits about which nothing was read
    """
    unread = tuple(unread)
    identity: frozenset[str] = frozenset()
    # With a name that no trait can carry, what is published is contradicted.
    with contextlib.suppress(ident.IdentityError, traits.TraitError):
        identity = frozenset(
            name
            for name in identity_traits(parent)
            if not name.startswith(unread)
        )
    return ParentTraits(
        parent,
        identity | {traits.SCHEMA},
        {},
        failure=failure,
        unread=unread,
        note=f'{failure}',
    )


def combine(
    parents: Iterable[ParentTraits],
    orphans: Iterable[str] = (),
    absent: Iterable[ParentTraits] = (),
) -> HostTraits:
    """Return what root and parents are to say.

    :param parents: those that have a provider
    :param orphans: other devices of the host with a provider, libvirt names:
        ghosts, which accept nothing
    :param absent: parents that have no provider yet. nova-compute may make
        one at any time, and the root must not speak for it unless it would
        say the same.
    """
    parents, orphans = list(parents), list(orphans)
    offers = {item.offer for item in parents}
    offers.update(_offers_to_come(parents, absent))
    mixed = len(offers) + bool(orphans) > 1
    own = {
        item.parent.name: item.all_traits
        | ({traits.MIXED} if mixed else frozenset())
        for item in parents
    }
    root = {traits.SCHEMA, traits.HOST}
    if not mixed:
        root.update(*(item.offer for item in parents))
    return HostTraits(
        frozenset(root),
        {**own, **{name: frozenset({traits.SCHEMA}) for name in orphans}},
        mixed,
    )


def _offers_to_come(
    parents: Iterable[ParentTraits],
    absent: Iterable[ParentTraits],
) -> Iterable[frozenset[str]]:
    """Return the offers of absent parents that count.

    nova-compute makes a provider only where nova.conf gives a type. Of the
    rest, such as virtual functions that no device_addresses names, those of
    the same board as a parent do not count: a host would be mixed for
    nothing.
    """
    boards = {item.parent.parent_id for item in parents}
    for item in absent:
        if (
            item.parent.target_type is not None
            or item.failure is not None
            or item.parent.parent_id not in boards
        ):
            yield item.offer


def devices_found(
    host: Host,
    read_at: float,
    before: Mapping[str, devices_file.Device],
) -> devices_file.Devices:
    """Return what is to be left on the host for the late check.

    :param read_at: when the host was read, in seconds since the epoch
    :param before: what was left there before, by libvirt's name, for the
        parents that cannot be read
    """
    found = {}
    for item in host.parents:
        old = before.get(item.parent.name)
        rules = old.rules if old else {}
        settled = item.settled(old.identity.union(rules) if old else ())
        found[item.parent.name] = devices_file.Device(
            settled.identity,
            {
                name: rules[name]
                if name in rules and item.failure
                else _makers(settled, name)
                for name in settled.accepts
            },
        )
    return devices_file.Devices(host.name, read_at, found)


def _makers(item: ParentTraits, pattern: str) -> tuple[str, ...]:
    """Return which rules made a pattern."""
    return tuple(
        outcome.name
        for outcome in item.outcomes
        if pattern in outcome.patterns
    )
