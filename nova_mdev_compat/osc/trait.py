# SPDX-License-Identifier: Apache-2.0
"""openstack mdev trait: decode traits, and purge unused ones."""

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
import dataclasses
import itertools
from typing import Any

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.core import traits
from nova_mdev_compat.osc import command
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
    trait of ours or is invalid.

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
        rows = []
        for name in parsed_args.traits:
            try:
                found = decode(name)
            except traits.TraitError as exc:
                raise exceptions.BadInput(str(exc)) from exc
            rows.append((name, found.kind, Words(found)))
        return ('Trait', 'Kind', 'Meaning'), rows


class Purge(command.Lister):
    """Delete the traits of ours that no provider carries.

    Collectors leave them behind: traits of drivers, types and rules that no
    host has any more. Those that the filter's queries need (V1, HOST and
    MIXED) stay. A collector that was about to use a trait makes it again at
    its next pass; where you run it with "once", run it again.
    A scheduler that still knew one asks again. The exit status is 0, and 1
    if Placement does not delete an unused one.

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


@dataclasses.dataclass(frozen=True, order=True)
class Meaning:
    """What a trait says.

    :ivar kind: which of ours it is: "schema", "host", "mixed", "parent",
        "type", "in use", "fact" or "accept pattern"
    :ivar words: for people
    :ivar values: for programs; of a parent "parent", of a type "type", of a
        fact "fact" and "value", of an accept pattern "parent", "type" and
        "conditions", a list of "fact", "op" and "value" where "op" is a
        trait's word; otherwise nothing
    """

    kind: str
    words: str
    values: Mapping[str, Any] = dataclasses.field(compare=False)


_SIMPLE = {
    traits.SCHEMA: Meaning(
        'schema', 'a collector publishes here, in version 1 of the traits', {}
    ),
    traits.HOST: Meaning('host', 'a collector publishes for this host', {}),
    traits.MIXED: Meaning(
        'mixed',
        "this host's devices differ: each says for itself what it "
        'accepts, its root provider does not',
        {},
    ),
}


def decode(name: str) -> Meaning:
    """Return what a trait says.

    :raises traits.TraitError: it is not ours, or is invalid
    """
    if not traits.is_ours(name):
        raise traits.TraitError(
            f'{name!r} is not a trait of ours, which begin with '
            f'{traits.PREFIX}'
        )
    if name in _SIMPLE:
        return _SIMPLE[name]
    if name.startswith(traits.ACCEPT):
        return _pattern(traits.decode_pattern(name))
    if name.startswith(traits.FACT):
        fact, value = traits.decode_fact(name)
        shown = identity.display(fact, value)
        return Meaning(
            'fact', f'{fact}={shown}', {'fact': fact, 'value': shown}
        )
    said = traits.describe([name])
    if said.unreadable:
        raise traits.TraitError(
            f'{name} is invalid: it is of another version, or it was '
            'made by hand'
        )
    return _value(said)


def _value(said: traits.Description) -> Meaning:
    for parent in said.parents:
        shown = identity.display_parent(parent)
        return Meaning('parent', f'device {shown}', {'parent': shown})
    for name in map(identity.display_type, said.types):
        return Meaning(
            'type', f'Nova uses mdev type {name} here', {'type': name}
        )
    (name,) = map(identity.display_type, said.in_use)
    return Meaning(
        'in use', f'running domains still use mdev type {name}', {'type': name}
    )


def _pattern(pattern: pat.Pattern) -> Meaning:
    parent = identity.display_parent(pattern.parent)
    whole = parent.removesuffix(f':{pat.ANY.lower()}')
    words = [
        f'from device {parent}'
        if whole == parent
        else f'from any device of vendor {whole}',
        'any type'
        if pattern.type == pat.ANY
        else f'type {identity.display_type(pattern.type)}',
    ]
    words += _conditions(pattern.conditions)
    return Meaning(
        'accept pattern',
        ', '.join(words),
        {
            'parent': parent,
            'type': identity.display_type(pattern.type),
            'conditions': [
                {
                    'fact': one.fact,
                    'op': one.op.name,
                    'value': identity.display(one.fact, one.value),
                }
                for one in pattern.conditions
            ],
        },
    )


def _conditions(conditions: Sequence[pat.Condition]) -> list[str]:
    """Return a text for each fact: ``driver at least 535 and below 560``."""
    by_fact = itertools.groupby(conditions, lambda one: one.fact)
    return [
        f'{fact} '
        + ' and '.join(
            f'{one.op.value} {identity.display(fact, one.value)}'
            for one in some
        )
        for fact, some in by_fact
    ]
