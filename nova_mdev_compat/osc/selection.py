# SPDX-License-Identifier: Apache-2.0
"""Arguments that select devices, and the devices that they select."""

import argparse
from collections.abc import Sequence

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.fleet import model

Parents = Sequence[tuple[model.Host, model.Parent]]


def add_host(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--host',
        metavar='<host>',
        action='append',
        default=[],
        help='Only this host, by its hypervisor hostname. Can be given '
        'several times.',
    )


def add_what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--type',
        metavar='<type>',
        help='Only devices that serve this mdev type, or have it in use: '
        'nvidia-558.',
    )
    parser.add_argument(
        '--vendor',
        metavar='<vendor>',
        help='Only devices of this vendor: its PCI id, 10de, or the name of '
        'the subsystem where there is none, mtty.',
    )


def on_hosts(cloud: model.Cloud, names: Sequence[str]) -> Parents:
    """Return the parents on hosts; on all where none is named.

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


def of(parents: Parents, mdev_type: str | None, vendor: str | None) -> Parents:
    """Return those of a type and a vendor, where these are named.

    :raises exceptions.BadInput: a device cannot have such a type or vendor
    """
    try:
        wanted = identity.literal(mdev_type) if mdev_type else None
        whose = identity.vendor(vendor) if vendor else None
    except identity.IdentityError as exc:
        raise exceptions.BadInput(str(exc)) from exc
    return [
        (host, parent)
        for host, parent in parents
        if (not wanted or wanted in parent.traits.types | parent.traits.in_use)
        and (
            not whose
            or whose in map(identity.vendor_of, parent.traits.parents)
        )
    ]
