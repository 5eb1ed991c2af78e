# SPDX-License-Identifier: Apache-2.0
"""openstack mdev target list."""

import argparse
from collections.abc import Sequence
from typing import Any

from osc_lib.cli import format_columns

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import traits
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
    listed; "unavailable" if it accepts its mdevs, but cannot take it now;
    "unknown" if data is missing, which the filter refuses by default; and
    "incompatible" if nothing that it declares accepts them. The reasons are
    those in the scheduler's log. Other filters of the scheduler may refuse a
    host that is compatible here, and a live migration stays in its cell.

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

    def take_action(
        self,
        parsed_args: argparse.Namespace,
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        server = nova.server(self.compute, parsed_args.server)
        instance, room = instances.read_one(
            self.placement, server.id, server.hypervisor_hostname
        )
        wanted = _wanted(server, instance)
        found = targets.find(
            survey.ask(self.placement, wanted, room, common.progress),
            wanted,
            room,
            nova.unavailable(self.compute),
            instance.host.uuid,
        )
        return COLUMNS, self._told(parsed_args.all, instance, found)

    def _told(
        self,
        everything: bool,
        instance: instances.Instance,
        found: Sequence[targets.TargetHost],
    ) -> list[tuple[Any, ...]]:
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
        return [
            (
                target.host,
                target.standing.value,
                format_columns.ListColumn(list(target.devices)),
                '; '.join(target.because),
            )
            for target in (found if everything else with_mdevs)
        ]


def _wanted(server: Any, instance: instances.Instance) -> acceptance.Needs:
    if not instance.mdevs:
        raise exceptions.BadInput(
            f'server {server.name} has no mdevs: it takes nothing from a '
            'device that can create them, and may go to any host'
        )
    if instance.needs is None:
        unknown = [
            parent for parent, _, _ in instance.mdevs if not parent.identities
        ]
        names = ', '.join(parent.name for parent in unknown)
        raise exceptions.Failure(
            matching.no_identity(
                f'the source, {instance.host.name} {names},',
                traits.other_schemas(
                    {
                        name
                        for parent in unknown
                        for name in parent.traits.unreadable
                    }
                ),
            )
        )
    return instance.needs
