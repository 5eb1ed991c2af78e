# SPDX-License-Identifier: Apache-2.0
"""openstack mdev stranded list."""

import argparse
import collections
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from osc_lib.cli import format_columns

from nova_mdev_compat.cli import common
from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.fleet import stranded
from nova_mdev_compat.osc import command
from nova_mdev_compat.osc import nova
from nova_mdev_compat.osc import selection

COLUMNS = ('Server', 'Name', 'Host', 'Devices', 'With Capacity', 'Because')


class ListStranded(command.Lister):
    """List instances with mdevs that no other host could take now.

    "With Capacity" has the hosts that could, if they had free capacity and
    ran nova-compute; where it is empty, none accepts them. Only mdevs are
    looked at: a host without enough memory counts as able to take them
    ("openstack mdev target list" sees that). An instance that is being moved
    counts once, and where it goes.

    Placement is asked once for each device and for each distinct trait of
    ours. The exit status is 0; with --exit-code it is 1 if an instance is
    stranded.

    Example: openstack mdev stranded list --host gpu-1
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        selection.add_host(parser)
        parser.add_argument(
            '--exit-code',
            action='store_true',
            help='End with 1 if an instance is stranded.',
        )
        return parser

    def take_action(
        self,
        parsed_args: argparse.Namespace,
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        progress = common.progress
        cloud = inventory.read(self.placement, progress)
        some = instances.read(
            self.placement,
            selection.on_hosts(cloud, parsed_args.host),
            nova.moving(self.compute),
            progress,
        )
        found = stranded.find(
            cloud,
            some,
            inventory.free_capacity(
                self.placement, stranded.amounts(some), progress
            ),
            nova.unavailable(self.compute),
        )
        servers = nova.servers(
            self.compute, [one.instance.uuid for one in found], progress
        )
        known = list(_known(found, servers))
        self._say(some, found, known)
        if known and parsed_args.exit_code:
            self.exit_status = 1
        return COLUMNS, [
            _row(one, servers[one.instance.uuid].name) for one in known
        ]

    def _say(
        self,
        some: Sequence[instances.Instance],
        found: Sequence[stranded.Stranded],
        known: Sequence[stranded.Stranded],
    ) -> None:
        number = len({one.uuid for one in some})
        self.say(
            f'{len(known)} of {number} instances with mdevs could go to '
            'no other host now'
        )
        left_out = len(found) - len(known)
        if left_out:
            self.say(
                f'{left_out} more have mdevs, but Nova knows no such server '
                'there: allocations left behind ("nova-manage '
                'placement audit" finds these), or a migration that has just '
                'begun or ended'
            )


def _known(
    found: Sequence[stranded.Stranded],
    servers: Mapping[str, Any],
) -> Iterator[stranded.Stranded]:
    """Yield those that are servers, each once.

    An evacuation leaves allocations of the same server on another host.
    """
    times = collections.Counter(one.instance.uuid for one in found)
    for one in found:
        server = servers.get(one.instance.uuid)
        if server and (
            times[one.instance.uuid] == 1
            or one.instance.host.name == server.hypervisor_hostname
        ):
            yield one


def _row(one: stranded.Stranded, name: str) -> tuple[Any, ...]:
    return (
        one.instance.uuid,
        name,
        one.instance.host.name,
        format_columns.ListColumn(
            [parent.name for parent, _, _ in one.instance.mdevs]
        ),
        format_columns.ListColumn(list(one.accepting)),
        one.because,
    )
