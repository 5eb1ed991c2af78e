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

from collections.abc import Iterable, Mapping
import dataclasses

from nova_mdev_compat.collector import devices
from nova_mdev_compat.collector import parents as par
from nova_mdev_compat import exceptions
from nova_mdev_compat.guard import device_file
from nova_mdev_compat import identity as ident
from nova_mdev_compat import pattern as pat
from nova_mdev_compat.rules import evaluation
from nova_mdev_compat.rules import model
from nova_mdev_compat import traits
from nova_mdev_compat import verdict

#: Traits that must exist in Placement before anybody may ask for them.
ALWAYS = frozenset({traits.SCHEMA, traits.HOST, traits.MIXED})

#: What a root says for its parents.
_FOR_ALL = (traits.PARENT, traits.TYPE, traits.ACCEPT)


class PublicationError(exceptions.BadInput):
    """Something that cannot be said in traits; the message names it."""


@dataclasses.dataclass(frozen=True)
class ParentTraits:
    """What one parent is and accepts.

    :ivar identity: trait names that say what it is
    :ivar accepts: accept patterns by trait name
    :ivar outcomes: what each rule, or the vendor's plugin, said; empty where
        none was asked
    :ivar note: why it accepts nothing, or why no rule was asked
    :ivar plugin: name of the vendor plugin that answered in the rules'
        place, if one did
    """

    parent: par.Parent
    identity: frozenset[str]
    accepts: Mapping[str, pat.Pattern]
    outcomes: tuple[evaluation.Outcome, ...] = ()
    note: str = ''
    plugin: str | None = None

    @property
    def why_nothing(self) -> str:
        """Why it accepts nothing, with what each rule says to that."""
        said = '; '.join(
            f'{outcome.name!r}: {", ".join(map(str, outcome.reasons))}'
            for outcome in self.outcomes if outcome.reasons)
        return f'{self.note} ({said})' if said else self.note

    @property
    def all_traits(self) -> frozenset[str]:
        return self.identity | frozenset(self.accepts)


@dataclasses.dataclass(frozen=True)
class Host:
    """What was found on a host.

    :ivar name: hypervisor hostname
    """

    name: str
    parents: tuple[ParentTraits, ...]


@dataclasses.dataclass(frozen=True)
class VendorAnswer:
    """What a vendor's plugin says that a parent accepts.

    :ivar plugin: its name
    :ivar patterns: none at all: nothing
    """

    plugin: str
    patterns: frozenset[pat.Pattern]


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


def describe(parent: par.Parent, rules: model.RuleSet,
             answer: VendorAnswer | None = None) -> ParentTraits:
    """Return what one parent is and, by the rules, accepts.

    :param answer: of the vendor's plugin, which replaces the rules' one
    :raises PublicationError: a name or pattern that no trait can carry
    """
    try:
        identity = frozenset(identity_traits(parent))
        target = parent.target()
        if target is None:
            return ParentTraits(parent, identity, {}, note=(
                'Nova uses no mdev type that this device offers'))
        if parent.device_api != devices.VFIO_PCI:
            floor = pat.Pattern(target.parent, target.type)
            return ParentTraits(
                parent, identity, {traits.encode_pattern(floor): floor},
                note=f'device API {parent.device_api} needs no check')
        if answer is not None:
            return _by_plugin(parent, identity, answer)
        return _by_rules(parent, identity, target, rules)
    except (ident.IdentityError, traits.TraitError,
            evaluation.EvaluationError) as exc:
        raise PublicationError(f'node device {parent.name}: {exc}') from exc


def _by_plugin(parent: par.Parent, identity: frozenset[str],
               answer: VendorAnswer) -> ParentTraits:
    accepts = {traits.encode_pattern(one): one for one in answer.patterns}
    name = f'vendor plugin {answer.plugin}'
    reasons = () if accepts else (verdict.Reason(
        verdict.Cause.VENDOR, 'it accepts nothing here'),)
    return ParentTraits(
        parent, identity, accepts,
        (evaluation.Outcome(name, name, accepts, reasons),),
        note='' if accepts else f'{name} accepts nothing here',
        plugin=answer.plugin)


def _by_rules(parent: par.Parent, identity: frozenset[str],
              target: ident.Identity, rules: model.RuleSet) -> ParentTraits:
    vendor = ident.vendor_of(target.parent)
    outcomes = evaluation.evaluate(rules.for_vendor(vendor), target,
                                   parent.unknown)
    accepts: dict[str, pat.Pattern] = {}
    for outcome in outcomes:
        accepts.update(outcome.patterns)
    note = '' if outcomes else f'no rule file speaks for vendor {vendor}'
    if outcomes and not accepts:
        note = 'no rule applies to this device'
    return ParentTraits(parent, identity, accepts, outcomes, note)


def identity_traits(parent: par.Parent) -> Iterable[str]:
    """Return the trait names that say what a parent is.

    :raises identity.IdentityError, traits.TraitError: there is no such trait
    """
    yield traits.SCHEMA
    yield traits.encode_value(traits.PARENT, parent.parent_id)
    if parent.target_type is not None:
        yield traits.encode_value(traits.TYPE,
                                  ident.canonical(parent.target_type))
    for mdev_type in parent.in_use:
        yield traits.encode_value(traits.INUSE, ident.canonical(mdev_type))
    for name, value in ident.canonical_facts(parent.facts):
        yield traits.encode_fact(name, value)


def combine(parents: Iterable[ParentTraits],
            silent: Iterable[str] = ()) -> HostTraits:
    """Return what root and parents are to say.

    :param parents: those that have a provider
    :param silent: other devices of the host with a provider, libvirt names:
        ghosts, which accept nothing
    """
    parents, silent = list(parents), list(silent)
    voices = {(item.parent.parent_id, item.parent.target_type,
               frozenset(item.accepts)) for item in parents}
    mixed = len(voices) + bool(silent) > 1
    own = {item.parent.name: item.all_traits | (
        {traits.MIXED} if mixed else frozenset()) for item in parents}
    root = {traits.SCHEMA, traits.HOST}
    if not mixed:
        root.update(name for item in parents for name in item.all_traits
                    if name.startswith(_FOR_ALL))
    return HostTraits(frozenset(root), {
        **own, **{name: frozenset({traits.SCHEMA}) for name in silent}}, mixed)



def devices_found(host: Host, read_at: float) -> device_file.Devices:
    """Return what is to be left on the host for the late check.

    :param read_at: when the host was read, in seconds since the epoch
    """
    return device_file.Devices(host.name, read_at, {
        item.parent.name: device_file.Device(item.identity, {
            name: _makers(item, name) for name in item.accepts})
        for item in host.parents})


def _makers(item: ParentTraits, pattern: str) -> tuple[str, ...]:
    """Return which rules made a pattern; where none was asked, why not."""
    return tuple(outcome.name for outcome in item.outcomes
                 if pattern in outcome.patterns) or (item.note,)
