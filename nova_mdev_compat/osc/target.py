# SPDX-License-Identifier: Apache-2.0
"""openstack mdev target list."""

import argparse
from typing import Any

from osc_lib.cli import format_columns

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import matching
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import survey
from nova_mdev_compat.fleet import targets
from nova_mdev_compat.osc import command
from nova_mdev_compat.osc import nova

COLUMNS = ('Host', 'Verdict', 'Devices', 'Because')


class ListTarget(command.Lister):
    """List where a server with mdevs could live-migrate to, and why not.

    A host is "compatible" if it could take the server now, on the devices
    listed; "unavailable" if it accepts the server's mdevs, but cannot take it
    now; "unknown" if data is missing, which the filter refuses by default;
    and "incompatible" if it does not accept them. The reasons are those in
    the scheduler's log. Other filters of the scheduler may refuse a host that
    is compatible here, and a live migration stays in its cell.

    Placement is asked eleven times, and once for each distinct reason why
    something that is published refuses the server, however many hosts there
    are; Nova is asked once for a thousand hosts. The exit status is 0 if a
    host could take the server now, and 1 if none could.

    Example: openstack mdev target list my-server --sort-column Host
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'server', metavar='<server>', help='The server, by name or ID.'
        )
        parser.add_argument(
            '--all', action='store_true', help='List hosts without mdevs, too.'
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> command.Table:
        server = nova.server(self.compute, parsed_args.server)
        instance, room = instances.read_one(
            self.placement, server.id, server.hypervisor_hostname
        )
        found = targets.find(
            survey.ask(
                self.placement,
                _needs(server, instance),
                room,
                common.progress,
            ),
            nova.unavailable(self.compute),
            instance.host.uuid,
        )
        with_mdevs = [
            target
            for target in found
            if target.standing is not targets.Standing.WITHOUT
        ]
        good = sum(
            target.standing is targets.Standing.COMPATIBLE for target in found
        )
        self.exit_status = 0 if good else 1
        self.say(
            f'live migration of {instance}: {good} of {len(with_mdevs)} '
            'hosts with mdevs could take it now'
        )
        return COLUMNS, [
            (
                target.host,
                target.standing.value,
                format_columns.ListColumn(list(target.devices)),
                '; '.join(target.because),
            )
            for target in (found if parsed_args.all else with_mdevs)
        ]


def _needs(server: Any, instance: instances.Instance) -> acceptance.Needs:
    """Return what a server needs on another host.

    :raises exceptions.Failure: it has no mdevs, or a source is not known
    """
    if not instance.mdevs:
        raise exceptions.BadInput(
            f'server {server.name} has no mdevs: it takes nothing from a '
            'device that can create them, and may go to any host'
        )
    if instance.needs is None:
        names = ', '.join(
            parent.name
            for parent, _, _ in instance.mdevs
            if not parent.identities
        )
        raise exceptions.Failure(
            matching.no_identity(
                f'the source, {instance.host.name} {names},',
                instance.host.schemas,
            )
        )
    return instance.needs
