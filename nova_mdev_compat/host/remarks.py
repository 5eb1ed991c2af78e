# SPDX-License-Identifier: Apache-2.0
"""Remarks for the operator of a host on which nothing has failed. Pure.

They are about options in nova.conf without effect and unused mdevs. Nova
accepts both without a message, but hardly any operator wants them.
"""

from collections.abc import Collection, Iterable
import enum

from nova_mdev_compat.core import text
from nova_mdev_compat.host import nova_types
from nova_mdev_compat.host.parents import Mdev
from nova_mdev_compat.host.parents import MdevParent
from nova_mdev_compat.host.parents import ParentDevice


class Unused(enum.Enum):
    """The state of an mdev that no domain has."""

    FREE = 'free'
    STRAY = 'stray'
    INACTIVE = 'inactive'
    ORPHANED = 'orphaned'


#: What such mdevs are, and what to do about them; see virsh(1).
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
Leftovers = tuple[tuple[Mdev, Unused], ...]


def leftovers(
    mdevs: Collection[Mdev],
    used: Collection[str],
    kept: Collection[str],
    found: Iterable[ParentDevice],
    odd: Collection[str],
    types: nova_types.NovaTypes,
) -> Leftovers:
    """Return the mdevs of a host that no domain has.

    Active mdevs are left out if it is not known what Nova does with them, so
    that nobody removes them.

    :param used: UUIDs of the mdevs of domains that run
    :param kept: UUIDs of the mdevs of domains that do not run: an instance
        that is shut off keeps its mdevs
    :param odd: libvirt's names of parents whose description cannot be used
    """
    parents = {device.name: device for device in found}
    active = {mdev.uuid for mdev in mdevs if mdev.active}
    left = []
    for mdev in sorted(mdevs, key=lambda one: one.name):
        # An inactive mdev is unused if an active one has the same UUID.
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
    found: Collection[ParentDevice],
    types: nova_types.NovaTypes,
    mdevs: Iterable[Mdev],
    left: Leftovers,
) -> tuple[str, ...]:
    """Return remarks on nova.conf and mdevs, a line each."""
    return (
        *_about_types(types),
        *_about_addresses(types, found),
        *(mdev.fault for mdev in mdevs if mdev.fault),
        *_about_leftovers(left),
    )


def of_vendor_specific(addresses: Collection[str]) -> tuple[str, ...]:
    """Return remarks on vGPUs that are not mdevs.

    :param addresses: PCI addresses of functions that have them
    """
    if not addresses:
        return ()
    return (
        "NVIDIA's vendor-specific VFIO framework, which has no mdevs, is "
        f'in use on {text.join(addresses)}. It is not covered: Nova has '
        'such functions as PCI devices ([pci]device_spec), and nothing is '
        'published or compared for them',
    )


def of_parents(parents: Iterable[MdevParent]) -> tuple[str, ...]:
    """Return why parents have no target type, one line a reason."""
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
                f'which Nova takes for the name of a type: {hint}'
            )


def _about_addresses(
    types: nova_types.NovaTypes, found: Collection[ParentDevice]
) -> Iterable[str]:
    """Return remarks on addresses without a device that can create mdevs."""
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
                '; it is a physical function, and mdevs are on its virtual '
                'functions: name those'
            )
        lost.setdefault((mdev_type, hint), []).append(address)
    for (mdev_type, hint), addresses in lost.items():
        yield (
            f'nova.conf: [mdev_{mdev_type}]device_addresses: no device '
            'here that can create mdevs has the address '
            f'{text.join(addresses)}{hint}'
        )


def _about_leftovers(left: Leftovers) -> Iterable[str]:
    for kind, (what, how) in _ABOUT.items():
        names = [
            f'{mdev.name} ({mdev.type} on {mdev.parent})'
            for mdev, found in left
            if found is kind
        ]
        if names:
            yield f'{what}: {text.join(names)}. {how}'
