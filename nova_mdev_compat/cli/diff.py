# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-rules diff."""

import argparse
from typing import Any

from nova_mdev_compat.cli import app
from nova_mdev_compat.cli import arguments
from nova_mdev_compat.cli import columns
from nova_mdev_compat.cli import reporting
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import recorded

COLUMNS = ('Source', 'Target', 'Pairs', 'Old', 'New', 'Because')


class Diff(app.ListCommand):
    """List the pairs of devices for which a change of rules is one.

    OLD and NEW are directories of rule files; the shipped rules come before
    both. "Because" says it for the new rules. The last line, on stderr,
    counts. The exit status is 0, and with --exit-code 1 if a pair changes.

    Example: nova-mdev-rules diff rules.d/ rules.d.new/ --hosts recordings/
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('old', metavar='OLD', help='The rules before.')
        parser.add_argument('new', metavar='NEW', help='The rules after.')
        arguments.add_hosts(parser, required=True)
        arguments.add_no_shipped(parser)
        parser.add_argument(
            '--exit-code',
            action='store_true',
            help='End with 1 if the answer for any pair changes.',
        )
        return parser

    def take_action(
        self,
        parsed_args: argparse.Namespace,
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        rules = [
            arguments.load_rules([path], parsed_args.no_shipped)
            for path in (parsed_args.old, parsed_args.new)
        ]
        kinds = recorded.kinds(arguments.hosts(parsed_args.hosts), rules)
        pairs = list(recorded.pairs(kinds, kinds, reporting.progress))
        changed = [pair for pair in pairs if _changes(pair)]
        self.say(_summary(changed, sum(pair.number for pair in pairs)))
        if changed and parsed_args.exit_code:
            self.exit_status = 1
        return COLUMNS, [_row(pair) for pair in changed]


def _changes(pair: recorded.Pair) -> bool:
    old, new = pair.answers
    return old.kind is not new.kind


def _row(pair: recorded.Pair) -> tuple[Any, ...]:
    old, new = pair.answers
    return (
        columns.source(pair.origin, pair.source),
        columns.Devices(pair.destination),
        pair.number,
        old.kind.value,
        new.kind.value,
        str(new),
    )


def _summary(changed: list[recorded.Pair], total: int) -> str:
    compatible = verdict.Status.COMPATIBLE
    gained = sum(
        pair.number for pair in changed if pair.answers[1].kind is compatible
    )
    lost = sum(
        pair.number for pair in changed if pair.answers[0].kind is compatible
    )
    number = sum(pair.number for pair in changed)
    return (
        f'{number} of {total} pairs of devices change: {gained} become '
        f'compatible, {lost} are no longer'
    )
