# SPDX-License-Identifier: Apache-2.0
"""What Nova knows of a request: whether it is a live migration of mdevs."""

from collections.abc import Collection
import dataclasses
from typing import Any

from nova.compute import pci_placement_translator
from nova import context as nova_context
from nova import objects
from nova.scheduler.client import report

from nova_mdev_compat.placement import client


def send(method: str, url: str, body: Any) -> client.Response:
    # The filter only reads, with the scheduler's own client.
    response: client.Response = report.report_client_singleton().get(
        url, version=client.MICROVERSION
    )
    return response


@dataclasses.dataclass(frozen=True)
class PciAlias:
    """A request for PCI devices that a flavor makes, maybe for vGPUs.

    :ivar name: of the alias
    :ivar resource_class: which Nova allocates, where it reports PCI devices
    :ivar live_migratable: Nova migrates such devices
    :ivar count: how many; 0 for an alternative of another one
    """

    name: str
    resource_class: str
    live_migratable: bool
    count: int


def pci_aliases(spec_obj: Any) -> tuple[PciAlias, ...]:
    """Return the aliases of a request that may be for virtual functions.

    Devices of Neutron ports have no alias. Nova before 31 has no
    ``live_migratable`` and migrates none of them.
    """
    # Nova's own PciPassthroughFilter reads it likewise. The operator "in" of
    # Nova's objects is slow, and this runs for each request of the cloud.
    requests = spec_obj.pci_requests
    if not requests or not requests.requests:
        return ()
    return tuple(
        PciAlias(
            request.alias_name,
            pci_placement_translator.get_resource_class(
                spec.get('resource_class'),
                spec.get('vendor_id'),
                spec.get('product_id'),
            ),
            request.is_live_migratable(),
            # Several specs of a request are alternatives.
            0 if index else request.count,
        )
        for request in requests.requests
        if request.alias_name is not None
        and hasattr(request, 'is_live_migratable')
        for index, spec in enumerate(request.spec)
        # A whole device has no parent.
        if spec.get('dev_type') not in ('type-PCI', 'type-PF')
    )


def may_be_live_migration(
    hosts: list[Any],
    spec_obj: Any,
    classes: frozenset[str],
    aliases: Collection[PciAlias] = (),
) -> bool:
    """Return whether this may be a live migration of vGPUs, without I/O.

    All candidates of a request ask for the same resource classes, so the
    first one is enough. A live migration stays in its cell and ignores at
    least the source (``LiveMigrationTask._find_destination``).
    """
    if not aliases and not candidates_have(hosts, classes):
        return False
    return bool(_cell(spec_obj)) and bool(
        'ignore_hosts' in spec_obj and spec_obj.ignore_hosts
    )


def candidates_have(hosts: list[Any], classes: frozenset[str]) -> bool:
    """Return whether the candidates of hosts have one of these classes."""
    for host in hosts:
        if host.allocation_candidates:
            first = host.allocation_candidates[0]
            return any(
                not classes.isdisjoint(item['resources'])
                for item in first['allocations'].values()
            )
    return False


def _cell(spec_obj: Any) -> Any:
    # None if it is not set.
    destination = spec_obj.requested_destination
    if not destination or 'cell' not in destination:
        return None
    return destination.cell


def live_migrations(spec_obj: Any) -> list[str]:
    """Return the UUIDs of the instance's accepted live migrations.

    A request does not say what it is for. But the conductor creates a record
    with this status before it asks for a host, and the record keeps the
    status until it has one (``LiveMigrationTask``). The newest comes first.
    """
    return _migrations(
        spec_obj, {'migration_type': 'live-migration', 'status': 'accepted'}
    )


def newest_migration(spec_obj: Any) -> str | None:
    """Return the UUID of the instance's newest migration of any kind."""
    return next(iter(_migrations(spec_obj, {}, limit=1)), None)


def _migrations(
    spec_obj: Any, filters_: dict[str, str], limit: int | None = None
) -> list[str]:
    """Return the UUIDs of the instance's migrations, the newest first.

    They are sorted by id, which the cell's database increments; created_at
    is the clock of some conductor. The request's own context keeps the
    request ID in the log: target_cell() makes its context the thread's.
    """
    with nova_context.target_cell(
        spec_obj._context, _cell(spec_obj)
    ) as context:
        found = objects.MigrationList.get_by_filters(
            context,
            {'instance_uuid': spec_obj.instance_uuid, **filters_},
            sort_keys=['id'],
            sort_dirs=['desc'],
            limit=limit,
        )
    return [str(migration.uuid) for migration in found]
