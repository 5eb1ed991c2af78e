# SPDX-License-Identifier: Apache-2.0
"""How much parents have, and have to spare."""

from collections.abc import Iterable, Sequence

from nova_mdev_compat.cloud import concurrency
from nova_mdev_compat.cloud import model
from nova_mdev_compat.cloud import reading
from nova_mdev_compat import placement as pl


def read(placement: pl.Placement, parents: Sequence[model.Parent],
         progress: reading.Progress = iter) -> dict[str, pl.Capacity]:
    """Return the capacity of parents by UUID: two requests each.

    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    def ask(parent: model.Parent) -> tuple[str, pl.Capacity]:
        return parent.uuid, _capacity(placement, parent)

    return dict(concurrency.several(ask, parents, progress))


def _capacity(placement: pl.Placement, parent: model.Parent) -> pl.Capacity:
    try:
        found = placement.capacity(parent.uuid).values()
    except pl.NotFound:
        return pl.Capacity(0, 0)  # nova-compute has deleted it since
    # All of it is of one class, but for the moment when that changes.
    return pl.Capacity(sum(one.used for one in found),
                       sum(one.total for one in found))


def free(placement: pl.Placement, amounts: Iterable[tuple[str, int]],
         progress: reading.Progress = iter) -> dict[str, dict[str, int]]:
    """Return how much parents have to spare: a request for each amount.

    :param amounts: resource classes and amounts that matter
    :returns: the largest of these, by parent's UUID, by resource class
    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    found: dict[str, dict[str, int]] = {}
    for resource_class, amount in progress(sorted(amounts)):
        query = f'{reading.PARENTS}&resources={resource_class}:{amount}'
        found.setdefault(resource_class, {}).update(
            (uuid, amount) for uuid, _ in placement.lineage_at(query))
    return found
