# SPDX-License-Identifier: Apache-2.0
"""Base classes of the commands, and arguments that select devices."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any, cast

from osc_lib.command import command

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import model
from nova_mdev_compat.osc import client as osc_client
from nova_mdev_compat.placement import client

Parents = Sequence[tuple[model.Host, model.Parent]]
#: Column names, and rows.
Table = tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]


class Lister(common.SnakeCaseLister, command.Lister):
    """A command that lists rows, and reports an error in one line.

    Its exit status is ``exit_status``, which is 0 unless take_action changes
    it; 1 if a service fails or refuses; and 2 if an argument is wrong.
    """

    @property
    def placement(self) -> client.Placement:
        """Placement; each of its methods raises placement.PlacementError."""
        return self._client.placement

    @property
    def compute(self) -> Any:
        """Nova, as openstacksdk's proxy; run describes its errors."""
        return self._client.compute

    @property
    def cloud_name(self) -> str:
        """Names of the cloud, without credentials."""
        return self._client.name

    @property
    def _client(self) -> osc_client.Client:
        app = cast(Any, self.app)
        return cast(osc_client.Client, app.client_manager.mdev)

    def failure(self, exc: Exception) -> exceptions.Failure | None:
        return osc_client.failure(exc)

    def complain(self, failure: exceptions.Failure) -> None:
        # As openstackclient logs its own errors, for --log-file and --debug.
        log = self.app.LOG
        (log.exception if self.app.options.debug else log.error)(failure)


def add_host(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--host',
        metavar='<host>',
        action='append',
        default=[],
        help='Only this host, by its hypervisor hostname. Can be given '
        'several times.',
    )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that select reads."""
    add_host(parser)
    parser.add_argument(
        '--type',
        metavar='<type>',
        help='Only devices that serve this type, or have it in use: '
        'nvidia-558.',
    )
    parser.add_argument(
        '--vendor',
        metavar='<vendor>',
        help='Only devices of this vendor: its PCI id, 10de, or the name of '
        'the subsystem where there is none, mtty.',
    )


def devices(some: Iterable[instances.Instance]) -> str:
    """Return what instances have: mdevs, or vGPUs of either framework."""
    frameworks = {
        parent.framework for one in some for parent, _, _ in one.mdevs
    }
    return 'mdevs' if frameworks <= {identity.MDEV} else 'vGPUs'


def orphaned(number: int, what: str) -> str:
    """Return a line on consumers of vGPUs that are not servers.

    :param what: as from devices
    """
    return (
        f'{number} more have {what}, but Nova does not know such a server '
        'there: orphaned allocations ("nova-manage placement audit" finds '
        'these), or a migration that has just begun or ended'
    )


def on_hosts(cloud: model.Cloud, names: Sequence[str]) -> Parents:
    """Return the parents on hosts; on all hosts if none is named.

    :raises exceptions.BadInput: there is no such host
    """
    unknown = set(names) - {host.name for host in cloud.hosts}
    if unknown:
        raise exceptions.BadInput(
            f'Placement has no compute host {", ".join(sorted(unknown))}: '
            '"openstack hypervisor list" has their names'
        )
    return [
        (host, parent)
        for host, parent in cloud.parents()
        if not names or host.name in names
    ]


def select(cloud: model.Cloud, parsed_args: argparse.Namespace) -> Parents:
    """Return the parents that the arguments of add_selection name.

    :raises exceptions.BadInput: there is no such host, or a device cannot
        have such a type or vendor
    """
    found = on_hosts(cloud, parsed_args.host)
    try:
        if parsed_args.type:
            name = identity.literal(parsed_args.type)
            found = [
                (host, parent)
                for host, parent in found
                if name in parent.traits.types | parent.traits.in_use
            ]
        if parsed_args.vendor:
            name = identity.vendor(parsed_args.vendor)
            found = [
                (host, parent)
                for host, parent in found
                if name in map(identity.vendor_of, parent.traits.parents)
            ]
    except identity.IdentityError as exc:
        raise exceptions.BadInput(str(exc)) from exc
    return found
