# SPDX-License-Identifier: Apache-2.0
"""This host's mdev parents and mdevs, and how Nova uses them.

libvirt describes node devices (``ParentDevice``, ``Mdev``). Together with
nova.conf, sysfs and facts of vendor plugins, they become the parents to
publish (``MdevParent``).
"""

from collections.abc import Callable, Iterable, Mapping
import dataclasses

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.host import nova_types

#: The only device API whose mdevs Nova can live-migrate. It cannot migrate
#: those of vfio-ccw and vfio-ap.
VFIO_PCI = 'vfio-pci'

#: Why a parent cannot be a target.
NO_TYPE = 'Nova uses no mdev type that this device offers'


class DeviceError(exceptions.BadInput):
    """The description of a device is invalid; the message names the device."""


@dataclasses.dataclass(frozen=True)
class ParentDevice:
    """A node device that can create mdevs, as libvirt describes it.

    :ivar name: libvirt's name, ``pci_0000_84_00_0``
    :ivar path: sysfs path below ``/sys``, None if libvirt has none
    :ivar address: ``0000:84:00.0``, None if it is not a PCI device
    :ivar vendor: ``0x10de``, None likewise
    :ivar product: ``0x2235``, None likewise
    :ivar driver: name of the bound driver, None if libvirt has none
    :ivar types: device API by mdev type, ``{'nvidia-558': 'vfio-pci'}``
    :ivar board: address of the physical function if it is a virtual one,
        else None
    """

    name: str
    path: str | None
    address: str | None
    vendor: str | None
    product: str | None
    driver: str | None
    types: dict[str, str]
    board: str | None = None


@dataclasses.dataclass(frozen=True)
class Mdev:
    """A mediated device, as libvirt describes it.

    :ivar uuid: in lower case; this, type and parent are empty if libvirt does
        not have them
    :ivar type: its mdev type
    :ivar parent: libvirt's name of the parent; ``computer`` if the parent no
        longer exists
    :ivar name: libvirt's name of the mdev
    :ivar active: it exists; an inactive mdev is only defined
    :ivar fault: what its description lacks, empty if it is complete
    """

    uuid: str
    type: str
    parent: str
    name: str = ''
    active: bool = True
    fault: str = ''


@dataclasses.dataclass(frozen=True)
class HostDevices:
    """The devices and domains of a host, as libvirt describes them.

    :ivar hostname: libvirt's name of the host
    :ivar parents: devices that can create mdevs
    :ivar mdevs: active mdevs, and inactive ones, which are only defined
    :ivar used: UUIDs of the mdevs of running domains
    :ivar odd: errors of parents with an invalid description, by libvirt's
        name
    :ivar kept: UUIDs of the mdevs of domains that do not run: an instance
        that is shut off keeps its mdevs
    """

    hostname: str
    parents: tuple[ParentDevice, ...]
    mdevs: tuple[Mdev, ...]
    used: frozenset[str] = frozenset()
    odd: Mapping[str, DeviceError] = dataclasses.field(default_factory=dict)
    kept: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class MdevParent:
    """A parent with everything to publish about it.

    :ivar name: libvirt's name; the provider's name ends with it
    :ivar parent_id: canonical parent id, empty if it could not be read
    :ivar offered: mdev types that the device offers, raw
    :ivar target_type: the type that Nova uses here, raw; None if Nova uses
        none, or one that the device does not offer
    :ivar why_no_type: why there is no target type, empty if there is one
    :ivar device_api: device API of the target type, ``vfio-pci``
    :ivar in_use: other types that running domains still use here, raw
    :ivar facts: raw values by fact name
    :ivar unknown: why other facts are not known, by fact name
    :ivar used: for a parent of virtual functions, whether Nova gives any of
        them to guests; None for a parent of mdevs
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
    used: bool | None = None

    def target(self) -> identity.Identity | None:
        """Return its identity as a target, None without a target type."""
        if self.target_type is None:
            return None
        return identity.Identity.of(
            self.parent_id, self.target_type, self.facts
        )


def build(
    found: Iterable[ParentDevice],
    mdevs: Iterable[Mdev],
    used: frozenset[str],
    types: nova_types.NovaTypes,
    parent_ids: Mapping[str, str],
    facts: Mapping[str, identity.Facts],
) -> tuple[MdevParent, ...]:
    """Return this host's parents, in order of their names.

    Mdevs that no running domain uses are ignored, because Nova never deletes
    mdevs. Mdevs that are only defined are ignored, too: another, active one
    may have the same UUID.

    A running domain may have an mdev whose type or parent libvirt does not
    report. Then it is unknown which mdevs are on the parent. The parent gets
    no target type, so that nothing migrates to it.

    :param used: UUIDs of the mdevs of running domains
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
            MdevParent(
                name=device.name,
                parent_id=parent_ids.get(device.name, ''),
                offered=tuple(sorted(device.types)),
                target_type=target,
                device_api=device.types.get(target or '', VFIO_PCI),
                in_use=frozenset(in_use.get(device.name, set()) - {target}),
                facts=dict(facts[device.name].values),
                unknown=dict(facts[device.name].unknown),
                why_no_type=why,
            )
        )
    return tuple(parents)


def parent_id(
    device: ParentDevice, subsystem_of: Callable[[ParentDevice], str | None]
) -> str:
    """Return a device's canonical parent id.

    :param subsystem_of: reads the subsystem of a device without PCI ids
    :raises DeviceError: the device cannot be identified
    """
    try:
        if device.vendor is not None and device.product is not None:
            return identity.pci_parent(device.vendor, device.product)
        subsystem = subsystem_of(device)
        if subsystem is None:
            raise DeviceError(
                f'node device {device.name}: it has neither PCI ids nor a '
                'subsystem in sysfs'
            )
        return identity.subsystem_parent(subsystem)
    except identity.IdentityError as exc:
        raise DeviceError(f'node device {device.name}: {exc}') from exc


def collisions(parents: Iterable[MdevParent]) -> dict[str, DeviceError]:
    """Return the parents with a name that no trait can carry.

    Such a name has no letter and no digit, or it results in the same trait as
    another name of this host.

    :returns: the errors by libvirt's name of the parent
    """
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    found: dict[str, DeviceError] = {}
    for parent in parents:
        served = sorted(filter(None, {*parent.in_use, parent.target_type}))
        facts = sorted(parent.facts.items())
        for kind, raw in [
            *(('mdev type', mdev_type) for mdev_type in served),
            *((f'fact {name}', value) for name, value in facts),
        ]:
            try:
                key = (kind, identity.canonical(raw))
            except identity.IdentityError as exc:
                found[parent.name] = DeviceError(
                    f'node device {parent.name}: {kind}: {exc}'
                )
                continue
            first, owner = seen.setdefault(key, (raw, parent.name))
            if first != raw:
                found[parent.name] = found[owner] = DeviceError(
                    f'node device {parent.name}: {kind} {raw!r} and {kind} '
                    f'{first!r} of node device {owner} are both {key[1]} in '
                    'a trait'
                )
    return found
