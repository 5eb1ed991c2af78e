# SPDX-License-Identifier: Apache-2.0
"""What the commands ask of Nova, through openstacksdk.

Its errors pass through; client.failure describes them.
"""

from collections.abc import Iterable
from typing import Any

from openstack import exceptions as sdk_exceptions

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.fleet import inventory

#: What Nova says of a server while its mdevs are on two hosts.
_MOVING = 'migrating'
#: Of migrations that may still have allocations: all but those that Nova
#: itself takes for ended (``migration_get_in_progress_by_host_and_node`` in
#: ``nova/db/main/api.py``). "finished" is a resize that waits for its
#: confirmation.
_UNDER_WAY = (
    'accepted',
    'queued',
    'preparing',
    'pre-migrating',
    'running',
    'migrating',
    'post-migrating',
    'finished',
    'confirming',
    'reverting',
)


def server(compute: Any, name_or_id: str) -> Any:
    """Return a server of any project, which stays where it is meanwhile.

    :raises exceptions.Failure: it is being moved, or Nova does not say
        where it is
    """
    found = compute.find_server(
        name_or_id, ignore_missing=False, all_projects=True
    )
    if found.task_state == _MOVING:
        raise exceptions.Failure(
            f'server {found.name} is being moved: ask again when it is not'
        )
    if not found.hypervisor_hostname:
        raise exceptions.Failure(
            f'Nova does not say on which host server {found.name} is: it is '
            "on none, or your user needs the role that the service's policy "
            'asks for (admin)'
        )
    return found


def unavailable(compute: Any) -> dict[str, str]:
    """Return why hosts take no instance now: one request a thousand hosts.

    :returns: a clause after "accepts, but", by the UUID of the root provider
    """
    found = {}
    for item in compute.hypervisors():
        if item.status != 'enabled':
            found[item.id] = 'its nova-compute is disabled'
        elif item.state != 'up':
            found[item.id] = 'its nova-compute is down'
    return found


def moving(compute: Any) -> dict[str, str]:
    """Return which servers are being moved, in one request for each status.

    :returns: UUIDs of servers by those of their migrations
    """

    def ask(status: str) -> list[Any]:
        return list(compute.migrations(status=status))

    return {
        item.uuid: item.server_id
        for some in inventory.map_concurrently(ask, _UNDER_WAY, iter)
        for item in some
    }


def servers(
    compute: Any, uuids: Iterable[str], progress: inventory.Progress = iter
) -> dict[str, Any]:
    """Return servers by UUID: a request each.

    Those that Nova does not know are left out.
    """

    def ask(uuid: str) -> tuple[str, Any]:
        try:
            return uuid, compute.get_server(uuid)
        except sdk_exceptions.NotFoundException:
            return uuid, None

    found = inventory.map_concurrently(
        ask, list(dict.fromkeys(uuids)), progress
    )
    return {uuid: server for uuid, server in found if server is not None}
