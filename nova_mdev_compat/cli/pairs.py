# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-rules table and diff: all pairs of devices."""

import argparse
from collections.abc import Iterable

from nova_mdev_compat.cli import app
from nova_mdev_compat.cli import common
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import recorded


class Table(common.SnakeCaseLister):
    """List which devices may live-migrate their mdevs to which.

    Each class of equivalent devices is one row. "Pairs" counts the pairs of
    devices on different hosts. "Because" names the rule that allows it, or the
    first condition of each rule that fails. The exit status is 0 whatever the
    verdicts are.

    Example: nova-mdev-rules table --hosts recordings/ --rules rules.d/
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        app.add_hosts(parser, required=True)
        app.add_rules(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> app.Rows:
        kinds = recorded.classify(
            app.hosts(parsed_args.hosts), [app.rules(parsed_args)]
        )
        return ('Source', 'Target', 'Pairs', 'Verdict', 'Because'), (
            (
                common.source(pair.origin, pair.source),
                common.DevicesColumn(pair.destination),
                pair.number,
                answer.kind.value,
                str(answer),
            )
            for pair in recorded.pairs(kinds, kinds, common.progress)
            for answer in pair.answers
        )


class Diff(common.SnakeCaseLister):
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

    def take_action(self, parsed_args: argparse.Namespace) -> app.Rows:
        rules = [
            common.load_rules([path], parsed_args.no_shipped)
            for path in (parsed_args.old, parsed_args.new)
        ]
        kinds = recorded.classify(app.hosts(parsed_args.hosts), rules)
        pairs = list(recorded.pairs(kinds, kinds, common.progress))
        changed = [
            pair
            for pair in pairs
            if pair.answers[0].kind is not pair.answers[1].kind
        ]
        less, more = (
            _number(
                pair
                for pair in changed
                if pair.answers[index].kind is verdict.Status.COMPATIBLE
            )
            for index in (0, 1)
        )
        self.say(
            f'{_number(changed)} of {_number(pairs)} pairs of devices change: '
            f'{more} become compatible, {less} are no longer'
        )
        if changed and parsed_args.exit_code:
            self.exit_status = 1
        return ('Source', 'Target', 'Pairs', 'Old', 'New', 'Because'), [
            (
                common.source(pair.origin, pair.source),
                common.DevicesColumn(pair.destination),
                pair.number,
                *(answer.kind.value for answer in pair.answers),
                str(pair.answers[1]),
            )
            for pair in changed
        ]


def _number(pairs: Iterable[recorded.RecordedPair]) -> int:
    return sum(pair.number for pair in pairs)
