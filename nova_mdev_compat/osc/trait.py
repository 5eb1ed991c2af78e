# SPDX-License-Identifier: Apache-2.0
"""openstack mdev trait: decode traits, and purge unused ones."""

import argparse
from collections.abc import Iterator, Mapping
import dataclasses
from typing import Any

from nova_mdev_compat.cli import common
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.core import traits
from nova_mdev_compat.osc import command
from nova_mdev_compat.placement import client
from nova_mdev_compat.publication import host_traits


class Words(common.Column):
    """The meaning of a trait: words for people, values for programs."""

    def human_readable(self) -> str:
        return str(self._value.words)

    def machine_readable(self) -> Any:
        return self._value.values


class Decode(command.Lister):
    """Show the meaning of traits.

    It contacts no cloud and needs no credentials. With -f json, "meaning" is
    an object with those of the keys "parent", "type", "fact", "value" and
    "conditions" that the trait has.

    The exit status is 0, and 2 if one is not a trait of ours or is invalid.

    Example::

        openstack mdev trait decode CUSTOM_MDEV_FACT_DRIVER_550_54_14
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

    def take_action(self, parsed_args: argparse.Namespace) -> command.Table:
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

    These are traits of drivers, types and rules that no host has any more.
    Those that the filter's queries need (V1, HOST and MIXED) stay. A
    collector that was about to use a trait creates it again at its next
    pass; if you run it with "once", run it again. A scheduler that still
    knows one asks Placement again.

    The exit status is 0, and 1 if Placement does not delete an unused one.

    Example::

        openstack mdev trait purge --dry-run
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--dry-run',
            action='store_true',
            help='List what would be deleted, and keep it.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> command.Table:
        # In this order: a trait that is created meanwhile is not in the first.
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
        """Delete traits until Placement fails or refuses."""
        for name in common.progress(names):
            try:
                self.placement.delete_trait(name)
                result = 'deleted'
            except client.Conflict:
                result = 'carried again meanwhile'
            except client.NotFound:
                result = 'gone already'
            except client.PlacementError as exc:
                # List those that are deleted.
                self.complain(exc)
                self.exit_status = exc.exit_status
                return
            yield name, result


@dataclasses.dataclass(frozen=True, order=True)
class Meaning:
    """The meaning of a trait.

    :ivar kind: "schema", "host", "mixed", "parent", "type", "in use", "fact"
        or "accept pattern"
    :ivar words: for people
    :ivar values: for programs: "parent" of a parent; "type" of a type; "fact"
        and "value" of a fact; "parent", "type" and "conditions" of an accept
        pattern, where each condition has "fact", "op" (the trait's word) and
        "value"
    """

    kind: str
    words: str
    values: Mapping[str, Any] = dataclasses.field(
        compare=False, default_factory=dict
    )


_WITHOUT_VALUE = {
    traits.SCHEMA: Meaning(
        'schema', 'a collector publishes here, in version 1 of the traits'
    ),
    traits.HOST: Meaning('host', 'a collector publishes for this host'),
    traits.MIXED: Meaning(
        'mixed',
        "this host's devices differ: each of them advertises for itself, and "
        'its root provider does not',
    ),
}


def decode(name: str) -> Meaning:
    """Return the meaning of a trait.

    :raises traits.TraitError: it is not ours, or is invalid
    """
    if not traits.is_ours(name):
        raise traits.TraitError(
            f'{name!r} is not a trait of ours, which begin with '
            f'{traits.PREFIX}'
        )
    if name in _WITHOUT_VALUE:
        return _WITHOUT_VALUE[name]
    if name.startswith(traits.ACCEPT):
        return _pattern(traits.decode_pattern(name))
    if name.startswith(traits.FACT):
        fact, value = traits.decode_fact(name)
        shown = identity.display(fact, value)
        return Meaning(
            'fact', f'{fact}={shown}', {'fact': fact, 'value': shown}
        )
    found = traits.describe([name])
    if found.unreadable:
        raise traits.TraitError(
            f'{name} is invalid: it is of another version, or it was made by '
            'hand'
        )
    for shown in map(identity.display_parent, found.parents):
        return Meaning('parent', f'device {shown}', {'parent': shown})
    for shown in map(identity.display_type, found.types):
        return Meaning(
            'type', f'Nova uses vGPU type {shown} here', {'type': shown}
        )
    (shown,) = map(identity.display_type, found.in_use)
    return Meaning(
        'in use',
        f'running domains still use mdev type {shown}',
        {'type': shown},
    )


def _pattern(pattern: pat.Pattern) -> Meaning:
    parent = identity.display_parent(pattern.parent)
    mdev_type = identity.display_type(pattern.type)
    return Meaning(
        'accept pattern',
        f'from {", ".join(pattern.words())}',
        {
            'parent': parent,
            'type': mdev_type,
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
