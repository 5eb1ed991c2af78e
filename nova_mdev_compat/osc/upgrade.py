# SPDX-License-Identifier: Apache-2.0
"""openstack mdev upgrade plan."""

import argparse
from collections.abc import Iterable, Iterator
from typing import Any

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.osc import command
from nova_mdev_compat.osc import nova
from nova_mdev_compat.osc import selection
from nova_mdev_compat.osc import upgrade_arguments
from nova_mdev_compat.osc import upgrade_rows
from nova_mdev_compat.osc import upgrade_story
from nova_mdev_compat.upgrade import differences
from nova_mdev_compat.upgrade import fleet
from nova_mdev_compat.upgrade import obstacles as obst
from nova_mdev_compat.upgrade import order
from nova_mdev_compat.upgrade import planning
from nova_mdev_compat.upgrade import room
from nova_mdev_compat.upgrade import upgrade as upg

PAIRS = ('From', 'To', 'Pairs', 'Upgraded', 'Before', 'Then', 'Because')
STATUS = {
    order.Outcome.FOUND: 0,
    order.Outcome.NONE: 1,
    order.Outcome.UNDECIDED: 3,
}

Table = tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]


class Mismatch(exceptions.Failure):
    """What the rules give is not what hosts publish."""

    exit_status = 4


class Plan(command.Lister):
    """Find an order in which to upgrade hosts that strands no instance.

    What devices would accept with the new facts is made by rules: those
    shipped, and those of --rules, which have to be the ones that the hosts
    will have. If they do not give what the hosts publish now, nothing is
    listed, and the exit status is 4: unless --allow-mismatch says that the
    hosts will get these rules with the upgrade. "Because" then marks them.

    An instance is stranded while no other host accepts all of its mdevs;
    before the upgrade of a host those on its devices of the type have to be
    elsewhere. If there is no order, it is said why: which hosts cannot be
    the next one, and whom no other host would then take. Step 0 has those
    who are stranded already.

    "To Move" are instances that have to be moved before the upgrade, "Go To"
    where they then have room, if each goes to the first one that has; "No
    Room" those that have to wait for some; "To Stop" those that no other host
    takes. With -f json these have UUIDs, and "Go To" the migrations in
    order. Instances are taken for where they are now, and those that are
    being moved for where they go. With --pairs, kinds of devices are listed
    for which the answer changes while, or when, their hosts are upgraded.

    Placement is asked once for each distinct trait of ours, and for each
    device whose instances the upgrade can make a difference to; Nova is asked
    for the migrations under way. The exit
    status is 0 if there is such an order, 1 if there is none, and 3 if none
    was found in so many steps and it is not proven that there is none; 4 if
    the rules are not those of the hosts. With --pairs it is 0 or 4.

    Example: openstack mdev upgrade plan --type nvidia-558 --fact driver=550
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        upgrade_arguments.add(parser)
        parser.add_argument(
            '--pairs',
            action='store_true',
            help='List the pairs of kinds of devices that change.',
        )
        parser.add_argument(
            'hosts',
            metavar='<host>',
            nargs='*',
            help='Upgrade these only, by their hypervisor hostnames.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        wanted = upgrade_arguments.types(parsed_args.type)
        changed = upgrade_arguments.facts(parsed_args.fact)
        rules = upgrade_arguments.rules(parsed_args)
        cloud = inventory.read(self.placement, common.progress)
        selection.on_hosts(cloud, parsed_args.hosts)
        upgrade = upg.plan(cloud, wanted, parsed_args.hosts, changed, rules)
        if upgrade.unlike and not parsed_args.allow_mismatch:
            raise Mismatch(upgrade_story.mismatch(upgrade))
        for line in upgrade_story.warnings(upgrade):
            self.say(line)
        pairs = list(differences.pairs(upgrade))
        self.say(upgrade_story.changes(pairs))
        if parsed_args.pairs:
            return PAIRS, [row for pair in pairs for row in _pair(pair)]
        rows = self._rows(upgrade)
        if parsed_args.formatter == 'table':
            rows = list(upgrade_rows.merged(rows))
        return upgrade_rows.COLUMNS, [row.columns() for row in rows]

    def _rows(self, upgrade: upg.Upgrade) -> list[upgrade_rows.Row]:
        moving = nova.moving(self.compute)
        some = instances.read(
            self.placement, fleet.concerned(upgrade), moving, common.progress
        )
        under_way = {*moving.values()} & {one.uuid for one in some}
        if under_way:
            self.say(
                'being moved, and taken for where they go: '
                + obst.number(len(under_way), 'instance')
            )
        found = fleet.build(upgrade, some)
        plan = planning.search(found.problem)
        self.exit_status = STATUS[plan.outcome]
        classes = {name for instance in some for _, name, _ in instance.mdevs}
        story = upgrade_story.Story(
            upgrade,
            found,
            plan,
            room.read(self.placement, classes, common.progress),
        )
        for line in story.lines():
            self.say(line)
        return story.rows


def _pair(pair: differences.Pair) -> Iterator[tuple[Any, ...]]:
    for upgraded, then in pair.changes.items():
        yield (
            common.source(pair.origin, pair.source),
            common.DevicesColumn(pair.destination),
            pair.number,
            upgraded.value,
            pair.before.kind.value,
            then.kind.value,
            str(pair.before if then else then),
        )
