# SPDX-License-Identifier: Apache-2.0
"""openstack mdev stranded instance list."""

import argparse

from osc_lib.cli import format_columns

from nova_mdev_compat.cli import common
from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.fleet import stranded
from nova_mdev_compat.osc import command
from nova_mdev_compat.osc import nova

COLUMNS = ('ID', 'Name', 'Host', 'Devices', 'With Capacity', 'Because')


class ListStranded(command.Lister):
    """List instances with vGPUs that no other host could take now.

    With Capacity
        Hosts that could take the instance if they had free capacity and ran
        nova-compute. It is empty if no host accepts the instance.
    Because
        Why no other host takes it, and on how many hosts.

    Only vGPUs are checked: a host without enough memory counts as able to take
    them ("openstack mdev target list" checks that). An instance that is being
    moved counts once, on its new host.

    Placement is asked once for each device and for each distinct trait of
    ours.

    The exit status is 0; with --exit-code it is 1 if an instance is stranded.

    Example::

        openstack mdev stranded instance list --host gpu-1
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        command.add_host(parser)
        parser.add_argument(
            '--exit-code',
            action='store_true',
            help='End with 1 if an instance is stranded.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> command.Table:
        progress = common.progress
        cloud = inventory.read(self.placement, progress)
        some = instances.read(
            self.placement,
            command.on_hosts(cloud, parsed_args.host),
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
        there = {
            (one.uuid, one.host.uuid)
            for one in nova.known([one.instance for one in found], servers)
        }
        known = [
            one
            for one in found
            if (one.instance.uuid, one.instance.host.uuid) in there
        ]
        what = command.devices(some)
        self.say(
            f'{len(known)} of {len({one.uuid for one in some})} instances '
            f'with {what} could go to no other host now'
        )
        if left_out := len(found) - len(known):
            self.say(command.orphaned(left_out, what))
        if known and parsed_args.exit_code:
            self.exit_status = 1
        return COLUMNS, [
            (
                one.instance.uuid,
                servers[one.instance.uuid].name,
                one.instance.host.name,
                format_columns.ListColumn(
                    [parent.name for parent, _, _ in one.instance.mdevs]
                ),
                format_columns.ListColumn(list(one.accepting)),
                one.because,
            )
            for one in known
        ]
