# SPDX-License-Identifier: Apache-2.0
"""A cloud as it is, and as it would be if some devices had other facts.

What an upgraded device accepts is made from its facts by rules, through the
code that makes it on the host. Facts that a device has not published stay
missing. No type is "in use" on an upgraded device, because its instances had
to leave.
"""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import functools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity as ident
from nova_mdev_compat.core.pattern import Pattern
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import versions
from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.fleet.device_classes import PublishedClass
from nova_mdev_compat.fleet import model
from nova_mdev_compat.host import parents
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules.model import RuleSet

Members = Sequence[tuple[model.Host, model.Parent]]


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A cloud, and what an upgrade makes of its hosts.

    :ivar types: mdev types of the devices that change
    :ivar after: the hosts that change, by UUID
    :ivar up_to_date: names of the selected hosts that would not change
    :ivar mismatched: names of hosts whose devices do not accept now what the
        rules give
    :ivar unknown: devices that change and have no complete identity
    """

    cloud: model.Cloud
    types: frozenset[str]
    after: Mapping[str, model.Host]
    up_to_date: tuple[str, ...]
    mismatched: tuple[str, ...]
    unknown: Members

    def changes(self, host: model.Host, parent: model.Parent) -> bool:
        """Return whether a device is one of those that change."""
        return host.uuid in self.after and has_type(parent, self.types)

    @functools.cached_property
    def _asked(self) -> frozenset[str]:
        """The facts on which a verdict can depend, now or then."""
        return _asked_about(
            parent
            for hosts in (self.cloud.hosts, self.after.values())
            for host in hosts
            for parent in host.parents
        )

    @functools.cached_property
    def _classes(self) -> dict[tuple[object, int], PublishedClass]:
        return {}

    def device_class(
        self, host: model.Host, said: traits.Description
    ) -> PublishedClass:
        """Return what a device is in all that some pattern asks about.

        :param said: what the device's traits say, now or then
        """
        # Devices with equal traits share one Description.
        key = host.unpublished, id(said)
        if key not in self._classes:
            self._classes[key] = device_classes.device_class(
                host.unpublished, said, self._asked
            )
        return self._classes[key]

    @property
    def unaffected(self) -> Members:
        """Devices of the hosts that change which stay as they are."""
        return [
            (host, parent)
            for host, parent in self.cloud.parents()
            if host.uuid in self.after
            and parent.traits.managed
            and parent.traits.types
            and not has_type(parent, self.types)
        ]

    def concerned(self) -> Members:
        """Return the devices whose instances the upgrade can affect.

        These are the devices that change, the devices whose instances could
        move to one of them now, and the other devices of the same hosts,
        because one instance may have mdevs of several devices.
        """
        changing = {
            self.device_class(host, parent.traits)
            for host, parent in self.cloud.parents()
            if self.changes(host, parent)
        }

        @functools.cache
        def moves(one: PublishedClass) -> bool:
            return any(
                target.judge(source)
                for target in changing
                for source in one.sources
            )

        hosts = {
            host.uuid
            for host, parent in self.cloud.parents()
            if self.changes(host, parent)
            or moves(self.device_class(host, parent.traits))
        }
        return [pair for pair in self.cloud.parents() if pair[0].uuid in hosts]


def build(
    cloud: model.Cloud,
    types: frozenset[str],
    names: Sequence[str],
    changed: Mapping[str, str],
    rules: RuleSet,
) -> Scenario:
    """Return a cloud, and what an upgrade makes of its hosts.

    :param types: canonical mdev types; the devices that serve one or have
        one in use are the ones that change
    :param names: hypervisor hostnames; all hosts if there are none
    :param changed: canonical values of the new facts
    :param rules: of the hosts
    :raises exceptions.BadInput: no device has such a type, or none on a host
        that is named; no device and no rule knows a fact; or the rules make
        something that no trait can carry
    """
    scope = _scope(cloud, types, names)
    hosts = {host.uuid: host for host, _ in scope}
    # Devices with equal traits share one Description.
    new: dict[int, traits.Description] = {}
    mismatched = set()
    for host, parent in scope:
        said = parent.traits
        if id(said) in new:
            continue
        new[id(said)] = _upgraded(host, parent, changed, rules)
        if parent.identities and (
            said.accepts.keys() != _accepts(host, parent, said, rules).keys()
        ):
            mismatched.add(id(said))
    after = {
        uuid: dataclasses.replace(
            host,
            parents=tuple(
                dataclasses.replace(parent, traits=new[id(parent.traits)])
                if has_type(parent, types)
                else parent
                for parent in host.parents
            ),
        )
        for uuid, host in hosts.items()
    }
    # A fact that makes no difference to anybody is a typing error.
    known = {name for _, parent in scope for name, _ in parent.traits.facts}
    known |= _asked_about(
        parent for host in after.values() for parent in host.parents
    )
    for name in changed:
        if name not in known:
            raise exceptions.BadInput(
                f'none of these devices has published fact {name}, and no '
                'rule asks for it; what they have: '
                f'{", ".join(sorted(known)) or "none"}'
            )
    changing = {
        uuid for uuid in hosts if hosts[uuid].parents != after[uuid].parents
    }
    others = {
        host.name: None
        for host, parent in scope
        if id(parent.traits) in mismatched
    }
    return Scenario(
        cloud,
        types,
        {uuid: after[uuid] for uuid in hosts if uuid in changing},
        tuple(hosts[uuid].name for uuid in hosts if uuid not in changing),
        tuple(others),
        [(host, parent) for host, parent in scope if not parent.identities],
    )


def has_type(parent: model.Parent, types: frozenset[str]) -> bool:
    """Return whether a device serves one of some types, or has it in use."""
    return not types.isdisjoint(parent.traits.types | parent.traits.in_use)


def _scope(
    cloud: model.Cloud, types: frozenset[str], names: Sequence[str]
) -> Members:
    wanted = ' or '.join(map(ident.display_type, sorted(types)))
    of_type = [
        (host, parent)
        for host, parent in cloud.parents()
        if has_type(parent, types)
    ]
    if not of_type:
        raise exceptions.BadInput(
            f'no device serves type {wanted}, or has it in use: '
            '"openstack mdev device list" has the types'
        )
    chosen = [pair for pair in of_type if not names or pair[0].name in names]
    without = set(names) - {host.name for host, _ in chosen}
    if without:
        raise exceptions.BadInput(
            f'no device of host {", ".join(sorted(without))} serves type '
            f'{wanted}, or has it in use'
        )
    return chosen


def _asked_about(some: Iterable[model.Parent]) -> frozenset[str]:
    return device_classes.facts_asked_about(
        said.accepts.values()
        for said in {
            id(parent.traits): parent.traits for parent in some
        }.values()
    )


def _upgraded(
    host: model.Host,
    parent: model.Parent,
    changed: Mapping[str, str],
    rules: RuleSet,
) -> traits.Description:
    """Return what a device will be; the same object if nothing changes."""
    said = parent.traits
    kept = frozenset(
        (name, value)
        for name, value in said.facts
        if name not in changed or _equal(name, value, changed[name])
    )
    missing = changed.keys() - dict(kept).keys()
    facts = kept | {(name, changed[name]) for name in missing}
    new = dataclasses.replace(said, in_use=frozenset(), facts=facts)
    accepts = _accepts(host, parent, new, rules)
    if (facts, accepts) == (said.facts, said.accepts):
        return said
    return dataclasses.replace(new, accepts=accepts)


def _accepts(
    host: model.Host,
    parent: model.Parent,
    said: traits.Description,
    rules: RuleSet,
) -> dict[str, Pattern]:
    """Return the patterns that rules give for a device, by trait name."""
    found: dict[str, Pattern] = {}
    for mdev_type in sorted(said.types if said.identities() else ()):
        mdev_parent = parents.MdevParent(
            parent.name,
            min(said.parents),
            (mdev_type,),
            mdev_type,
            parents.VFIO_PCI,
            frozenset(),
            dict(said.facts),
        )
        try:
            found |= host_traits.describe(mdev_parent, rules).accepts
        except exceptions.BadInput as exc:
            raise exceptions.BadInput(f'host {host.name}: {exc}') from exc
    return found


def _equal(name: str, old: str, new: str) -> bool:
    """Return whether two canonical values of a fact are the same."""
    if not (
        ident.is_version_fact(name)
        and versions.is_version(old)
        and versions.is_version(new)
    ):
        return old == new
    return versions.key(old) == versions.key(new)
