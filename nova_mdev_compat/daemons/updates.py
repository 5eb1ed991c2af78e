# SPDX-License-Identifier: Apache-2.0
"""What to write into a domain's metadata about its devices. Pure.

The devices are its mdevs, and its virtual functions with a VFIO variant
driver. Nothing is guessed: a device without a known source is written without
identity, which the late check of another host treats as unknown. But an
annotation that was written on this host for the same devices is not erased
because a file could not be read: the type of a device does not change while a
domain has it.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import json
from typing import Any

import prettytable

from nova_mdev_compat.core import identity
from nova_mdev_compat.host import sysfs
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file

#: What is known, or why it is not.
Location = sysfs.DeviceLocation | str
Devices = devices_file.DevicesFile | str

LIVE = 'live'
CONFIG = 'config'

#: Of the JSON that --dry-run prints; its shape is described with the command.
SCHEMA_VERSION = '1.1'

_ACTIONS = {
    'none': 'nothing, it is right',
    'write': 'write: ',
    'remove': 'remove: ',
}


@dataclasses.dataclass(frozen=True)
class DomainState:
    """A domain, as libvirt describes it.

    :ivar name: its name
    :ivar uuid: its own UUID
    :ivar live: its running state, None if it does not run
    :ivar config: its state after the next start, None if it is transient
    """

    name: str
    uuid: str
    live: domain_xml.Domain | None
    config: domain_xml.Domain | None


@dataclasses.dataclass(frozen=True)
class AnnotationEntry:
    """What to write about one device.

    :ivar device: its annotation
    :ivar why: why its source is not known now, empty if it is
    """

    device: domain_xml.AnnotatedDevice
    why: str = ''


@dataclasses.dataclass(frozen=True)
class DomainUpdate:
    """What to do about one domain.

    :ivar domain: its state
    :ivar entries: what to write about its devices; none to write nothing
    :ivar where: which states differ from that: some of LIVE and CONFIG
    :ivar host: libvirt's name of this host
    """

    domain: DomainState
    entries: tuple[AnnotationEntry, ...]
    where: tuple[str, ...]
    host: str = ''

    @property
    def action(self) -> str:
        """Return what to do, in a word: none, write, remove."""
        if not self.where:
            return 'none'
        return 'write' if self.entries else 'remove'

    def element(self) -> str | None:
        """Return the metadata element, None for no element."""
        if not self.entries:
            return None
        return domain_xml.write_annotation(
            [entry.device for entry in self.entries], self.host
        )


def plan_update(
    domain: DomainState,
    locations: Mapping[str, Location],
    devices: Devices,
    host: str,
) -> DomainUpdate:
    """Return what to do so that a domain has the sources of its devices.

    :param locations: of its mdevs by their UUIDs, and of its virtual functions
        by their addresses; other PCI devices have none
    :param devices: what the collector found on this host
    :param host: libvirt's name of it
    """
    if domain.live is None:
        return DomainUpdate(domain, (), ())
    names = [
        *((uuid, identity.MDEV) for uuid in domain.live.uuids),
        *((address, identity.VFIO) for address in domain.live.addresses),
    ]
    entries = []
    for name, framework in names:
        if name not in locations:
            continue
        source = _find_source(locations[name], devices)
        device = domain_xml.AnnotatedDevice(name, None, framework)
        entries.append(
            AnnotationEntry(device, source)
            if isinstance(source, str)
            else AnnotationEntry(dataclasses.replace(device, identity=source))
        )
    # What this host has written about the same devices is still true.
    before = {device.name: device for device in domain.live.annotated or ()}
    if domain.live.host == host and before.keys() == {
        entry.device.name for entry in entries
    }:
        entries = [
            dataclasses.replace(entry, device=before[entry.device.name])
            if entry.why
            else entry
            for entry in entries
        ]
    return _compare(domain, tuple(entries), host)


def plan_removal(domain: DomainState) -> DomainUpdate:
    """Return what to do so that a domain has no annotation."""
    return _compare(domain, ())


def _compare(
    domain: DomainState, entries: tuple[AnnotationEntry, ...], host: str = ''
) -> DomainUpdate:
    desired = (
        tuple(entry.device for entry in entries) or None,
        host if entries else '',
    )
    states = {LIVE: domain.live, CONFIG: domain.config}
    return DomainUpdate(
        domain,
        entries,
        tuple(
            where
            for where, state in states.items()
            if state
            and (state.fault or (state.annotated, state.host) != desired)
        ),
        host,
    )


def _find_source(
    location: Location, devices: Devices
) -> identity.Identity | str:
    """Return what a device comes from, or why that is not known."""
    if isinstance(devices, str):
        return devices
    if isinstance(location, str):
        return location
    device = devices.devices.get(location.device)
    if device is None:
        return f'nova-mdev-collector has not found {location.device}'
    try:
        device_type = identity.canonical(location.type)
        source = device.described().identity_of(device_type)
    except identity.IdentityError as exc:
        return f'its type: {exc}'
    if source is not None:
        # It must read back as the same. Otherwise it would differ after each
        # write, and each write wakes the service.
        written = domain_xml.AnnotatedDevice('', source)
        text = domain_xml.write_annotation([written])
        text = f'<domain><metadata>{text}</metadata></domain>'
        if domain_xml.parse(text.encode()).annotated == (written,):
            return source
    return f'what is known of {location.device} is incomplete'


def as_json(updates: Sequence[DomainUpdate]) -> str:
    """Return updates as JSON, for --dry-run."""
    return json.dumps(
        {
            'schema_version': SCHEMA_VERSION,
            'domains': [
                {
                    'name': update.domain.name,
                    'uuid': update.domain.uuid,
                    'action': update.action,
                    'where': list(update.where),
                    'mdevs': _entries_json(update, identity.MDEV, 'uuid'),
                    'functions': _entries_json(
                        update, identity.VFIO, 'address'
                    ),
                    'element': update.element(),
                }
                for update in updates
            ],
        },
        indent=2,
    )


def _entries_json(
    update: DomainUpdate, framework: str, key: str
) -> list[dict[str, Any]]:
    """Return what to write about the devices of one framework.

    :param key: of their names
    """
    return [
        {
            key: entry.device.name,
            'identity': _identity_json(entry.device.identity),
            'unknown_because': entry.why or None,
        }
        for entry in update.entries
        if entry.device.framework == framework
    ]


def _identity_json(source: identity.Identity | None) -> dict[str, Any] | None:
    if source is None:
        return None
    return {
        'parent': identity.display_parent(source.parent),
        'type': identity.display_type(source.type),
        'facts': {
            name: identity.display(name, value)
            for name, value in sorted(source.facts)
        },
    }


def as_table(updates: Sequence[DomainUpdate]) -> str:
    """Return updates as a table, for --dry-run."""
    if not updates:
        return (
            'No running domain has mdevs, or virtual functions with a VFIO '
            'variant driver.'
        )
    table = prettytable.PrettyTable(
        ['Domain', 'Device', 'Is', 'To do'], align='l', hrules=1
    )
    for update in updates:
        todo = _ACTIONS[update.action] + ' and '.join(update.where)
        for entry in update.entries:
            lines = []
            source = _identity_json(entry.device.identity)
            if source:
                lines = [
                    f'device: {source["parent"]}',
                    f'type: {source["type"]}',
                    *(
                        f'{name}: {value}'
                        for name, value in source['facts'].items()
                    ),
                ]
            if entry.why:
                lines.append(f'{"kept" if lines else "unknown"}: {entry.why}')
            table.add_row(
                [update.domain.name, entry.device.name, '\n'.join(lines), todo]
            )
        if not update.entries:
            table.add_row([update.domain.name, 'none', '', todo])
    return str(table)
