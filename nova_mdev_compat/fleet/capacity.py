# SPDX-License-Identifier: Apache-2.0
"""How much parents have, and have to spare."""

from collections.abc import Iterable, Sequence

from nova_mdev_compat.fleet import concurrency
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.fleet import model
from nova_mdev_compat.placement import client


def read(
    placement: client.Placement,
    parents: Sequence[model.Parent],
    progress: inventory.Progress = iter,
) -> dict[str, client.Capacity]:
    """Return the capacity of parents by UUID: two requests each.

    :raises placement.PlacementError: Placement does not answer, or refuses
    """

    def ask(parent: model.Parent) -> tuple[str, client.Capacity]:
        return parent.uuid, _capacity(placement, parent)

    return dict(concurrency.several(ask, parents, progress))


def _capacity(
    placement: client.Placement, parent: model.Parent
) -> client.Capacity:
    try:
        found = placement.capacity(parent.uuid).values()
    except client.NotFound:
        return client.Capacity(0, 0)  # nova-compute has deleted it since
    # All of it is of one class, but for the moment when that changes.
    return client.Capacity(
        sum(one.used for one in found), sum(one.total for one in found)
    )


def free(
    placement: client.Placement,
    amounts: Iterable[tuple[str, int]],
    progress: inventory.Progress = iter,
) -> dict[str, dict[str, int]]:
    """Return how much parents have to spare: a request for each amount.

    :param amounts: resource classes and amounts that matter
    :returns: the largest of these, by parent's UUID, by resource class
    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    found: dict[str, dict[str, int]] = {}
    for resource_class, amount in progress(sorted(amounts)):
        query = f'{inventory.PARENTS}&resources={resource_class}:{amount}'
        found.setdefault(resource_class, {}).update(
            (uuid, amount) for uuid, _ in placement.lineage_at(query)
        )
    return found
