# SPDX-License-Identifier: Apache-2.0
"""A cloud as it would be if some devices had other facts. Pure.

What a device accepts then is made from its facts by rules, through the code
that makes it on the host. Facts that it has not published stay missing. What
is in use on it is gone by then: its instances had to leave.
"""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core.pattern import Pattern
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import versions
from nova_mdev_compat.fleet import model
from nova_mdev_compat.host import devices
from nova_mdev_compat.host import parents
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules.model import RuleSet

Members = Sequence[tuple[model.Host, model.Parent]]


@dataclasses.dataclass(frozen=True)
class Upgrade:
    """A cloud, and what its hosts would be.

    :ivar types: mdev types of the devices that change
    :ivar after: the hosts that change, by UUID
    :ivar already: names of hosts that would not, though they were meant
    :ivar unlike: names of hosts whose devices accept now something else than
        the rules say
    :ivar unknown: devices that change, of no complete identity
    """

    cloud: model.Cloud
    types: frozenset[str]
    after: Mapping[str, model.Host]
    already: tuple[str, ...]
    unlike: tuple[str, ...]
    unknown: Members

    def changes(self, host: model.Host, parent: model.Parent) -> bool:
        """Tell whether a device is one of those that change."""
        return host.uuid in self.after and _is_of(parent, self.types)

    def change(self, host: model.Host) -> str:
        """Return what changes of a host: ``driver 535.54 to 550.54``."""
        pairs = [
            (old.said, new.said)
            for old, new in zip(
                host.parents, self.after[host.uuid].parents, strict=True
            )
        ]
        names = sorted(
            {name for old, new in pairs for name, _ in new.facts - old.facts}
        )
        return ', '.join(_change(name, pairs) for name in names) or (
            'what they accept'
        )

    def asked_about(self) -> frozenset[str]:
        """Return the facts on which a decision can depend, then or now."""
        return asked_about(
            parent.said
            for hosts in (self.cloud.hosts, self.after.values())
            for host in hosts
            for parent in host.parents
        )

    @property
    def bystanders(self) -> Members:
        """Return the devices of such hosts that stay as they are."""
        return [
            (host, parent)
            for host, parent in self.cloud.parents()
            if host.uuid in self.after
            and parent.said.managed
            and parent.said.types
            and not _is_of(parent, self.types)
        ]


def plan(
    cloud: model.Cloud,
    wanted: frozenset[str],
    names: Sequence[str],
    changed: Mapping[str, str],
    rules: RuleSet,
) -> Upgrade:
    """Return a cloud, and what its hosts would be.

    :param wanted: canonical mdev types: devices that serve one or have one
        in use are the ones that change
    :param names: hypervisor hostnames; of all hosts, where there are none
    :param changed: canonical values of their new facts
    :param rules: of their hosts
    :raises exceptions.BadInput: there are no such devices, there or at all;
        or a fact that nobody knows; or rules that make no trait of them
    """
    scope = _scope(cloud, wanted, names)
    world = _World(changed, rules)
    after = {
        host.uuid: dataclasses.replace(
            host,
            parents=tuple(
                world.after(host, parent) if _is_of(parent, wanted) else parent
                for parent in host.parents
            ),
        )
        for host in {host.uuid: host for host, _ in scope}.values()
    }
    same = {
        uuid
        for host, _ in scope
        if after[uuid := host.uuid].parents == host.parents
    }
    _check_facts(scope, after.values(), changed)
    return Upgrade(
        cloud,
        wanted,
        {uuid: host for uuid, host in after.items() if uuid not in same},
        _names(host for host, _ in scope if host.uuid in same),
        _names(
            host
            for host, parent in scope
            if not world.is_by_rules(host, parent)
        ),
        [(host, parent) for host, parent in scope if not parent.identities],
    )


def _names(hosts: Iterable[model.Host]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(host.name for host in hosts))


def _is_of(parent: model.Parent, wanted: frozenset[str]) -> bool:
    return not wanted.isdisjoint(parent.said.types | parent.said.in_use)


def _scope(
    cloud: model.Cloud, wanted: frozenset[str], names: Sequence[str]
) -> Members:
    of_type = [
        (host, parent)
        for host, parent in cloud.parents()
        if _is_of(parent, wanted)
    ]
    if not of_type:
        raise exceptions.BadInput(
            f'no device serves type {_either(wanted)}, or has it in use: '
            '"openstack mdev device list" has the types'
        )
    chosen = [pair for pair in of_type if not names or pair[0].name in names]
    without = set(names) - {host.name for host, _ in chosen}
    if without:
        raise exceptions.BadInput(
            f'no device of host {", ".join(sorted(without))} serves type '
            f'{_either(wanted)}, or has it in use'
        )
    return chosen


