# SPDX-License-Identifier: Apache-2.0
"""Who has mdevs of a cloud's parents, and which parents have some to spare.

There is no request for what many consumers have, so each parent is asked;
several at a time.
"""

from collections.abc import Iterable, Sequence
from concurrent import futures
import dataclasses

from nova_mdev_compat.cloud import model
from nova_mdev_compat.cloud import reading
from nova_mdev_compat import placement as pl

#: Requests that are under way at a time.
AT_A_TIME = 8

#: A parent, and what its consumers have from it by resource class.
Found = tuple[model.Host, model.Parent, dict[str, dict[str, int]]]


@dataclasses.dataclass(frozen=True)
class Instance:
    """A consumer of mdevs: an instance, or while it is moved its migration.

    :ivar uuid: of the consumer
    :ivar host: where its mdevs are
    :ivar mdevs: resource class and amount from each parent
    """

    uuid: str
    host: model.Host
    mdevs: tuple[tuple[model.Parent, str, int], ...]


def read(placement: pl.Placement,
         parents: Sequence[tuple[model.Host, model.Parent]],
         progress: reading.Progress = iter) -> tuple[Instance, ...]:
    """Return who has mdevs of these parents, by UUID; a request each.

    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    def ask(pair: tuple[model.Host, model.Parent]) -> Found:
        return *pair, _consumers(placement, pair[1])

    with futures.ThreadPoolExecutor(AT_A_TIME) as executor:
        pending = [executor.submit(ask, pair) for pair in parents]
        try:
            return assemble(one.result() for one in progress(pending))
        finally:
            # After an error nobody wants the other answers.
            executor.shutdown(cancel_futures=True)


def _consumers(placement: pl.Placement,
               parent: model.Parent) -> dict[str, dict[str, int]]:
    try:
        return placement.consumers(parent.uuid)
    except pl.NotFound:
        return {}  # nova-compute has deleted it since, with its capacity


def assemble(found: Iterable[Found]) -> tuple[Instance, ...]:
    """Return the instances that the consumers of parents are."""
    mdevs: dict[tuple[str, str], list[tuple[model.Parent, str, int]]] = {}
    hosts = {}
    for host, parent, consumers in found:
        hosts[host.uuid] = host
        for uuid, resources in consumers.items():
            # An evacuation leaves some on another host.
            mdevs.setdefault((uuid, host.uuid), []).extend(
                (parent, name, amount)
                for name, amount in sorted(resources.items()))
    return tuple(Instance(uuid, hosts[root], tuple(held))
                 for (uuid, root), held in sorted(mdevs.items()))
