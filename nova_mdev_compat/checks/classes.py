# SPDX-License-Identifier: Apache-2.0
"""Does the filter look at all resource classes that devices have?"""

from collections.abc import Collection, Iterable

from oslo_upgradecheck import upgradecheck

from nova_mdev_compat.checks import words
from nova_mdev_compat.cloud import concurrency
from nova_mdev_compat.cloud import model
from nova_mdev_compat.cloud import reading
from nova_mdev_compat import placement as pl

OPTION = '[mdev_compat]resource_classes'


def in_use(placement: pl.Placement, cloud: model.Cloud) -> set[str]:
    """Return the resource classes of managed parents.

    A request for each class that there is finds the parents with some to
    spare; only the others are asked one by one.

    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    left = {parent.uuid for host, parent in cloud.parents()
            if parent.said.managed}
    used = set()
    for name in sorted(placement.resource_classes()) if left else ():
        with_some = {uuid for uuid, _ in placement.lineage_at(
            f'{reading.PARENTS}&resources={name}:1')}
        if with_some:
            used.add(name)
        left -= with_some
    for names in concurrency.several(
            lambda uuid: _classes_of(placement, uuid), sorted(left), iter):
        used |= names
    return used


def _classes_of(placement: pl.Placement, uuid: str) -> set[str]:
    try:
        return set(placement.capacity(uuid))
    except pl.NotFound:
        return set()  # nova-compute has deleted it since


def compare(used: Collection[str],
            option: Iterable[str]) -> upgradecheck.Result:
    """Return whether the option names all that is used."""
    known = set(option)
    missing = set(used) - known
    if missing:
        return words.failure(
            f'{OPTION} lacks {words.some(missing)}: instances with these '
            'pass the filter unseen')
    unused = known - set(used)
    return words.success(
        f'no device has {words.some(unused)} of {OPTION}' if unused else None)
