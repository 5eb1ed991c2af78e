# SPDX-License-Identifier: Apache-2.0
"""openstack mdev compatibility list."""

import argparse
from collections.abc import Iterable
import datetime
import importlib.metadata
import pathlib
from typing import Any

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.osc import command
from nova_mdev_compat.osc import letters
from nova_mdev_compat.osc import matrix_html
from nova_mdev_compat.osc import pci_ids

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
    "?" if data is missing, and "-" if both are on one host only. Letters
    behind "no" and "?" say what differs, such as B for the board and D for
    the driver; a line on stderr explains those in use.

    With --pairs each cell is a row, with its reason. The page that --output
    writes has the reasons, too, and begins with the classes that cannot leave
    their hosts.

    Placement is asked once for each distinct trait of ours, and four times
    more. The exit status is 0.

    Example::

        openstack mdev compatibility list --output matrix.html
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
        parser.add_argument(
            '--pci-ids',
            metavar='<file>',
            type=pathlib.Path,
            help='With --output, take the names of products from this file. '
            'Without this option, they are taken from the pci.ids of the '
            'system; if there is none, the page has ids only.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> command.Table:
        if parsed_args.output:
            matrix_html.check(parsed_args.output)
            names = pci_ids.read(parsed_args.pci_ids)
        elif parsed_args.pci_ids:
            raise exceptions.BadInput('--pci-ids requires --output')
        cloud = inventory.read(self.placement, common.progress)
        classes = device_classes.classify(command.select(cloud, parsed_args))
        rows = device_classes.matrix(classes)
        if parsed_args.output:
            matrix_html.write(
                parsed_args.output,
                classes,
                rows,
                TITLE,
                self._about(parsed_args),
                names,
            )
            self.say(f'Wrote {parsed_args.output}')
        if parsed_args.pairs:
            return _pairs(rows)
        explained = letters.legend(
            reason
            for row in rows
            for cell in row
            if cell.number
            for reason in cell.differences
        )
        if explained:
            self.say(
                '; '.join(f'{letter}: {word}' for letter, word in explained)
            )
        return _matrix(classes, rows)

    def _about(self, parsed_args: argparse.Namespace) -> matrix_html.About:
        selection = [
            *(f'host {name}' for name in parsed_args.host),
            *([f'type {parsed_args.type}'] if parsed_args.type else []),
            *([f'vendor {parsed_args.vendor}'] if parsed_args.vendor else []),
        ]
        return matrix_html.About(
            self.cloud_name,
            f'{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC',
            importlib.metadata.version('nova-mdev-compat'),
            ', '.join(selection),
        )


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


def _sign(cell: device_classes.Cell) -> str:
    """Return ``yes``, ``no DE``, ``? E`` or ``-``."""
    if not cell.number:
        return '-'
    why = letters.text(cell.differences)
    if cell.verdict.kind is verdict.Status.UNKNOWN:
        why = why.replace('?', '')
    return f'{_SIGNS[cell.verdict.kind]} {why}'.rstrip()


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
                map(_sign, cells),
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
