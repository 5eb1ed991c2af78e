# SPDX-License-Identifier: Apache-2.0
"""openstack mdev target list."""

import argparse
from collections.abc import Sequence
from typing import Any

from osc_lib.cli import format_columns

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import text
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import survey
from nova_mdev_compat.fleet import targets
from nova_mdev_compat.osc import command
from nova_mdev_compat.osc import nova

COLUMNS = ('Host', 'Verdict', 'Devices', 'Because')


class ListTarget(command.Lister):
    """List where a server with vGPUs could live-migrate to, and why not.

    The verdict on a host is one of these:

    compatible
        It could take the server now, on the devices listed.
    unavailable
        It accepts the server's vGPUs, but cannot take it now.
    unknown
        Data is missing. The filter refuses such a host by default.
    incompatible
        It does not accept the server's vGPUs.

    The reasons are those in the scheduler's log. Other filters of the
    scheduler may refuse a host that is compatible here, and a live migration
    stays in its cell.

    For virtual functions the answer is the one with
    [filter_scheduler]pci_in_placement. A line on stderr names each host that
    is refused without it.

    Placement is asked eleven times, or thirteen times for a server with a
    virtual function, and once for each distinct reason why something that is
    published refuses the server, however many hosts there are; Nova is asked
    once for a thousand hosts.

    The exit status is 0 if a host could take the server now, and 1 if none
    could.

    Example::

        openstack mdev target list my-server --sort-column Host
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'server', metavar='<server>', help='The server, by name or ID.'
        )
        parser.add_argument(
            '--all', action='store_true', help='List hosts without vGPUs, too.'
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
        with_vgpus = [
            target
            for target in found
            if target.standing is not targets.Standing.WITHOUT
        ]
        good = [
            target
            for target in found
            if target.standing is targets.Standing.COMPATIBLE
        ]
        self.exit_status = 0 if good else 1
        self.say(
            f'live migration of {instance}: {len(good)} of {len(with_vgpus)} '
            f'hosts with {command.devices([instance])} could take it now'
        )
        self._warn(instance, good)
        return COLUMNS, [
            (
                target.host,
                target.standing.value,
                format_columns.ListColumn(list(target.devices)),
                '; '.join(target.because),
            )
            for target in (found if parsed_args.all else with_vgpus)
        ]

    def _warn(
        self, instance: instances.Instance, good: Sequence[targets.TargetHost]
    ) -> None:
        if instance.unpublished:
            self.say(
                'not checked, because no collector has published there: PCI '
                f'devices of {text.join(instance.unpublished)}'
            )
        for target in good:
            if target.refusing:
                self.say(
                    f'only with [filter_scheduler]pci_in_placement: '
                    f'{target.host}, where {text.join(target.refusing)} does '
                    'not accept'
                )


def _needs(server: Any, instance: instances.Instance) -> acceptance.Needs:
    """Return what a server needs on another host.

    :raises exceptions.Failure: it has no vGPUs, or a source is not known
    """
    if instance.unpublished and not instance.mdevs:
        raise exceptions.Failure(
            f'no collector has published for the PCI devices of server '
            f'{server.name}, {text.join(instance.unpublished)}: if these are '
            'vGPUs, start nova-mdev-collector on its host, and see its log'
        )
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
