# SPDX-License-Identifier: Apache-2.0
"""What dry-run and status print."""

import dataclasses
import json
from typing import Any

import prettytable

from nova_mdev_compat.core import identity
from nova_mdev_compat.daemons.collector import state as collector_state
from nova_mdev_compat.host import nova_types
from nova_mdev_compat.host import remarks
from nova_mdev_compat.publication import host_traits

#: Of the JSON; its shape is described in the operator's guide.
SCHEMA_VERSION = '2.1'


def as_json(host: host_traits.Host) -> str:
    """Return everything known about a host, for programs."""
    combined = host_traits.combine(host.parents)
    document = {
        'schema_version': SCHEMA_VERSION,
        'host': host.name,
        'mixed': combined.mixed,
        'root_traits': sorted(combined.root),
        'parents': [
            {
                **_parent(item),
                'traits': sorted(combined.parents[item.parent.name]),
            }
            for item in host.parents
        ],
        'unused_mdevs': [
            {
                'name': mdev.name,
                'uuid': mdev.uuid,
                'type': mdev.type,
                'parent': mdev.parent,
                'state': kind.value,
            }
            for mdev, kind in host.leftovers
        ],
        'remarks': list(host.remarks),
    }
    return json.dumps(document, indent=2)


def _parent(item: host_traits.ParentTraits) -> dict[str, Any]:
    parent = item.parent
    return {
        'name': parent.name,
        'parent_id': parent.parent_id,
        'offered_types': list(parent.offered),
        'target_type': parent.target_type,
        'device_api': parent.device_api,
        'in_use_types': sorted(parent.in_use),
        'facts': dict(sorted(parent.facts.items())),
        'unknown_facts': dict(sorted(parent.unknown.items())),
        'accepts': sorted(item.accepts),
        'rules': [
            {
                'name': outcome.name,
                'source': outcome.source,
                'accepts': sorted(outcome.patterns),
                'skipped_because': [
                    {'cause': reason.cause.value, 'text': reason.text}
                    for reason in outcome.reasons
                ],
            }
            for outcome in item.outcomes
        ],
        'vendor_plugin': item.plugin,
        'note': item.note,
        'failure': str(item.failure) if item.failure else None,
    }


def as_table(host: host_traits.Host) -> str:
    """Return a table of a host's parents, for people."""
    if not host.parents:
        return _with_remarks(
            f'{host.name}: libvirt knows no device that can create mdevs '
            '(virsh nodedev-list --cap mdev_types).',
            host,
        )
    table = prettytable.PrettyTable(
        ['Device', 'Is', 'Accepts', 'Because of'], align='l', hrules=1
    )
    for item in host.parents:
        table.add_row(
            [
                item.parent.name,
                '\n'.join(_identity(item)),
                '\n'.join(sorted(item.accepts)) or 'nothing',
                '\n'.join(_because(item)),
            ]
        )
    combined = host_traits.combine(host.parents)
    speaks = (
        'each device speaks for itself'
        if combined.mixed
        else 'the host speaks for its devices'
    )
    return _with_remarks(f'{table}\n{host.name}: {speaks}.', host)


def _with_remarks(text: str, host: host_traits.Host) -> str:
    free = [
        mdev.name
        for mdev, kind in host.leftovers
        if kind is remarks.Unused.FREE
    ]
    lines = (
        [f'Free, and used again by Nova: {nova_types.some(free)}.']
        if free
        else []
    )
    lines += [f'Note: {remark}.' for remark in host.remarks]
    return '\n'.join([text, *lines])


def _identity(item: host_traits.ParentTraits) -> list[str]:
    parent = item.parent
    lines = [
        f'device: {identity.display_parent(parent.parent_id) or "unknown"}',
        f'type: {parent.target_type or "none"}',
    ]
    lines += [f'still in use: {name}' for name in sorted(parent.in_use)]
    lines += [
        f'{name}: {value}' for name, value in sorted(parent.facts.items())
    ]
    return lines + [f'{name}: unknown' for name in sorted(parent.unknown)]


def _because(item: host_traits.ParentTraits) -> list[str]:
    lines = item.note.split('; ') if item.note else []
    for outcome in item.outcomes:
        if outcome.reasons:
            why = ', '.join(map(str, outcome.reasons))
            lines.append(f'not {outcome.name!r}: {why}')
        else:
            lines.append(f'{outcome.name!r}')
    return lines


def state_as_json(state: collector_state.State, trouble: list[str]) -> str:
    """Return how the service fares, for programs."""
    return json.dumps(
        {
            **dataclasses.asdict(state),
            'healthy': not trouble,
            'trouble': trouble,
        },
        indent=2,
    )


def state_as_table(state: collector_state.State, trouble: list[str]) -> str:
    """Return how the service fares, for people."""
    table = prettytable.PrettyTable(['Field', 'Value'], align='l')
    table.add_rows(
        [
            ['host', state.host or 'unknown'],
            ['healthy', '\n'.join(trouble) or 'yes'],
            ['last success', collector_state.when(state.last_success)],
            ['last pass', collector_state.when(state.last_pass)],
            [
                'published on',
                '\n'.join(
                    f'{name}: {len(names)} traits'
                    for name, names in sorted(state.published.items())
                )
                or 'nothing',
            ],
            *(['note', remark] for remark in state.remarks),
        ]
    )
    return str(table)
