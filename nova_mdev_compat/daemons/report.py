# SPDX-License-Identifier: Apache-2.0
"""The tables of dry-run and status, and the JSON of status."""

import dataclasses
import json

import prettytable

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import text
from nova_mdev_compat.daemons import state as collector_state
from nova_mdev_compat.host import remarks
from nova_mdev_compat.publication import host_traits


def as_table(host: host_traits.HostSnapshot) -> str:
    """Return a table of a host's parents, for people."""
    if host.parents:
        table = prettytable.PrettyTable(
            ['Device', 'Is', 'Accepts', 'Because of'], align='l', hrules=1
        )
        for item in host.parents:
            table.add_row(
                [
                    item.parent.name,
                    '\n'.join(_identity(item)),
                    '\nor\n'.join(_accepted(item)) or 'nothing',
                    '\n'.join(_because(item)),
                ]
            )
        advertises = (
            'devices differ, so traits are published per device'
            if host_traits.build_host_traits(host.parents).mixed
            else 'devices are alike, so traits are published once for the host'
        )
        lines = [str(table), f'{host.name}: {advertises}.']
    else:
        lines = [
            f'{host.name}: there is no device for vGPUs. libvirt knows none '
            'that can create mdevs (virsh nodedev-list --cap mdev_types), and '
            'sysfs has no virtual function with a VFIO variant driver '
            '(/sys/bus/pci/devices/*/nvidia, */vfio-dev).'
        ]
    free = [
        mdev.name
        for mdev, kind in host.leftovers
        if kind is remarks.Unused.FREE
    ]
    if free:
        lines.append(f'Free, and used again by Nova: {text.join(free)}.')
    lines += [f'Note: {remark}.' for remark in host.remarks]
    return '\n'.join(lines)


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


def _accepted(item: host_traits.ParentTraits) -> list[str]:
    """Return what each accept pattern allows, a line for each clause."""
    return [
        '\n'.join(item.accepts[name].words()) for name in sorted(item.accepts)
    ]


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
    """Return the state of the service, for programs."""
    return json.dumps(
        {
            **dataclasses.asdict(state),
            'healthy': not trouble,
            'trouble': trouble,
        },
        indent=2,
    )


def state_as_table(state: collector_state.State, trouble: list[str]) -> str:
    """Return the state of the service, for people."""
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
