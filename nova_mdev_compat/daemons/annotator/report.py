# SPDX-License-Identifier: Apache-2.0
"""What dry-run prints. Pure."""

from collections.abc import Sequence
import json
from typing import Any

import prettytable

from nova_mdev_compat.core import identity as ident
from nova_mdev_compat.daemons.annotator.plan import Entry
from nova_mdev_compat.daemons.annotator.plan import Plan

#: Of the JSON; its shape is described with the command.
SCHEMA_VERSION = '1.0'

_WORDS = {
    'none': 'nothing, it is right',
    'write': 'write: ',
    'remove': 'remove: ',
}


def as_json(plans: Sequence[Plan]) -> str:
    """Return what would be done, for programs."""
    return json.dumps(
        {
            'schema_version': SCHEMA_VERSION,
            'domains': [_domain(plan) for plan in plans],
        },
        indent=2,
    )


def _domain(plan: Plan) -> dict[str, Any]:
    return {
        'name': plan.seen.name,
        'uuid': plan.seen.uuid,
        'action': plan.action,
        'where': list(plan.where),
        'mdevs': [_mdev(entry) for entry in plan.entries],
        'element': plan.element(),
    }


def _mdev(entry: Entry) -> dict[str, Any]:
    return {
        'uuid': entry.mdev.uuid,
        'identity': _identity(entry.mdev.identity),
        'unknown_because': entry.why or None,
    }


def _identity(identity: ident.Identity | None) -> dict[str, Any] | None:
    if identity is None:
        return None
    return {
        'parent': ident.display_parent(identity.parent),
        'type': ident.display_type(identity.type),
        'facts': {
            name: ident.display(name, value)
            for name, value in sorted(identity.facts)
        },
    }


def as_table(plans: Sequence[Plan]) -> str:
    """Return a table of domains, for people."""
    if not plans:
        return 'No running domain has mdevs.'
    table = prettytable.PrettyTable(
        ['Domain', 'Mdev', 'Is', 'To do'], align='l', hrules=1
    )
    for plan in plans:
        todo = _WORDS[plan.action] + ' and '.join(plan.where)
        for entry in plan.entries:
            table.add_row(
                [
                    plan.seen.name,
                    entry.mdev.uuid,
                    '\n'.join(_lines(entry)),
                    todo,
                ]
            )
        if not plan.entries:
            table.add_row([plan.seen.name, 'none', '', todo])
    return str(table)


def _lines(entry: Entry) -> list[str]:
    identity, lines = entry.mdev.identity, []
    if identity is not None:
        lines = [
            f'device: {ident.display_parent(identity.parent)}',
            f'type: {ident.display_type(identity.type)}',
            *(
                f'{name}: {ident.display(name, value)}'
                for name, value in sorted(identity.facts)
            ),
        ]
    if not entry.why:
        return lines
    return [*lines, f'{"kept" if lines else "unknown"}: {entry.why}']
