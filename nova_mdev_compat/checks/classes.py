# SPDX-License-Identifier: Apache-2.0
"""Does the filter look at all resource classes that devices have?"""

from collections.abc import Collection, Iterable

from nova_mdev_compat.checks import words
from nova_mdev_compat.fleet import concurrency
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.fleet import model
from nova_mdev_compat.placement import client

OPTION = '[mdev_compat]resource_classes'


def in_use(placement: client.Placement, cloud: model.Cloud) -> set[str]:
    """Return the resource classes of managed parents.

    A request for each class finds the parents with some to spare; only the
    others, which are full or gone, are asked one by one.

    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    left = {
        parent.uuid for _, parent in cloud.parents() if parent.said.managed
    }
    used = set()
    for name in candidates(placement.resource_classes()) if left else ():
        with_some = {
            uuid
            for uuid, _ in placement.lineage_at(
                f'{inventory.PARENTS}&resources={name}:1'
            )
        }
        if with_some:
            used.add(name)
        left -= with_some
    for names in concurrency.several(
        lambda uuid: _classes_of(placement, uuid), sorted(left), iter
    ):
        used |= names
    return used


def candidates(names: Iterable[str]) -> list[str]:
    """Return the resource classes that mdevs can have.

    What ``[mdev_<type>]mdev_class`` can be (``nova/conf/devices.py``).
    """
    return sorted(
        name for name in names if name == 'VGPU' or name.startswith('CUSTOM_')
    )


def _classes_of(placement: client.Placement, uuid: str) -> frozenset[str]:
    try:
        return placement.provider_classes(uuid)
    except client.NotFound:
        return frozenset()  # nova-compute has deleted it since


def compare(used: Collection[str], option: Iterable[str]) -> words.Finding:
    """Return whether the option names all that is used."""
    known = set(option)
    missing = set(used) - known
    if missing:
        return words.failure(
            f'{OPTION} lacks {words.some(missing)}: instances with these '
            'pass the filter unseen; add them in nova.conf of every '
            'nova-scheduler'
        )
    if not used:
        return words.warning(
            f'nobody can say whether {OPTION} is right: no device of which a '
            'collector has published has an inventory'
        )
    unused = known - set(used)
    return words.success(
        f'no device has {words.some(unused)} of {OPTION}' if unused else None
    )
