# SPDX-License-Identifier: Apache-2.0
"""What an operator should know of a host on which nothing has failed. Pure.

A nova.conf that serves nothing, and mdevs that nobody has: both are as Nova
takes them, and neither is what anybody wants.
"""

from collections.abc import Collection, Iterable
import enum

from nova_mdev_compat.host import devices
from nova_mdev_compat.host import nova_types
from nova_mdev_compat.host.parents import Parent


class Unused(enum.Enum):
    """What an mdev is that no domain has."""

    FREE = 'free'
    STRAY = 'stray'
    INACTIVE = 'inactive'
    ORPHANED = 'orphaned'


#: What such mdevs are, and what to do about them; virsh(1) has the commands.
_ABOUT = {
    Unused.STRAY: (
        'active mdevs that no domain has, and that Nova does not use again, '
        'because it uses another type, or none, on their parent',
        'Unless something else than Nova has them, remove them with "virsh '
        'nodedev-destroy" and "virsh nodedev-undefine"',
    ),
    Unused.INACTIVE: (
        'mdevs that are defined, but not active, and that no domain has',
        'A migration for which Nova takes one fails ("mediated device not '
        'found"). Remove them with "virsh nodedev-undefine", or start them '
        'with "virsh nodedev-start"',
    ),
    Unused.ORPHANED: (
        'mdevs that are defined, but not active, and whose parent is not '
        'there or cannot create mdevs',
        'nova-compute may not start again with them. Remove them with "virsh '
        'nodedev-undefine", unless the parent is to come back',
    ),
}


#: The mdevs that no domain has, in order of their names.
Leftovers = tuple[tuple[devices.Mdev, Unused], ...]


def leftovers(
    mdevs: Collection[devices.Mdev],
    used: Collection[str],
    kept: Collection[str],
    found: Iterable[devices.ParentDevice],
    odd: Collection[str],
    types: nova_types.NovaTypes,
) -> Leftovers:
    """Return the mdevs of a host that no domain has.

    Active ones of which it is not known what Nova does with them are left
    out, rather than have somebody remove them.

    :param used, kept: UUIDs of the mdevs of domains that run, and of those
        that do not: an instance that is shut off keeps its mdevs
    :param odd: libvirt's names of parents that it does not describe
    """
    parents = {device.name: device for device in found}
    active = {mdev.uuid for mdev in mdevs if mdev.active}
    left = []
    for mdev in sorted(mdevs, key=lambda one: one.name):
        # A definition whose UUID is active elsewhere is nobody's.
        had = (mdev.uuid in used or mdev.uuid in kept) and (
            mdev.active or mdev.uuid not in active
        )
        if mdev.fault or had:
            continue
        parent = parents.get(mdev.parent)
        if not mdev.active:
            there = parent is not None or mdev.parent in odd
            left.append((mdev, Unused.INACTIVE if there else Unused.ORPHANED))
        elif parent is not None and mdev.type in parent.types:
            chosen = types.type_of(parent.name, parent.address)
            left.append(
                (mdev, Unused.FREE if mdev.type == chosen else Unused.STRAY)
            )
    return tuple(left)


def of_host(
    found: Collection[devices.ParentDevice],
    types: nova_types.NovaTypes,
    mdevs: Iterable[devices.Mdev],
    left: Leftovers,
) -> tuple[str, ...]:
    """Return what there is to say of nova.conf and mdevs, a line each."""
    return (
        *_about_types(types),
        *_about_addresses(types, found),
        *(mdev.fault for mdev in mdevs if mdev.fault),
        *_about_leftovers(left),
    )


def of_vendor_specific(addresses: Collection[str]) -> tuple[str, ...]:
    """Return what there is to say of vGPUs that are no mdevs.

    :param addresses: PCI addresses of functions that have them
    """
    if not addresses:
        return ()
    return (
        "NVIDIA's vendor-specific VFIO framework, which has no mdevs, is "
        f'in use on {nova_types.some(addresses)}. It is not covered here: '
        'Nova has such functions as PCI devices ([pci]device_spec), and '
        'nothing of them is published or compared',
    )


def of_parents(parents: Iterable[Parent]) -> tuple[str, ...]:
    """Return why parents have no target type, a line for each reason."""
    without: dict[str, list[str]] = {}
    for parent in parents:
        if parent.why_no_type:
            without.setdefault(parent.why_no_type, []).append(parent.name)
    return tuple(
        f'{nova_types.some(names)}: {why}' for why, names in without.items()
    )


def _about_types(types: nova_types.NovaTypes) -> Iterable[str]:
    for name in types.enabled:
        hint = ''
        if name.startswith(('[', '"', "'")) or name.endswith((']', '"', "'")):
            hint = 'the list has neither brackets nor quotes'
        elif '#' in name or ';' in name:
            hint = 'a comment stands on a line of its own'
        elif len(name.split()) > 1:
            hint = 'commas separate types'
        if hint:
            yield (
                f'nova.conf: [devices]enabled_mdev_types has {name!r}, '
                f'which Nova takes for the name of a type: {hint}'
            )


def _about_addresses(
    types: nova_types.NovaTypes, found: Collection[devices.ParentDevice]
) -> Iterable[str]:
    """Tell addresses that are of no device that can create mdevs."""
    here = {device.address or device.name for device in found}
    boards = {device.board for device in found}
    lost: dict[tuple[str, str], list[str]] = {}
    for address, mdev_type in types.by_address.items():
        if address in here:
            continue
        hint = ''
        if address.lower() in here:
            hint = '; Nova compares letter by letter: write small letters'
        elif address.lower() in boards:
            hint = (
                '; it is a physical function, and mdevs come from its '
                'virtual functions: name those'
            )
        lost.setdefault((mdev_type, hint), []).append(address)
    for (mdev_type, hint), addresses in lost.items():
        yield (
            f'nova.conf: [mdev_{mdev_type}]device_addresses: no device '
            'here that can create mdevs has the address '
            f'{nova_types.some(addresses)}{hint}'
        )


def _about_leftovers(left: Leftovers) -> Iterable[str]:
    for kind, (what, how) in _ABOUT.items():
        names = [
            f'{mdev.name} ({mdev.type} on {mdev.parent})'
            for mdev, found in left
            if found is kind
        ]
        if names:
            yield f'{what}: {nova_types.some(names)}. {how}'
