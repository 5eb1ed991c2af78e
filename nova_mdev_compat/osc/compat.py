# SPDX-License-Identifier: Apache-2.0
"""openstack mdev compat matrix."""

import argparse
from collections.abc import Iterable
import pathlib
from typing import Any

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.osc import command
from nova_mdev_compat.osc import matrix_html

PAIRS = ('Source', 'Target', 'Pairs', 'Verdict', 'Because')
CLASSES = ('From', 'Device', 'Hosts', 'Devices')
TITLE = 'Which devices accept live migrations from which'

_SIGNS = {
    verdict.Status.COMPATIBLE: 'yes',
    verdict.Status.INCOMPATIBLE: 'no',
    verdict.Status.UNKNOWN: '?',
}


class Matrix(command.Lister):
    """Show which devices accept live migrations from which.

    Devices that are equal in all that any published pattern asks about are
    one device class, named by a letter. A row is the class that a vGPU
    leaves, and its columns are the classes that may accept it: "yes", "no",
    "?" if data is missing, and "-" if both are on one host only. With
    --pairs each cell is a row, with its reason. The page that --output
    writes has the reasons, too: on hover, and in a table with a filter.

    Placement is asked once for each distinct trait of ours, and four times
    more. The exit status is 0.

    Example: openstack mdev compat matrix --output matrix.html
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        command.add_selection(parser)
        parser.add_argument(
            '--pairs',
            action='store_true',
            help='List pairs of device classes, with reasons.',
        )
        parser.add_argument(
            '--output',
            metavar='<file>',
            type=pathlib.Path,
            help='Write the matrix also into this file, as one HTML page '
            'that needs no network. Print it from a browser to get a PDF.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> command.Table:
        if parsed_args.output:
            matrix_html.check(parsed_args.output)
        cloud = inventory.read(self.placement, common.progress)
        classes = device_classes.classify(command.select(cloud, parsed_args))
        rows = device_classes.matrix(classes)
        if parsed_args.output:
            matrix_html.write(parsed_args.output, classes, rows, TITLE)
            self.say(f'Wrote {parsed_args.output}')
        return _pairs(rows) if parsed_args.pairs else _matrix(classes, rows)


def _pairs(rows: list[list[device_classes.Cell]]) -> command.Table:
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
    classes: tuple[device_classes.PublishedClass, ...],
    rows: list[list[device_classes.Cell]],
) -> command.Table:
    def row(
        origin: device_classes.PublishedClass,
        what: object,
        signs: Iterable[str],
    ) -> tuple[Any, ...]:
        hosts, devices = len(origin.by_host), len(origin.members)
        return (origin.label, str(what), hosts, devices, *signs)

    labels = tuple(f'to {one.label}' for one in classes)
    return (*CLASSES, *labels), [
        *(
            row(
                cells[0].origin,
                cells[0].source,
                (
                    _SIGNS[cell.verdict.kind] if cell.number else '-'
                    for cell in cells
                ),
            )
            for cells in rows
        ),
        # The filter refuses sources of which nothing is known.
        *(
            row(one, one, '?' * len(classes))
            for one in classes
            if not one.sources
        ),
    ]
