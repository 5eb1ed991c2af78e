# SPDX-License-Identifier: Apache-2.0
"""The desired traits of a host's providers. Pure.

If all parents of a host are equal and accept the same, the root provider
advertises for them, and the filter reads only the root. Otherwise the root only
marks the host as managed, and each parent advertises for itself and carries
CUSTOM_MDEV_MIXED. So one query for (HOST or MIXED) finds every provider that
advertises.

The root must not carry the types of parents that differ: Placement would let
the root satisfy ``trait:CUSTOM_MDEV_TYPE_X=required`` of a flavor, whichever
parent the vGPU is on.
"""

from collections.abc import Collection, Iterable, Mapping
import dataclasses
import enum
from typing import Any

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core.pattern import Pattern
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import verdict
from nova_mdev_compat.host.parents import MdevParent
from nova_mdev_compat.host.parents import NO_TYPE
from nova_mdev_compat.host.parents import VFIO_PCI
from nova_mdev_compat.host.remarks import UnusedMdevs
from nova_mdev_compat.publication import devices_file
from nova_mdev_compat.rules import evaluation
from nova_mdev_compat.rules import model

#: Traits that must exist in Placement before a query may name them.
ALWAYS = frozenset({traits.SCHEMA, traits.HOST, traits.MIXED})

#: Prefixes of the traits that a root advertises for its parents.
_OFFER = (traits.PARENT, traits.TYPE, traits.ACCEPT)
#: Prefixes of the traits that decide which patterns rules make for a parent.
_IDENTITY = (traits.PARENT, traits.TYPE, traits.FACT)


class PublicationError(exceptions.BadInput):
    """A name or value that no trait can carry; the message names it."""


class PartlyRead(exceptions.PartlyDone):
    """Some parents could not be read or evaluated; the others could.

    :param failures: by libvirt's name
    :ivar exit_status: 2 if an operator has to correct something
    """

    def __init__(self, failures: Mapping[str, exceptions.Failure]):
        # Parents of one plugin, or one library, fail for the same reason.
        names: dict[str, list[str]] = {}
        for name, failure in sorted(failures.items()):
            names.setdefault(str(failure), []).append(name)
        super().__init__(
            '; '.join(f'{", ".join(of)}: {why}' for why, of in names.items())
        )
        self.exit_status = max(one.exit_status for one in failures.values())


class Fallback(enum.Enum):
    """What is published for a parent that cannot be read."""

    KEPT = 'what it accepted stays published for now'
    NEW = 'nothing was published for it before: it accepts nothing'
    CONTRADICTED = 'what is published is no longer true: it accepts nothing'
    EXPIRED = (
        'it has been unreadable for longer than '
        '[collector]acceptance_max_age: it accepts nothing'
    )


@dataclasses.dataclass(frozen=True)
class ParentTraits:
    """What one parent is and accepts.

    :ivar identity: names of its identity traits, as far as it was read
    :ivar accepts: accept patterns by trait name
    :ivar outcomes: of each rule, or of the vendor's plugin; empty if none
        was evaluated
    :ivar note: why it accepts nothing
    :ivar plugin: name of the vendor plugin that answered instead of the rules
    :ivar failure: why the parent could not be read and evaluated completely
    :ivar unread: prefixes of the identity traits that could not be read,
        ``CUSTOM_MDEV_FACT_ECC_``
    :ivar expired: it could not be read for too long
    :ivar fallback: after ``with_fallback``, what is published for it
    """

    parent: MdevParent
    identity: frozenset[str]
    accepts: Mapping[str, Pattern]
    outcomes: tuple[evaluation.RuleOutcome, ...] = ()
    note: str = ''
    plugin: str | None = None
    failure: exceptions.Failure | None = None
    unread: tuple[str, ...] = ()
    expired: bool = False
    fallback: Fallback | None = None

    @property
    def why_nothing(self) -> str:
        """Why it accepts nothing, with the reasons of each rule."""
        reasons = '; '.join(
            f'{outcome.name!r}: {", ".join(map(str, outcome.reasons))}'
            for outcome in self.outcomes
            if outcome.reasons
        )
        return f'{self.note} ({reasons})' if reasons else self.note

    @property
    def all_traits(self) -> frozenset[str]:
        return self.identity | frozenset(self.accepts)

    @property
    def offer(self) -> frozenset[str]:
        """What a root would advertise: parent id, type, accept patterns."""
        return frozenset(
            name for name in self.all_traits if name.startswith(_OFFER)
        )

    def with_fallback(self, published: Collection[str]) -> 'ParentTraits':
        """Return what may be published of a parent that cannot be read.

        Published traits that may still be true stay until the parent has
        expired. If what was read contradicts them, or if nothing is published
        for the parent, it accepts nothing. A parent that was read is returned
        unchanged.

        Traits that ``unread`` names contradict nothing, because their values
        are not known; nor do types in use, which do not decide what the
        parent accepts.

        :param published: trait names on the parent's provider
        """
        if self.failure is None:
            return self
        if traits.SCHEMA not in published:
            fallback = Fallback.NEW
        elif any(
            name.startswith(_IDENTITY) and not name.startswith(self.unread)
            for name in self.identity.symmetric_difference(published)
        ):
            fallback = Fallback.CONTRADICTED
        elif self.expired:
            fallback = Fallback.EXPIRED
        else:
            fallback = Fallback.KEPT
        changes: dict[str, Any] = {
            'fallback': fallback,
            'note': f'{self.failure}; {fallback.value}',
        }
        if fallback is Fallback.KEPT:
            changes['identity'] = self.identity.union(
                name for name in published if name.startswith(self.unread)
            )
            changes['accepts'] = traits.describe(published).accepts
        return dataclasses.replace(self, **changes)


