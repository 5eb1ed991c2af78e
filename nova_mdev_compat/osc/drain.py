# SPDX-License-Identifier: Apache-2.0
"""openstack mdev drain check."""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from osc_lib.cli import format_columns

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import text
from nova_mdev_compat.fleet import drain
from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.fleet import targets
from nova_mdev_compat.osc import command
from nova_mdev_compat.osc import nova

COLUMNS = (
    'ID',
    'Name',
    'Host',
    'Targets',
    'If Room',
    'Go To',
    'Because',
)
LONG = ('Devices', 'Types')
#: Hosts that a column names; the others are counted.
_NAMED = 3


class TargetsColumn(common.Column):
    """Hosts, with their devices."""

    def human_readable(self) -> str:
        shown = map(_shown, self._value)
        return text.join(shown, _NAMED, 'host') if self._value else ''

    def machine_readable(self) -> Any:
        return [
            {'host': one.host, 'devices': list(one.devices)}
            for one in self._value
        ]


class HostsColumn(common.Column):
    """Names of hosts: some for people, all for programs."""

    def human_readable(self) -> str:
        return text.join(self._value, _NAMED, 'host') if self._value else ''

    def machine_readable(self) -> Any:
        return list(self._value)


class Check(command.Lister):
    """Check whether all instances with vGPUs can leave hosts now, at once.

    Run it before a maintenance of the hosts. Each instance with mdevs or
    virtual functions on them is one row:

    Targets
        Hosts that could take the instance now if it were the only one, with
        their devices.
    If Room
        Hosts that accept it and have no free capacity: its targets if there
        were room.
    Go To
        Its host if all instances leave at once.
    Because
        Why it has no such host. The reasons are those of "openstack mdev
        target list".

    The hosts named are not targets, nor are hosts whose nova-compute is
    disabled or down. An instance that Nova is moving counts where it goes.

    Only vGPUs are checked. Memory, vCPUs, disk and NUMA are not, nor are other
    scheduler filters, such as those for aggregates and availability zones: Nova
    may refuse a host that is listed here. "openstack mdev target list" checks
    the other resources for one instance. Placement chooses the device on a
    host, so check again between migrations if instances have several vGPUs.

    Placement is asked once for each device of the hosts, for each distinct
    trait of ours and for each amount of free capacity; Nova is asked once for
    each instance.

    The exit status is 0 if all instances can leave at once, 1 if not, and 2 if
    there is no such host. Where instances have several vGPUs, the search for
    one assignment of all may end without an answer. The exit status is then 1,
    and stderr says "there may be one".

    Examples::

        openstack mdev drain check gpu-1 gpu-2
        openstack mdev drain check gpu-1 -c Name -c "Go To" -f value
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'hosts',
            metavar='<host>',
            nargs='+',
            help='A host to drain, by its hypervisor hostname.',
        )
        parser.add_argument(
            '--long',
            action='store_true',
            help='List also the devices that the instances are on, and their '
            'types.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> command.Table:
        progress = common.progress
        cloud = inventory.read(self.placement, progress)
        found = instances.read(
            self.placement,
            command.on_hosts(cloud, parsed_args.hosts),
            nova.moving(self.compute),
            progress,
        )
        servers = nova.servers(
            self.compute, [one.uuid for one in found], progress
        )
        some = sorted(
            nova.known(found, servers),
            key=lambda one: (one.host.name, servers[one.uuid].name, one.uuid),
        )
        classes = sorted({name for one in some for _, name, _ in one.mdevs})
        checked = drain.check(
            cloud,
            parsed_args.hosts,
            some,
            inventory.all_free_capacity(self.placement, classes, progress),
            nova.unavailable(self.compute),
        )
        self._summarize(checked, parsed_args.hosts, some)
        if left_out := len(found) - len(some):
            self.say(command.orphaned(left_out, command.devices(found)))
        self.exit_status = 0 if checked.possible else 1
        long = parsed_args.long
        return (*COLUMNS, *(LONG if long else ())), [
            (
                one.instance.uuid,
                servers[one.instance.uuid].name,
                one.instance.host.name,
                TargetsColumn(one.now),
                HostsColumn(one.full),
                one.assigned,
                one.because,
                *(_long(one.instance) if long else ()),
            )
            for one in checked.departures
        ]

    def _summarize(
        self,
        checked: drain.Drain,
        names: Sequence[str],
        some: Sequence[instances.Instance],
    ) -> None:
        where = text.join(dict.fromkeys(names), noun='host')
        who = (
            f'{text.count(len(some), "instance")} with '
            f'{command.devices(some)} on {where}'
        )
        if checked.possible:
            self.say(f'all can leave at once: {who}' if some else who)
            return
        alone = sum(bool(one.now) for one in checked.departures)
        together = sum(bool(one.assigned) for one in checked.departures)
        self.say(
            f'not all can leave at once: of {who}, {alone} could go to another '
            f'host alone, and {together} at once'
        )
        if not checked.proven:
            self.say(
                'the search for an assignment of all ended without an answer; '
                'there may be one'
            )


def _shown(target: targets.TargetHost) -> str:
    devices = target.devices
    what = devices[0] if len(devices) == 1 else f'{len(devices)} devices'
    return f'{target.host} ({what})'


def _long(instance: instances.Instance) -> Iterator[Any]:
    """Yield the columns LONG: devices, and types that the vGPUs may have."""
    parents = [parent for parent, _, _ in instance.mdevs]
    yield format_columns.ListColumn([parent.name for parent in parents])
    names = {
        identity.display_type(name)
        for parent in parents
        for name in parent.traits.types | parent.traits.in_use
    }
    yield format_columns.ListColumn(sorted(names))
