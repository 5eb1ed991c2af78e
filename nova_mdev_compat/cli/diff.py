# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-rules diff."""

import argparse
from typing import Any

from nova_mdev_compat.cli import app
from nova_mdev_compat.cli import common
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import recorded

COLUMNS = ('Source', 'Target', 'Pairs', 'Old', 'New', 'Because')


class Diff(app.ListCommand):
    """List the pairs of devices whose verdict changes with the rules.

    OLD and NEW are directories of rule files; the shipped rules come before
    both. "Because" is of the new rules. The last line, on stderr, counts. The
    exit status is 0, and with --exit-code 1 if a pair changes.

    Example: nova-mdev-rules diff rules.d/ rules.d.new/ --hosts recordings/
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('old', metavar='OLD', help='The rules before.')
        parser.add_argument('new', metavar='NEW', help='The rules after.')
        app.add_hosts(parser, required=True)
        common.add_no_shipped(parser)
        parser.add_argument(
            '--exit-code',
            action='store_true',
            help='End with 1 if the verdict of any pair changes.',
        )
        return parser

    def take_action(
        self,
        parsed_args: argparse.Namespace,
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        rules = [
            common.load_rules([path], parsed_args.no_shipped)
            for path in (parsed_args.old, parsed_args.new)
        ]
        kinds = recorded.kinds(app.hosts(parsed_args.hosts), rules)
        pairs = list(recorded.pairs(kinds, kinds, common.progress))
        changed = [
            pair
            for pair in pairs
            if pair.answers[0].kind is not pair.answers[1].kind
        ]
        self.say(_summary(changed, pairs))
        if changed and parsed_args.exit_code:
            self.exit_status = 1
        return COLUMNS, [_row(pair) for pair in changed]


def _row(pair: recorded.RecordedPair) -> tuple[Any, ...]:
    old, new = pair.answers
    return (
        common.source(pair.origin, pair.source),
        common.DevicesColumn(pair.destination),
        pair.number,
        old.kind.value,
        new.kind.value,
        str(new),
    )


def _summary(
    changed: list[recorded.RecordedPair], pairs: list[recorded.RecordedPair]
) -> str:
    compatible = verdict.Status.COMPATIBLE
    gained = [pair for pair in changed if pair.answers[1].kind is compatible]
    lost = [pair for pair in changed if pair.answers[0].kind is compatible]
    total, number, more, less = (
        sum(pair.number for pair in some)
        for some in (pairs, changed, gained, lost)
    )
    return (
        f'{number} of {total} pairs of devices change: {more} become '
        f'compatible, {less} are no longer'
    )
