# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-rules explain."""

import argparse
import collections
from collections.abc import Mapping
import dataclasses
import pathlib

from nova_mdev_compat.cli import app
from nova_mdev_compat.cli import common
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import text
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import recorded
from nova_mdev_compat.publication import host_traits

COLUMNS = ('Source', 'Target', 'Verdict', 'Rule', 'Because')
_ID = (
    'a snapshot, or the name of a host that --hosts has; after a colon, '
    'the name of one device of it'
)


class Explain(common.SnakeCaseLister):
    """Explain why a device may live-migrate its mdevs to another, or not.

    It shows the rule that allows it and its place; if none does, the first
    condition of each rule that fails. The rules are those in the target's
    snapshot, or those of --rules. The exit status is 0 if each source may go
    to one of the targets, and 1 if not.

    Example: nova-mdev-rules explain --source cmp1.json --target
    cmp2.json:pci_0000_84_00_0
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--source',
            metavar='ID',
            required=True,
            help=f'The source: {_ID}.',
        )
        parser.add_argument(
            '--target', metavar='ID', required=True, help=f'The target: {_ID}.'
        )
        app.add_hosts(parser, required=False)
        app.add_rules(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> app.Rows:
        known = {host.name: host for host in app.hosts(parsed_args.hosts)}
        rules = [app.rules(parsed_args)]
        origins, destinations = (
            recorded.classify([_find(name, known)], rules)
            for name in (parsed_args.source, parsed_args.target)
        )
        pairs = list(recorded.pairs(origins, destinations))
        accepted: dict[object, bool] = collections.defaultdict(bool)
        for pair in pairs:
            accepted[pair.origin.members, pair.source] |= (
                pair.answers[0].kind is verdict.Status.COMPATIBLE
            )
        self.exit_status = 0 if accepted and all(accepted.values()) else 1
        if not pairs:
            self.say(
                'There is nothing to explain: the source has no device '
                'that serves mdevs, the target has none, or both are '
                'the same host'
            )
        return COLUMNS, [
            (
                common.source(pair.origin, pair.source),
                common.DevicesColumn(pair.destination),
                answer.kind.value,
                said.rule,
                ', '.join(map(str, said.reasons)) or said.source,
            )
            for pair in pairs
            for answer in pair.answers
            for said in answer.verdicts
        ]


def _find(
    name: str, known: Mapping[str, host_traits.HostSnapshot]
) -> host_traits.HostSnapshot:
    """Return a host with the devices that an ID names.

    :raises exceptions.BadInput: there is no such host or device
    """
    host = _host(name, known)
    if host is not None:
        return host
    where, _, device = name.rpartition(':')
    host = _host(where, known)
    if host is None:
        raise exceptions.BadInput(
            f'{name}: there is neither a snapshot nor a host of this name; '
            f'--hosts has {text.join(sorted(known))}'
        )
    parents = tuple(
        item for item in host.parents if item.parent.name == device
    )
    if not parents:
        names = text.join(item.parent.name for item in host.parents)
        raise exceptions.BadInput(
            f'{name}: host {host.name} has no device {device}; it has {names}'
        )
    return dataclasses.replace(host, parents=parents)


def _host(
    name: str, known: Mapping[str, host_traits.HostSnapshot]
) -> host_traits.HostSnapshot | None:
    path = pathlib.Path(name)
    if name not in known and path.is_file():
        return app.read_host(path)
    return known.get(name)
