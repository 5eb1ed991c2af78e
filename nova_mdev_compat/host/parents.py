# SPDX-License-Identifier: Apache-2.0
"""What was read, put together: this host's parents and their facts."""

from collections.abc import Callable, Iterable, Mapping
import dataclasses

from nova_mdev_compat.core import identity
from nova_mdev_compat.host import devices
from nova_mdev_compat.host import nova_types


#: What is said of a parent that cannot be a target.
NO_TYPE = 'Nova uses no mdev type that this device offers'


@dataclasses.dataclass(frozen=True)
class Parent:
    """A parent as it is to be published.

    :ivar name: libvirt's name; after the host's it names the provider
    :ivar parent_id: canonical parent id, empty where it could not be read
    :ivar offered: mdev types that the device has to offer, raw
    :ivar target_type: the type that Nova uses here, raw; None where Nova
        uses none, or one that the device does not offer
    :ivar why_no_type: why there is no target type, empty where there is one
    :ivar device_api: device API of the target type, ``vfio-pci``
    :ivar in_use: other types that running domains still use here, raw
    :ivar facts: raw values by fact name
    :ivar unknown: why other facts are not known, by fact name
    """

    name: str
    parent_id: str
    offered: tuple[str, ...]
    target_type: str | None
    device_api: str
    in_use: frozenset[str]
    facts: Mapping[str, str]
    unknown: Mapping[str, str] = dataclasses.field(default_factory=dict)
    why_no_type: str = ''

    def target(self) -> identity.Identity | None:
        """Return the parent in its role as a target."""
        if self.target_type is None:
            return None
        return identity.Identity.of(
            self.parent_id, self.target_type, self.facts
        )


def build(
    found: Iterable[devices.ParentDevice],
    mdevs: Iterable[devices.Mdev],
    used: frozenset[str],
    types: nova_types.NovaTypes,
    parent_ids: Mapping[str, str],
    facts: Mapping[str, identity.Facts],
) -> tuple[Parent, ...]:
    """Return this host's parents, by name.

    An mdev that no running domain uses counts as nothing: Nova never
    deletes mdevs. So does one that is only defined: its UUID may be that of
    another, active one.

    Where a running domain may have an mdev whose type or parent libvirt does
    not tell, nobody knows what the instances on its parent have. Such a
    parent has no target type, so that nothing comes there, and nothing is
    known of what leaves it.

    :param used: UUIDs of mdevs that running domains have
    :param parent_ids: canonical parent ids by device name
    :param facts: by device name
    """
    active = [mdev for mdev in mdevs if mdev.active]
    in_use: dict[str, set[str]] = {}
    for mdev in active:
        if mdev.uuid in used and not mdev.fault:
            in_use.setdefault(mdev.parent, set()).add(mdev.type)
    missing = used - {mdev.uuid for mdev in active if not mdev.fault}
    doubtful = [
        mdev
        for mdev in active
        if mdev.fault and missing and (not mdev.uuid or mdev.uuid in missing)
    ]
    parents = []
    for device in sorted(found, key=lambda item: item.name):
        target = types.type_of(device.name, device.address)
        why = ''
        if target not in device.types:
            target = None
            why = types.why_none(device.name, device.address, device.types)
            why = f'{NO_TYPE}; {why}'
        doubts = [
            mdev.fault for mdev in doubtful if mdev.parent in ('', device.name)
        ]
        if doubts:
            target = None
            why = (
                'a running domain may have an mdev of it that libvirt does '
                f'not describe: {", ".join(doubts)}'
            )
        parents.append(
            Parent(
                name=device.name,
                parent_id=parent_ids.get(device.name, ''),
                offered=tuple(sorted(device.types)),
                target_type=target,
                device_api=device.types.get(target or '', devices.VFIO_PCI),
                in_use=frozenset(in_use.get(device.name, set()) - {target}),
                facts=dict(facts[device.name].values),
                unknown=dict(facts[device.name].unknown),
                why_no_type=why,
            )
        )
    return tuple(parents)


def parent_id(
    device: devices.ParentDevice,
    subsystem_of: Callable[[devices.ParentDevice], str | None],
) -> str:
    """Return a device's canonical parent id.

    :param subsystem_of: reads the subsystem of a device without PCI ids
    :raises devices.DeviceError: it cannot be identified
    """
    try:
        if device.vendor is not None and device.product is not None:
            return identity.pci_parent(device.vendor, device.product)
        subsystem = subsystem_of(device)
        if subsystem is None:
            raise devices.DeviceError(
                f'node device {device.name}: neither PCI ids nor a subsystem '
                'in sysfs to know it by'
            )
        return identity.subsystem_parent(subsystem)
    except identity.IdentityError as exc:
        raise devices.DeviceError(f'node device {device.name}: {exc}') from exc


def collisions(parents: Iterable[Parent]) -> dict[str, devices.DeviceError]:
    """Return the parents that have a name which no trait can carry.

    That is one without any letter or digit, or one that is another raw name
    of this host in a trait: then neither parent can be told from the other.

    :returns: what is wrong, by the parent's libvirt name
    """
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    found: dict[str, devices.DeviceError] = {}
    for parent in parents:
        for kind, raw in _names(parent):
            try:
                key = (kind, identity.canonical(raw))
            except identity.IdentityError as exc:
                found[parent.name] = devices.DeviceError(
                    f'node device {parent.name}: {kind}: {exc}'
                )
                continue
            first, owner = seen.setdefault(key, (raw, parent.name))
            if first != raw:
                found[parent.name] = found[owner] = devices.DeviceError(
                    f'node device {parent.name}: {kind} {raw!r} and {kind} '
                    f'{first!r} of node device {owner} are both {key[1]} in '
                    'a trait'
                )
    return found


def _names(parent: Parent) -> list[tuple[str, str]]:
    served = set(parent.in_use)
    if parent.target_type is not None:
        served.add(parent.target_type)
    names = [('mdev type', mdev_type) for mdev_type in sorted(served)]
    names += [
        (f'fact {name}', value) for name, value in sorted(parent.facts.items())
    ]
    return names