@dataclasses.dataclass(frozen=True)
class HostSnapshot:
    """A host as it was read.

    :ivar name: hypervisor hostname
    :ivar leftovers: mdevs that no domain has
    :ivar remarks: for the operator, one line each
    """

    name: str
    parents: tuple[ParentTraits, ...]
    leftovers: UnusedMdevs = ()
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
        """Check that all parents could be read completely.

        :raises PartlyRead: some could not
        """
        if self.failures:
            raise PartlyRead(self.failures)


@dataclasses.dataclass(frozen=True)
class VendorAnswer:
    """What a parent accepts according to its vendor's plugin.

    :ivar plugin: its name
    :ivar patterns: none if the parent accepts nothing
    """

    plugin: str
    patterns: frozenset[Pattern]


@dataclasses.dataclass(frozen=True)
class HostTraits:
    """The desired traits of a host's providers.

    :ivar root: trait names for the root provider
    :ivar parents: trait names by libvirt device name
    :ivar mixed: each parent advertises for itself
    """

    root: frozenset[str]
    parents: Mapping[str, frozenset[str]]
    mixed: bool


def describe(
    parent: MdevParent,
    rules: model.RuleSet,
    answer: VendorAnswer | None = None,
) -> ParentTraits:
    """Return what one parent is and, by the rules, accepts.

    :param answer: of the vendor's plugin, which replaces the rules
    :raises PublicationError: a name or pattern that no trait can carry
    """
    try:
        own = frozenset(identity_traits(parent))
        target = parent.target()
        if target is None:
            note = parent.why_no_type or NO_TYPE
        elif parent.device_api != VFIO_PCI:
            note = not_migratable(parent.device_api)
        elif answer is not None:
            return _by_plugin(parent, own, target, answer)
        else:
            return _by_rules(parent, own, target, rules)
    except (
        identity.IdentityError,
        traits.TraitError,
        evaluation.EvaluationError,
    ) as exc:
        raise PublicationError(f'node device {parent.name}: {exc}') from exc
    return ParentTraits(parent, own, {}, note=note)


def not_migratable(device_api: str) -> str:
    """Return why nothing can migrate to or from a device."""
    return f'device API {device_api} cannot be live-migrated'


def _by_plugin(
    parent: MdevParent,
    own: frozenset[str],
    target: identity.Identity,
    answer: VendorAnswer,
) -> ParentTraits:
    patterns = (one.within(target.framework) for one in answer.patterns)
    accepts = {traits.encode_pattern(one): one for one in patterns}
    name = f'vendor plugin {answer.plugin}'
    note = ''
    reasons: tuple[verdict.Reason, ...] = ()
    if not accepts:
        note = f'{name} accepts nothing here'
        reasons = (
            verdict.Reason(verdict.Cause.VENDOR, 'it accepts nothing here'),
        )
    outcome = evaluation.RuleOutcome(name, name, accepts, reasons)
    return ParentTraits(
        parent, own, accepts, (outcome,), note, plugin=answer.plugin
    )


def _by_rules(
    parent: MdevParent,
    own: frozenset[str],
    target: identity.Identity,
    rules: model.RuleSet,
) -> ParentTraits:
    outcomes = evaluation.evaluate(
        evaluation.for_device(rules, target), target, parent.unknown
    )
    accepts: dict[str, Pattern] = {}
    for outcome in outcomes:
        accepts.update(outcome.patterns)
    vendor = identity.vendor_of(target.parent)
    note = ''
    if not outcomes and vendor in rules.by_vendor:
        note = (
            f'the rule files for vendor {vendor} have no rule for this device'
        )
    elif not outcomes:
        note = f'no rule file covers vendor {vendor}'
    elif not accepts:
        note = 'no rule applies to this device'
    return ParentTraits(parent, own, accepts, outcomes, note)


