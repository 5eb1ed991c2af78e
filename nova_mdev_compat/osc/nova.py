# SPDX-License-Identifier: Apache-2.0
"""The questions to Nova, through openstacksdk.

Its errors are raised as they are; client.failure describes them.
"""

import collections
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from openstack import exceptions as sdk_exceptions

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import inventory

#: The task state of a server while its mdevs are on two hosts.
_MOVING = 'migrating'
#: Statuses of migrations that may still have allocations: all but those that
#: Nova excludes in ``migration_get_in_progress_by_host_and_node``
#: (``nova/db/main/api.py``). "finished" is a resize that waits for its
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
    """Return a server of any project.

    :raises exceptions.Failure: it is being moved, or Nova does not show its
        host
    """
    found = compute.find_server(
        name_or_id, ignore_missing=False, all_projects=True
    )
    if found.task_state == _MOVING:
        raise exceptions.Failure(
            f'server {found.name} is being moved: try again afterwards'
        )
    if not found.hypervisor_hostname:
        raise exceptions.Failure(
            f'Nova does not show the host of server {found.name}: it has '
            "none, or your user needs the role that the service's policy "
            'asks for (admin)'
        )
    return found


def unavailable(compute: Any) -> dict[str, str]:
    """Return why hosts cannot take any instance now.

    A request for each thousand hosts.

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
    """Return the servers that are being moved: a request for each status.

    :returns: UUIDs of servers by those of their migrations
    """

    def ask(status: str) -> list[Any]:
        return list(compute.migrations(status=status))

    return {
        item.uuid: item.server_id
        for some in inventory.map_concurrently(ask, _UNDER_WAY)
        for item in some
    }


def servers(
    compute: Any, uuids: Iterable[str], progress: inventory.Progress = iter
) -> dict[str, Any]:
    """Return servers by UUID, without those that Nova does not know.

    A request for each.
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


def known(
    some: Sequence[instances.Instance], found: Mapping[str, Any]
) -> list[instances.Instance]:
    """Return the instances that Nova knows, each once.

    After an evacuation, a server also has allocations on its old host.

    :param found: servers by UUID
    """
    times = collections.Counter(one.uuid for one in some)
    return [
        one
        for one in some
        if one.uuid in found
        and (
            times[one.uuid] == 1
            or one.host.name == found[one.uuid].hypervisor_hostname
        )
    ]
