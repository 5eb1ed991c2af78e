# SPDX-License-Identifier: Apache-2.0
"""openstack mdev compat matrix."""

import argparse
import pathlib
from typing import Any

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.osc import command
from nova_mdev_compat.osc import matrix_html
from nova_mdev_compat.osc import selection

PAIRS = ('Source', 'Target', 'Pairs', 'Verdict', 'Because')
KINDS = ('From', 'Device', 'Hosts', 'Devices')
TITLE = 'Which devices accept live migrations from which'

_SIGNS = {
    verdict.Status.COMPATIBLE: 'yes',
    verdict.Status.INCOMPATIBLE: 'no',
    verdict.Status.UNKNOWN: '?',
}

Table = tuple[tuple[str, ...], list[tuple[Any, ...]]]


class Matrix(command.Lister):
    """Show which kinds of devices accept live migrations from which.

    Devices that are the same in all that any published pattern asks about
    are one kind, named by a letter. A row is where an mdev comes from, and
    its columns say where it may go: "yes", "no", "?" where data is missing,
    and "-" where both are on one host only. With --pairs each cell is a row
    and has its reason. The page that --output writes has the reasons, too:
    on hover, and in a table with a filter.

    Placement is asked once for each distinct trait of ours, and four times
    more. The exit status is 0.

    Example: openstack mdev compat matrix --output matrix.html
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        selection.add_host(parser)
        selection.add_what(parser)
        parser.add_argument(
            '--pairs',
            action='store_true',
            help='List pairs of kinds, with reasons.',
        )
        parser.add_argument(
            '--output',
            metavar='<file>',
            type=pathlib.Path,
            help='Write the matrix also into this file, as one HTML page '
            'that needs no network. Print it from a browser to get a PDF.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        if parsed_args.output:
            matrix_html.check(parsed_args.output)
        cloud = inventory.read(self.placement, common.progress)
        found = device_classes.kinds(
            selection.of(
                selection.on_hosts(cloud, parsed_args.host),
                parsed_args.type,
                parsed_args.vendor,
            )
        )
        rows = device_classes.matrix(found, found)
        if parsed_args.output:
            matrix_html.write(parsed_args.output, found, rows, TITLE)
            self.say(f'Wrote {parsed_args.output}')
        return _pairs(rows) if parsed_args.pairs else _matrix(found, rows)


def _pairs(rows: list[list[device_classes.Cell]]) -> Table:
    return PAIRS, [
        (
            common.source(cell.origin, cell.source),
            common.DevicesColumn(cell.destination),
            cell.number,
            cell.verdict.kind.value,
            str(cell.verdict),
        )
        for row in rows
        for cell in row
        if cell.number
    ]


def _matrix(
    found: tuple[device_classes.PublishedClass, ...],
    rows: list[list[device_classes.Cell]],
) -> Table:
    labels = tuple(f'to {kind.label}' for kind in found)
    rows_shown = [
        _row(
            cells[0].origin,
            str(cells[0].source),
            (
                _SIGNS[cell.verdict.kind] if cell.number else '-'
                for cell in cells
            ),
        )
        for cells in rows
    ]
    # Nothing is known of these as sources; the filter refuses them.
    rows_shown += [
        _row(kind, str(kind), ['?'] * len(found))
        for kind in found
        if not kind.sources
    ]
    return (*KINDS, *labels), rows_shown


def _row(
    kind: device_classes.PublishedClass, what: str, signs: Any
) -> tuple[Any, ...]:
    return (kind.label, what, len(kind.by_host), len(kind.members), *signs)
