# SPDX-License-Identifier: Apache-2.0
"""openstack mdev device list."""

import argparse
from typing import Any

from osc_lib.cli import format_columns

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.fleet import model
from nova_mdev_compat.osc import command
from nova_mdev_compat.placement import client

_CAPACITY = ('Used', 'Total')
COLUMNS = (
    'Host',
    'Device',
    'Framework',
    'Provider',
    'Parent ID',
    'Type',
    'Facts',
    *_CAPACITY,
    'Published',
)


class ListDevice(command.Lister):
    """List the devices that vGPUs come from, as Placement knows them.

    Framework
        "mdev" for a device that can create mdevs, and "vfio" for one with
        virtual functions, which is listed once a collector has published it.
    Provider
        Nova's provider, which has the capacity.
    Type
        The type that the device serves; with "none", the collector's log has
        the reason. Brackets mark a type that only running instances still use.
    Used, Total
        The capacity. It costs two requests for each device that is listed;
        they are not made if -c selects neither column.
    Published
        "yes", or what is missing.

    The exit status is 0.

    Example::

        openstack mdev device list --vendor 10de -c Host -c Facts
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        command.add_selection(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> command.Table:
        cloud = inventory.read(self.placement, common.progress)
        shown = command.select(cloud, parsed_args)
        found = {}
        columns = set(map(common.key, parsed_args.columns))
        if not columns or columns & set(map(common.key, _CAPACITY)):
            found = inventory.capacity(
                self.placement,
                [parent for _, parent in shown],
                common.progress,
            )
        return COLUMNS, [
            _row(host, parent, found.get(parent.uuid))
            for host, parent in shown
        ]


def _row(
    host: model.Host, parent: model.Parent, has: client.Capacity | None
) -> tuple[Any, ...]:
    said = parent.traits
    # Of an unpublished one nothing is known.
    nothing = ['none'] if said.managed else []
    types = [
        *(sorted(map(identity.display_type, said.types)) or nothing),
        *(f'({identity.display_type(name)})' for name in sorted(said.in_use)),
    ]
    facts = {
        name: identity.display(name, value)
        for name, value in sorted(said.facts)
    }
    return (
        host.name,
        parent.name,
        parent.framework.lower(),
        parent.uuid,
        ', '.join(sorted(map(identity.display_parent, said.parents))),
        ' '.join(types),
        format_columns.DictColumn(facts),
        *((has.used, has.total) if has else (None, None)),
        'yes'
        if parent.identities
        else str(host.unpublished or matching.NO_IDENTITY),
    )