def _either(wanted: Iterable[str]) -> str:
    return ' or '.join(sorted(wanted))


def _check_facts(
    scope: Members, after: Iterable[model.Host], changed: Iterable[str]
) -> None:
    """Refuse facts that make no difference to anybody: typing errors."""
    known = {name for _, parent in scope for name, _ in parent.said.facts}
    known |= asked_about(
        parent.said for host in after for parent in host.parents
    )
    for name in changed:
        if name not in known:
            raise exceptions.BadInput(
                f'none of these devices has published fact {name}, and no '
                'rule asks for it; what they have: '
                f'{", ".join(sorted(known)) or "none"}'
            )


def asked_about(said: Iterable[traits.Description]) -> frozenset[str]:
    """Return the facts on which what is said depends."""
    different = {id(one): one for one in said}.values()
    return frozenset(
        condition.fact
        for one in different
        for pattern in one.accepts.values()
        for condition in pattern.conditions
    )


def _change(
    name: str, pairs: Sequence[tuple[traits.Description, traits.Description]]
) -> str:
    """Return what changes of a fact, on the devices where it does."""
    changed = [(_value(old, name), _value(new, name)) for old, new in pairs]
    changed = [(old, new) for old, new in changed if old != new]
    _, after = changed[0]
    before = sorted({old for old, _ in changed})
    return f'{name} {" or ".join(before)} to {after}'


def _value(said: traits.Description, name: str) -> str:
    values = [
        identity.display(name, value)
        for other, value in sorted(said.facts)
        if other == name
    ]
    return '/'.join(values) or 'unknown'


class _World:
    """What the given rules say, of devices as they are and as they will be.

    Devices that say the same are one object, and are looked at once.
    """

    def __init__(self, changed: Mapping[str, str], rules: RuleSet):
        self._changed = changed
        self._rules = rules
        self._after: dict[int, traits.Description] = {}
        self._by_rules: dict[int, bool] = {}

    def after(self, host: model.Host, parent: model.Parent) -> model.Parent:
        """Return what a device will be; the same if nothing changes."""
        said = parent.said
        if id(said) not in self._after:
            self._after[id(said)] = self._changes(host, parent)
        return dataclasses.replace(parent, said=self._after[id(said)])

    def _changes(
        self, host: model.Host, parent: model.Parent
    ) -> traits.Description:
        said = parent.said
        found = dataclasses.replace(
            said, in_use=frozenset(), facts=self._facts(said.facts)
        )
        found = dataclasses.replace(
            found, accepts=self._accepts(host, parent.name, found)
        )
        if (found.facts, found.accepts) == (said.facts, said.accepts):
            return said
        return found

    def _facts(
        self,
        old: frozenset[tuple[str, str]],
    ) -> frozenset[tuple[str, str]]:
        kept = frozenset(
            pair
            for pair in old
            if pair[0] not in self._changed
            or _equal(*pair, self._changed[pair[0]])
        )
        missing = self._changed.keys() - dict(kept).keys()
        return kept | {(name, self._changed[name]) for name in missing}

    def is_by_rules(self, host: model.Host, parent: model.Parent) -> bool:
        """Tell whether the rules say what a device accepts now.

        Of one of which too little is known nobody can tell.
        """
        said = parent.said
        if not parent.identities:
            return True
        if id(said) not in self._by_rules:
            self._by_rules[id(said)] = (
                said.accepts.keys()
                == self._accepts(host, parent.name, said).keys()
            )
        return self._by_rules[id(said)]

    def _accepts(
        self, host: model.Host, name: str, said: traits.Description
    ) -> dict[str, Pattern]:
        found: dict[str, Pattern] = {}
        if not said.identities():
            return found
        (parent,) = said.parents
        for mdev_type in sorted(said.types):
            try:
                found.update(
                    host_traits.describe(
                        parents.Parent(
                            name,
                            parent,
                            (mdev_type,),
                            mdev_type,
                            devices.VFIO_PCI,
                            frozenset(),
                            dict(said.facts),
                        ),
                        self._rules,
                    ).accepts
                )
            except exceptions.BadInput as exc:
                raise exceptions.BadInput(f'host {host.name}: {exc}') from exc
        return found


def _equal(name: str, old: str, new: str) -> bool:
    """Tell whether two canonical values of a fact are the same."""
    if not (
        identity.is_version_fact(name)
        and versions.is_version(old)
        and versions.is_version(new)
    ):
        return old == new
    return versions.key(old) == versions.key(new)
