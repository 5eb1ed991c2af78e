# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-rules table."""

import argparse
from collections.abc import Iterator
from typing import Any

from nova_mdev_compat.cli import app
from nova_mdev_compat.cli import common
from nova_mdev_compat.fleet import recorded

COLUMNS = ('Source', 'Target', 'Pairs', 'Verdict', 'Because')


class Table(app.ListCommand):
    """List which devices may live-migrate their mdevs to which.

    Devices that are the same in all that decides make one row. "Pairs" counts
    the pairs of devices on different hosts. "Because" names the rule that
    allows it, or the first condition of each rule that fails. The exit status
    is 0 whatever the verdicts are.

    Example: nova-mdev-rules table --hosts recordings/ --rules rules.d/
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        app.add_hosts(parser, required=True)
        app.add_rules(parser)
        return parser

    def take_action(
        self,
        parsed_args: argparse.Namespace,
    ) -> tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]:
        kinds = recorded.kinds(
            app.hosts(parsed_args.hosts), [app.rules(parsed_args)]
        )
        return COLUMNS, map(
            _row, recorded.pairs(kinds, kinds, common.progress)
        )


def _row(pair: recorded.RecordedPair) -> tuple[Any, ...]:
    (answer,) = pair.answers
    return (
        common.source(pair.origin, pair.source),
        common.DevicesColumn(pair.destination),
        pair.number,
        answer.kind.value,
        str(answer),
    )
