# SPDX-License-Identifier: Apache-2.0
"""What a domain's metadata is to say of its mdevs. Pure.

Nothing is guessed: an mdev of which nobody can say what it comes from is
written down without identity, which the guard of another host takes for
unknown. But what was written on this host and speaks of the same mdevs is not
erased because a file could not be read: a device does not change while a
domain has an mdev of it.
"""

from collections.abc import Mapping, Sequence
import dataclasses

from nova_mdev_compat.core import identity as ident
from nova_mdev_compat.host import mdev_sysfs
from nova_mdev_compat.late_check import annotation
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file

#: What is known, or why it is not.
Place = mdev_sysfs.Place | str
Devices = devices_file.Devices | str

LIVE = 'live'
CONFIG = 'config'


@dataclasses.dataclass(frozen=True)
class Seen:
    """A domain, as libvirt describes it.

    :ivar name: its name
    :ivar uuid: its own UUID
    :ivar live: what it is while it runs, None where it does not
    :ivar config: what it will be after its next start, None where it will be
        gone then
    """

    name: str
    uuid: str
    live: domain_xml.Domain | None
    config: domain_xml.Domain | None

    def descriptions(self) -> dict[str, domain_xml.Domain]:
        """Return the descriptions that there are, by LIVE and CONFIG."""
        both = {LIVE: self.live, CONFIG: self.config}
        return {where: found for where, found in both.items() if found}


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is to be said of one mdev.

    :ivar mdev: that
    :ivar why: why nobody knows now what it comes from, empty where it is
        known
    """

    mdev: annotation.Mdev
    why: str = ''


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done about one domain.

    :ivar seen: the domain
    :ivar entries: what is to be said of its mdevs; none if nothing is
    :ivar where: in which descriptions that differs from what is said: some
        of LIVE and CONFIG
    :ivar host: libvirt's name of this host
    """

    seen: Seen
    entries: tuple[Entry, ...]
    where: tuple[str, ...]
    host: str = ''

    @property
    def action(self) -> str:
        """Return what is to be done, in a word: none, write, remove."""
        if not self.where:
            return 'none'
        return 'write' if self.entries else 'remove'

    def element(self) -> str | None:
        """Return the metadata element, None where there is to be none."""
        if not self.entries:
            return None
        return annotation.write(_mdevs(self.entries), self.host)


def keep(
    seen: Seen, places: Mapping[str, Place], devices: Devices, host: str
) -> Plan:
    """Return what is to be done so that a domain says what its mdevs are.

    :param places: where its mdevs are, by their UUIDs
    :param devices: what the collector found on this host
    :param host: libvirt's name of it
    """
    if seen.live is None:
        return Plan(seen, (), ())
    found = tuple(
        _entry(uuid, places[uuid], devices) for uuid in seen.live.uuids
    )
    if seen.live.host == host:
        found = _not_erasing(found, seen.live.annotated or ())
    return _plan(seen, found, host)


def drop(seen: Seen) -> Plan:
    """Return what is to be done so that a domain says nothing."""
    return _plan(seen, ())


def _plan(seen: Seen, entries: tuple[Entry, ...], host: str = '') -> Plan:
    wanted = (_mdevs(entries) or None, host if entries else '')
    return Plan(
        seen,
        entries,
        tuple(
            where
            for where, found in seen.descriptions().items()
            if found.fault or (found.annotated, found.host) != wanted
        ),
        host,
    )


def _mdevs(entries: Sequence[Entry]) -> tuple[annotation.Mdev, ...]:
    return tuple(entry.mdev for entry in entries)


def _not_erasing(
    found: tuple[Entry, ...], present: Sequence[annotation.Mdev]
) -> tuple[Entry, ...]:
    """Return what was found, and else what is there of the same mdevs."""
    before = {mdev.uuid: mdev for mdev in present}
    if before.keys() != {entry.mdev.uuid for entry in found}:
        return found
    return tuple(
        dataclasses.replace(entry, mdev=before[entry.mdev.uuid])
        if entry.why
        else entry
        for entry in found
    )


def _entry(uuid: str, place: Place, devices: Devices) -> Entry:
    identity = _identity(place, devices)
    if isinstance(identity, str):
        return Entry(annotation.Mdev(uuid, None), identity)
    return Entry(annotation.Mdev(uuid, identity))


def _identity(place: Place, devices: Devices) -> ident.Identity | str:
    """Return what an mdev comes from, or why that is not known."""
    if isinstance(devices, str):
        return devices
    if isinstance(place, str):
        return place
    device = devices.devices.get(place.device)
    if device is None:
        return f'nova-mdev-collector has not found {place.device}'
    try:
        identity = device.described().identity_of(ident.canonical(place.type))
    except ident.IdentityError as exc:
        return f'its mdev type: {exc}'
    if identity is None or not _can_be_read(identity):
        return f'what is known of {place.device} is incomplete'
    return identity


def _can_be_read(identity: ident.Identity) -> bool:
    """Tell whether what is written of an identity means the same.

    What does not would differ after each time that it is written, and each
    time wakes the service.
    """
    mdev = annotation.Mdev('', identity)
    text = f'<domain><metadata>{annotation.write([mdev])}</metadata></domain>'
    return domain_xml.parse(text.encode()).annotated == (mdev,)
