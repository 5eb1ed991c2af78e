# SPDX-License-Identifier: Apache-2.0
"""openstack mdev trait: what traits mean, and those that nobody carries."""

import argparse
from collections.abc import Iterable, Iterator
from typing import Any

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import traits
from nova_mdev_compat.osc import command
from nova_mdev_compat.osc import trait_meaning
from nova_mdev_compat.placement import client
from nova_mdev_compat.publication import host_traits

Rows = tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]


class Words(common.Column):
    """What a trait says: words for people, values for programs."""

    def human_readable(self) -> str:
        return str(self._value.words)

    def machine_readable(self) -> Any:
        return self._value.values


class Decode(command.Lister):
    """Say what traits mean.

    It asks no cloud and needs no credentials. With -f json, "Meaning" is an
    object: its keys are "parent", "type", "fact", "value" and "conditions",
    where the trait has them. The exit status is 0, and 2 if one is not a
    trait of ours or makes no sense.

    Example: openstack mdev trait decode CUSTOM_MDEV_FACT_DRIVER_550_54_14
    """

    auth_required = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'traits',
            metavar='<trait>',
            nargs='+',
            help='A trait of ours, by its whole name.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        return ('Trait', 'Kind', 'Meaning'), [
            _decoded(name) for name in parsed_args.traits
        ]


def _decoded(name: str) -> tuple[str, str, Words]:
    try:
        found = trait_meaning.decode(name)
    except traits.TraitError as exc:
        raise exceptions.BadInput(str(exc)) from exc
    return name, found.kind, Words(found)


class Purge(command.Lister):
    """Delete the traits of ours that no provider carries.

    Collectors leave them behind: traits of drivers, types and rules that no
    host has any more. Those that the filter's queries need (V1, HOST and
    MIXED) stay. A collector that was about to use a trait makes it again at
    its next pass; where you run it with "once", run it again.
    A scheduler that still knew one asks again. The exit status is 0, and 1
    if Placement does not delete one that nobody carries.

    Example: openstack mdev trait purge --dry-run
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--dry-run',
            action='store_true',
            help='List what would be deleted, and keep it.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        # In this order: what is made and used meanwhile is not in the first.
        ours = set(filter(traits.is_ours, self.placement.our_traits()))
        unused = sorted(
            ours - self.placement.carried_traits() - host_traits.ALWAYS
        )
        if parsed_args.dry_run:
            rows = [(name, 'would be deleted') for name in unused]
        else:
            rows = list(self._delete(unused))
        if not self.exit_status:
            self.say(
                f'{len(unused)} of {len(ours)} traits of ours were '
                'carried by no provider and needed by no query'
            )
        return ('Trait', 'Result'), rows

    def _delete(self, names: list[str]) -> Iterator[tuple[str, str]]:
        """Delete traits; end where Placement fails or refuses."""
        for name in common.progress(names):
            try:
                result = _deleted(self.placement, name)
            except client.PlacementError as exc:
                # What is done is still worth listing.
                self.complain(exc)
                self.exit_status = exc.exit_status
                return
            yield name, result


def _deleted(placement: client.Placement, name: str) -> str:
    try:
        placement.delete_trait(name)
    except client.Conflict:
        return 'carried again meanwhile'
    except client.NotFound:
        return 'gone already'
    return 'deleted'
