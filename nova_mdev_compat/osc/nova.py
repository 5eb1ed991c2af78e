# SPDX-License-Identifier: Apache-2.0
"""What the commands ask of Nova, through openstacksdk.

Its errors pass through: errors.py says what they mean.
"""

from collections.abc import Iterable
from typing import Any

from openstack import exceptions as sdk_exceptions

from nova_mdev_compat.cloud import concurrency
from nova_mdev_compat.cloud import reading
from nova_mdev_compat import exceptions

#: What Nova says of a server while its mdevs are on two hosts.
_MOVING = 'migrating'


def server(compute: Any, name_or_id: str) -> Any:
    """Return a server of any project, which stays where it is meanwhile.

    :raises exceptions.Failure: it is being moved, or Nova does not say
        where it is
    """
    found = compute.find_server(name_or_id, ignore_missing=False,
                                all_projects=True)
    if found.task_state == _MOVING:
        raise exceptions.Failure(
            f'server {found.name} is being moved: ask again when it is not')
    if not found.hypervisor_hostname:
        raise exceptions.Failure(
            f'Nova does not say on which host server {found.name} is: it is '
            'on none, or your user needs the role that the service\'s policy '
            'asks for (admin)')
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


def names(compute: Any, uuids: Iterable[str],
          progress: reading.Progress = iter) -> dict[str, str]:
    """Return the names of servers by UUID: a request each.

    Those that Nova does not know are left out.
    """
    def ask(uuid: str) -> tuple[str, str | None]:
        try:
            return uuid, compute.get_server(uuid).name
        except sdk_exceptions.NotFoundException:
            return uuid, None

    found = concurrency.several(ask, list(uuids), progress)
    return {uuid: name for uuid, name in found if name is not None}
