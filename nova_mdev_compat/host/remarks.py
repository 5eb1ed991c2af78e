# SPDX-License-Identifier: Apache-2.0
"""Remarks for operators about a host on which nothing has failed.

They are about options in nova.conf without effect and about unused mdevs.
Nova accepts both without a message, but operators rarely want them.
"""

from collections.abc import Collection, Iterable
import enum

from nova_mdev_compat.core import text
from nova_mdev_compat.host import device_spec
from nova_mdev_compat.host import nova_types
from nova_mdev_compat.host.parents import HostDevices
from nova_mdev_compat.host.parents import Mdev
from nova_mdev_compat.host.parents import MdevParent
from nova_mdev_compat.host.parents import ParentDevice
from nova_mdev_compat.host import vfio
from nova_mdev_compat.host import vfio_parents


class Unused(enum.Enum):
    """The state of an mdev that no domain has.

    FREE: Nova uses it for the next instance. STRAY: Nova uses another type,
    or none, on its parent. INACTIVE: it is only defined. ORPHANED: likewise,
    and there is no such parent.
    """

    FREE = 'free'
    STRAY = 'stray'
    INACTIVE = 'inactive'
    ORPHANED = 'orphaned'


#: A description of such mdevs, and what to do; see virsh(1).
_ABOUT = {
    Unused.STRAY: (
        'active mdevs that no domain has and that Nova does not use again, '
        'because it uses another type, or none, on their parent',
        'If nothing but Nova uses mdevs here, remove them with "virsh '
        'nodedev-destroy" and "virsh nodedev-undefine"',
    ),
    Unused.INACTIVE: (
        'mdevs that are defined but not active, and that no domain has',
        'A migration for which Nova takes one of them fails ("mediated device '
        'not found"). Remove them with "virsh nodedev-undefine", or start '
        'them with "virsh nodedev-start"',
    ),
    Unused.ORPHANED: (
        'mdevs that are defined but not active, and whose parent does not '
        'exist or cannot create mdevs',
        'nova-compute may not start again with them. Remove them with "virsh '
        'nodedev-undefine", unless the parent will return',
    ),
}

#: The mdevs that no domain has, in order of their names.
UnusedMdevs = tuple[tuple[Mdev, Unused], ...]


def unused_mdevs(
    host: HostDevices, types: nova_types.NovaTypes
) -> UnusedMdevs:
    """Return the mdevs of a host that no domain has.

    Active mdevs are left out if it is not known how Nova uses them, so that
    nobody removes them.
    """
    parents = {device.name: device for device in host.parents}
    active = {mdev.uuid for mdev in host.mdevs if mdev.active}
    in_domains = host.used | host.kept
    unused = []
    for mdev in sorted(host.mdevs, key=lambda one: one.name):
        # If another mdev with this UUID is active, the domain has that one.
        had = mdev.uuid in in_domains and (
            mdev.active or mdev.uuid not in active
        )
        if mdev.fault or had:
            continue
        parent = parents.get(mdev.parent)
        if not mdev.active:
            exists = parent is not None or mdev.parent in host.odd
            state = Unused.INACTIVE if exists else Unused.ORPHANED
        elif parent is None or mdev.type not in parent.types:
            continue
        elif mdev.type == types.type_of(parent.name, parent.address):
            state = Unused.FREE
        else:
            state = Unused.STRAY
        unused.append((mdev, state))
    return tuple(unused)


def of_host(
    host: HostDevices, types: nova_types.NovaTypes, unused: UnusedMdevs
) -> tuple[str, ...]:
    """Return remarks on nova.conf and mdevs, a line each."""
    return (
        *_about_types(types),
        *_about_addresses(types, host.parents),
        *(mdev.fault for mdev in host.mdevs if mdev.fault),
        *_about_unused(unused),
    )


def of_functions(
    found: Collection[vfio.PhysicalFunction],
    specs: Collection[device_spec.DeviceSpec],
    reported: bool,
) -> tuple[str, ...]:
    """Return remarks on options of nova.conf for virtual functions.

    :param reported: ``[pci]report_in_placement``
    """
    used: dict[str, device_spec.DeviceSpec] = {}
    boards = []
    for physical in found:
        if not vfio_parents.is_for_neutron(physical, specs):
            boards.append(physical.address)
        of_board = vfio_parents.used_functions(physical, specs)
        used.update((spec.text, spec) for spec in of_board.values())
    remarks = []
    if boards and not reported:
        remarks.append(
            'nova.conf: [pci]report_in_placement is off, so nothing can be '
            f'published for the virtual functions of {text.join(boards)}, and '
            'whether they can be migrated stays unknown'
        )
    for spec in used.values():
        if spec.managed is not False:
            remarks.append(
                f'nova.conf: [pci]device_spec {spec.text} is not managed: no. '
                'libvirt binds a function to vfio-pci when a guest gets it, '
                'and its vGPU type is lost'
            )
        if not spec.live_migratable:
            remarks.append(
                f'nova.conf: [pci]device_spec {spec.text} is not '
                'live_migratable: yes. Nova migrates no guest to its functions'
            )
    return tuple(remarks)


def of_parents(parents: Iterable[MdevParent]) -> tuple[str, ...]:
    """Return why parents have no target type, a line for each reason."""
    without: dict[str, list[str]] = {}
    for parent in parents:
        if parent.why_no_type:
            without.setdefault(parent.why_no_type, []).append(parent.name)
    return tuple(
        f'{text.join(names)}: {why}' for why, names in without.items()
    )


def _about_types(types: nova_types.NovaTypes) -> Iterable[str]:
    for name in types.enabled:
        hint = ''
        if name.startswith(('[', '"', "'")) or name.endswith((']', '"', "'")):
            hint = 'use neither brackets nor quotes'
        elif '#' in name or ';' in name:
            hint = 'put the comment on its own line'
        elif len(name.split()) > 1:
            hint = 'separate types with commas'
        if hint:
            yield (
                f'nova.conf: [devices]enabled_mdev_types has {name!r}, '
                f'which Nova reads as the name of a type: {hint}'
            )


def _about_addresses(
    types: nova_types.NovaTypes, found: Collection[ParentDevice]
) -> Iterable[str]:
    """Yield remarks on addresses without a device that can create mdevs."""
    here = {device.address or device.name for device in found}
    boards = {device.board for device in found}
    lost: dict[tuple[str, str], list[str]] = {}
    for address, mdev_type in types.by_address.items():
        if address in here:
            continue
        hint = ''
        if address.lower() in here:
            hint = '; Nova compares case-sensitively: use lower case'
        elif address.lower() in boards:
            hint = (
                '; it is a physical function, and its virtual functions have '
                'the mdevs: name those'
            )
        lost.setdefault((mdev_type, hint), []).append(address)
    for (mdev_type, hint), addresses in lost.items():
        yield (
            f'nova.conf: [mdev_{mdev_type}]device_addresses: no device '
            'here that can create mdevs has the address '
            f'{text.join(addresses)}{hint}'
        )


def _about_unused(unused: UnusedMdevs) -> Iterable[str]:
    for state, (description, remedy) in _ABOUT.items():
        names = [
            f'{mdev.name} ({mdev.type} on {mdev.parent})'
            for mdev, found in unused
            if found is state
        ]
        if names:
            yield f'{description}: {text.join(names)}. {remedy}'
