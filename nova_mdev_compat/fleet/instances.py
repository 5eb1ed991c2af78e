# SPDX-License-Identifier: Apache-2.0
"""The instances that have vGPUs, and the parents of these."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import functools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.fleet import model
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import providers

#: A parent, and what each consumer has from it, by resource class.
Consumers = tuple[model.Host, model.Parent, dict[str, dict[str, int]]]


@dataclasses.dataclass(frozen=True)
class Instance:
    """A consumer of vGPUs: mdevs, or virtual functions.

    :ivar uuid: of the instance; of the consumer if Nova does not know it
    :ivar host: where these are; while it is moved, where they will be,
        as soon as that is known
    :ivar mdevs: resource class and amount from each parent
    :ivar unpublished: names of Nova's providers of its other PCI devices:
        whole ones, and functions that no collector has published; only of
        read_one
    """

    uuid: str
    host: model.Host
    mdevs: tuple[tuple[model.Parent, str, int], ...]
    unpublished: tuple[str, ...] = ()

    @functools.cached_property
    def needs(self) -> acceptance.Needs | None:
        """What it needs on another host, None if a source is not known."""
        if not all(parent.identities for parent, _, _ in self.mdevs):
            return None
        return acceptance.needs(
            (parent.identities, resource_class, amount)
            for parent, resource_class, amount in self.mdevs
        )

    def __str__(self) -> str:
        devices = matching.describe(
            parent.identities for parent, _, _ in self.mdevs
        )
        return f'instance {self.uuid} on {self.host.name} from {devices}'


def read(
    placement: client.Placement,
    parents: Sequence[tuple[model.Host, model.Parent]],
    moving: Mapping[str, str],
    progress: inventory.Progress = iter,
) -> tuple[Instance, ...]:
    """Return the instances with vGPUs of parents: a request for each parent.

    While Nova moves an instance, the migration is the consumer of what it
    has on the source, and the instance, once the scheduler has chosen, of
    what it will have on the destination
    (``nova/conductor/tasks/migrate.py``). One more request for each.

    :param moving: instances' UUIDs by those of their migrations
    :raises placement.PlacementError: Placement does not answer, or refuses
    """

    def ask(pair: tuple[model.Host, model.Parent]) -> Consumers:
        try:
            return *pair, placement.consumers(pair[1].uuid)
        except client.NotFound:
            # nova-compute has deleted it since, with its capacity.
            return *pair, {}

    found = list(inventory.map_concurrently(ask, parents, progress))
    migrations = {
        uuid for *_, consumers in found for uuid in consumers if uuid in moving
    }
    return assemble(
        found,
        {
            uuid: None if placement.allocations(moving[uuid]) else moving[uuid]
            for uuid in sorted(migrations)
        },
    )


def read_one(
    placement: client.Placement, uuid: str, host: str
) -> tuple[Instance, dict[str, int]]:
    """Return an instance, and its allocations of its host's root provider.

    :param host: hypervisor hostname, which is the root provider's name
    :raises placement.PlacementError: Placement does not answer, or refuses
    :raises exceptions.Failure: it does not know the host
    """
    held = placement.allocations(uuid)
    root = next(
        (item for item in placement.providers(name=host) if item.is_root), None
    )
    if root is None:
        raise exceptions.Failure(
            f'Placement has no resource provider of the name {host}, the '
            f'hypervisor hostname of the host of {uuid}'
        )
    in_tree = placement.providers(in_tree=root.uuid)
    parents = [
        model.Parent(
            item.inventory_uuid,
            name,
            traits.describe(placement.provider_traits(item.uuid)[0]),
        )
        for item in in_tree
        if item.inventory_uuid in held
        and (name := providers.device_name(item.name, root.name))
    ]
    mdevs = tuple(
        (parent, resource_class, amount)
        for parent in parents
        for resource_class, amount in sorted(held[parent.uuid].items())
    )
    where = model.Host(
        root.uuid,
        host,
        any(parent.traits.managed for parent in parents),
        tuple(parents),
        tuple(
            traits.other_schemas(
                {name for one in parents for name in one.traits.unreadable}
            )
        ),
    )
    published = {parent.uuid for parent in parents}
    others = tuple(
        item.name
        for item in in_tree
        if item.uuid in held.keys() - published
        and providers.pci_address(item.name, root.name)
    )
    return Instance(uuid, where, mdevs, others), held.get(root.uuid, {})


def assemble(
    found: Iterable[Consumers],
    instance_of: Mapping[str, str | None],
) -> tuple[Instance, ...]:
    """Return the instances that consume vGPUs of parents.

    :param instance_of: instances' UUIDs by those of consumers that are not
        instances; None for a consumer to leave out
    """
    mdevs: dict[tuple[str, str], list[tuple[model.Parent, str, int]]] = {}
    hosts = {}
    for host, parent, consumers in found:
        hosts[host.uuid] = host
        for consumer, resources in consumers.items():
            uuid = instance_of.get(consumer, consumer)
            if uuid is not None:
                # After an evacuation, some are still on another host.
                mdevs.setdefault((uuid, host.uuid), []).extend(
                    (parent, name, amount)
                    for name, amount in sorted(resources.items())
                )
    return tuple(
        Instance(uuid, hosts[root], tuple(held))
        for (uuid, root), held in sorted(mdevs.items())
    )