def identity_traits(parent: MdevParent) -> Iterable[str]:
    """Return the names of a parent's identity traits.

    :raises identity.IdentityError: a value that no trait can carry
    :raises traits.TraitError: a name that is too long
    """
    yield traits.SCHEMA
    yield traits.encode_value(traits.PARENT, parent.parent_id)
    if parent.target_type is not None:
        yield _type_trait(traits.TYPE, parent.target_type)
    for mdev_type in parent.in_use:
        yield _type_trait(traits.INUSE, mdev_type)
    for name, value in identity.canonical_facts(parent.facts):
        yield traits.encode_fact(name, value)


def _type_trait(prefix: str, mdev_type: str) -> str:
    try:
        return traits.encode_value(prefix, identity.canonical(mdev_type))
    except traits.TraitError as exc:
        raise traits.TraitError(f'mdev type {mdev_type!r}: {exc}') from exc


def unreadable(
    parent: MdevParent,
    failure: exceptions.Failure,
    unread: Iterable[str] = (),
) -> ParentTraits:
    """Return what is known of a parent that could not be read completely.

    :param parent: with the facts that were read
    :param unread: prefixes of the traits that could not be read
    """
    unread = tuple(unread)
    try:
        own = set(identity_traits(parent))
    except (identity.IdentityError, traits.TraitError):
        # No trait can carry a name, so it contradicts the published traits.
        own = {traits.SCHEMA}
    return ParentTraits(
        parent,
        frozenset(name for name in own if not name.startswith(unread)),
        {},
        note=str(failure),
        failure=failure,
        unread=unread,
    )


def _may_get_provider(item: ParentTraits, products: Collection[str]) -> bool:
    """Return whether nova-compute may create a provider for a parent.

    It does so for a physical function if ``[pci]device_spec`` names one of its
    virtual functions, whatever their types; and for a parent of mdevs only if
    nova.conf gives it a type. One without a type, such as a virtual function
    that no ``device_addresses`` names, does not count beside a parent of the
    same product: the host would be mixed for no reason.

    :param products: parent ids of the parents that have a provider
    """
    parent = item.parent
    if parent.target_type is not None or item.failure is not None:
        return True
    if parent.used is not None:
        return parent.used
    return parent.parent_id not in products


def build_host_traits(
    parents: Iterable[ParentTraits],
    orphans: Iterable[str] = (),
    absent: Iterable[ParentTraits] = (),
) -> HostTraits:
    """Return the desired traits of root and parents.

    :param parents: those that have a provider
    :param orphans: libvirt's names of the devices of orphaned providers,
        which accept nothing
    :param absent: parents without a provider. nova-compute may create one at
        any time, and the root must not advertise anything that such a parent
        would not advertise itself.
    """
    parents, orphans = list(parents), list(orphans)
    offers = {item.offer for item in parents}
    products = {item.parent.parent_id for item in parents}
    offers.update(
        item.offer for item in absent if _may_get_provider(item, products)
    )
    mixed = len(offers) + bool(orphans) > 1
    desired = {name: frozenset({traits.SCHEMA}) for name in orphans}
    root = {traits.SCHEMA, traits.HOST}
    for item in parents:
        name = item.parent.name
        if mixed:
            desired[name] = item.all_traits | {traits.MIXED}
        else:
            desired[name] = item.all_traits
            root |= item.offer
    return HostTraits(frozenset(root), desired, mixed)


def devices_found(
    host: HostSnapshot,
    read_at: float,
    before: Mapping[str, devices_file.DeviceEntry],
) -> devices_file.DevicesFile:
    """Return the content of the late check's devices file.

    :param read_at: when the host was read, in seconds since the epoch
    :param before: the file's old content by libvirt's name, for parents that
        cannot be read
    """
    found = {}
    for item in host.parents:
        old = before.get(
            item.parent.name, devices_file.DeviceEntry(frozenset(), {})
        )
        current = item.with_fallback(old.identity.union(old.rules))
        found[item.parent.name] = devices_file.DeviceEntry(
            current.identity,
            {
                trait: old.rules.get(trait, ())
                if item.failure
                else tuple(
                    outcome.name
                    for outcome in item.outcomes
                    if trait in outcome.patterns
                )
                for trait in current.accepts
            },
        )
    return devices_file.DevicesFile(host.name, read_at, found)
