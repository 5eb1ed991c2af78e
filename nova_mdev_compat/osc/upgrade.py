# SPDX-License-Identifier: Apache-2.0
"""openstack mdev upgrade plan."""

import argparse
from collections.abc import Iterable, Iterator
import contextlib
from typing import Any

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import text
from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.osc import command
from nova_mdev_compat.osc import nova
from nova_mdev_compat.osc import upgrade_report
from nova_mdev_compat.upgrade import plan
from nova_mdev_compat.upgrade import scenario


class Mismatch(exceptions.Failure):
    """What the rules give is not what hosts publish."""

    exit_status = 4


class Plan(command.Lister):
    """Find an order in which to upgrade hosts that strands no instance.

    An instance is stranded while no other host accepts all of its vGPUs. Before
    the upgrade of a host, instances on its devices of the type move to hosts
    that accept them and have free capacity. An instance moves at most once
    before a step. An instance that Nova is moving counts where it goes.

    Step
        The number of the upgrade. Step 0 has the instances that are stranded
        now.
    To Move
        Number of instances that move before the upgrade.
    Go To
        Their targets; -f json has the migrations in order.
    No Room
        Number of instances that must move while all hosts that accept them
        are full.
    To Stop
        Number of instances that must move and that no other host accepts.
    Stranded
        Number of instances that no other host accepts after the step.
    Because
        The reasons for the three numbers before it.

    With -f json, the last three numbers are lists of UUIDs.

    The search is not exhaustive. If it finds no order, there may be one all the
    same; the command then prints which hosts cannot be upgraded next and which
    instances stop that, and lists an order that fails few instances.

    Rules make what upgraded devices accept: the shipped ones and those of
    --rules, which have to be the ones that the hosts will have.

    The exit status is 0 if an order was found and 1 if not. It is 4, and
    nothing is listed, if the rules do not give what hosts publish now, unless
    --allow-mismatch is given.

    Examples::

        openstack mdev upgrade plan --type nvidia-558 --fact driver=550
        openstack mdev upgrade plan --type nvidia-558 --fact driver=550 gpu-1
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--type',
            metavar='<type>',
            action='append',
            required=True,
            help='Upgrade devices that serve this type, or have it in use. '
            'Can be repeated.',
        )
        parser.add_argument(
            '--fact',
            metavar='<name>=<value>',
            action='append',
            required=True,
            help='A fact that they have afterwards: driver=550.90.07. Can be '
            'repeated.',
        )
        parser.add_argument(
            '--rules',
            metavar='<directory>',
            action='append',
            default=[],
            help='A directory of rule files that their hosts will have. Can '
            'be repeated: a file masks one of the same name in a directory '
            'before it. The shipped rules come first.',
        )
        common.add_no_shipped(parser)
        parser.add_argument(
            '--allow-mismatch',
            action='store_true',
            help='Accept rules that do not give what hosts publish now, '
            'because the hosts get them with the upgrade. "Because" marks '
            'these hosts.',
        )
        parser.add_argument(
            'hosts',
            metavar='<host>',
            nargs='*',
            help='Upgrade these only, by their hypervisor hostnames.',
        )
        return parser

    def take_action(
        self,
        parsed_args: argparse.Namespace,
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        types = mdev_types(parsed_args.type)
        facts = new_facts(parsed_args.fact)
        if parsed_args.no_shipped and not parsed_args.rules:
            raise exceptions.BadInput(
                '--no-shipped leaves no rules: name some with --rules'
            )
        rules = common.load_rules(parsed_args.rules, parsed_args.no_shipped)
        cloud = inventory.read(self.placement, common.progress)
        command.on_hosts(cloud, parsed_args.hosts)
        upgraded = scenario.build(
            cloud, types, parsed_args.hosts, facts, rules
        )
        if upgraded.mismatched and not parsed_args.allow_mismatch:
            raise Mismatch(upgrade_report.mismatch(upgraded))
        for line in upgrade_report.warnings(upgraded):
            self.say(line)
        found = self._find(upgraded)
        for line in upgrade_report.summary(upgraded, found):
            self.say(line)
        self.exit_status = 1 if found.obstacles else 0
        rows = upgrade_report.rows(upgraded, found)
        return upgrade_report.COLUMNS, list(rows)

    def _find(self, upgraded: scenario.Scenario) -> plan.UpgradePlan:
        moving = nova.moving(self.compute)
        some = instances.read(
            self.placement, upgraded.concerned(), moving, common.progress
        )
        under_way = {*moving.values()} & {one.uuid for one in some}
        if under_way:
            self.say(
                'being moved, and taken for where they go: '
                + text.count(len(under_way), 'instance')
            )
        classes = sorted({name for one in some for _, name, _ in one.mdevs})
        return plan.find(
            upgraded,
            some,
            inventory.all_free_capacity(
                self.placement, classes, common.progress
            ),
        )


def mdev_types(names: Iterable[str]) -> frozenset[str]:
    """Return mdev types as traits have them.

    :raises exceptions.BadInput: there can be no such type
    """
    with _reported('type'):
        return frozenset(map(identity.literal, names))


def new_facts(pairs: Iterable[str]) -> dict[str, str]:
    """Return facts from ``name=value``, as traits have them.

    :raises exceptions.BadInput: one is not of this form, or comes twice
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition('=')
        if not equals:
            raise exceptions.BadInput(
                f'fact {pair!r} is not of the form <name>=<value>'
            )
        with _reported('fact'):
            identity.fact_name(name)
        if name == identity.FRAMEWORK:
            raise exceptions.BadInput(
                'fact framework cannot be changed: on hosts with another '
                'framework the devices, and what Nova allocates, are others'
            )
        if name in found:
            raise exceptions.BadInput(f'fact {name} is given twice')
        with _reported(f'fact {name}'):
            found[name] = identity.literal(value, fact=name)
    return found


@contextlib.contextmanager
def _reported(what: str) -> Iterator[None]:
    try:
        yield
    except identity.IdentityError as exc:
        raise exceptions.BadInput(f'{what}: {exc}') from exc
