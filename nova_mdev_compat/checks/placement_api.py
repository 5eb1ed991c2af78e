# SPDX-License-Identifier: Apache-2.0
"""Whether Placement answers, and what collectors have published there."""

from collections.abc import Collection, Iterable, Iterator, Mapping
import contextlib
import re

from oslo_upgradecheck.upgradecheck import Code
from oslo_upgradecheck.upgradecheck import Result

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import text
from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.fleet import model
from nova_mdev_compat.placement import client

OPTION = '[mdev_compat]resource_classes'

#: UUIDs of the root providers of hosts, by a trait that they have.
HostsByTrait = Mapping[str, Collection[str]]

#: UUID of no provider and no consumer.
_NIL_UUID = '00000000-0000-0000-0000-000000000000'
_OUR_SCHEMA = int(traits.SCHEMA.removeprefix(traits.PREFIX + 'V'))


def answers(placement: client.Placement) -> Iterator[Result]:
    """Check that Placement is new enough and answers the filter's requests.

    :raises client.PlacementError: it does not answer, or refuses
    """
    problems = list(microversion(placement.newest_microversion()))
    yield from problems
    if not problems:
        placement.carried_traits()
        placement.lineage_at('name=nobody')
        placement.allocations(_NIL_UUID)
        with contextlib.suppress(client.NotFound):
            placement.provider_traits(_NIL_UUID)


def microversion(newest: str) -> Iterator[Result]:
    """Check that Placement's newest microversion, ``1.39``, is new enough."""
    needed = tuple(map(int, client.MICROVERSION.split('.')))
    match = re.fullmatch('([0-9]+)[.]([0-9]+)', newest)
    if match is None:
        yield Result(
            Code.FAILURE,
            "the service at Placement's endpoint has the microversion "
            f'{newest!r}, which is not a microversion of Placement',
        )
    elif tuple(map(int, match.groups())) < needed:
        yield Result(
            Code.FAILURE,
            f'Placement supports microversions up to {newest}, and '
            f'{client.MICROVERSION} (Yoga) is needed: upgrade Placement',
        )


def hosts(cloud: model.Cloud, others: HostsByTrait) -> Iterator[Result]:
    """Check that a collector has published on every host with mdevs.

    :param others: hosts that publish in another schema, by its trait
    """
    elsewhere = {uuid for uuids in others.values() for uuid in uuids}
    unpublished = [
        host.name
        for host in cloud.hosts
        if host.parents and not host.published and host.uuid not in elsewhere
    ]
    if unpublished:
        yield Result(
            Code.WARNING,
            f'no collector has published on {text.named(unpublished, "host")}: '
            'start nova-mdev-collector there',
        )
    partly = [
        f'{host.name} {parent.name}'
        for host, parent in cloud.parents()
        if host.published and not parent.identities
    ]
    if partly:
        yield Result(
            Code.WARNING,
            f'no complete identity is published for {text.named(partly, "device")}'
            ': run nova-mdev-collector dry-run there (a device that was removed '
            'keeps its provider, and accepts nothing)',
        )
    if not any(host.parents for host in cloud.hosts):
        yield Result(
            Code.WARNING,
            'no host has mdevs: Placement has no provider of an mdev-capable '
            'device; check [devices]enabled_mdev_types on the compute hosts, '
            "and nova-compute's log",
        )


def schema(
    cloud: model.Cloud, others: HostsByTrait, carried: Iterable[str]
) -> Iterator[Result]:
    """Check that all published traits can be read.

    :param others: hosts that publish in another schema, by its trait
    :param carried: the traits of this package that any provider carries
    """
    names = {host.uuid: host.name for host in cloud.hosts}
    for trait, uuids in sorted(others.items()):
        number = int(trait.removeprefix(traits.PREFIX + 'V'))
        which = (
            'newer: upgrade nova-mdev-compat here'
            if number > _OUR_SCHEMA
            else 'older: upgrade nova-mdev-compat there'
        )
        where = text.named([names.get(uuid, uuid) for uuid in uuids], 'host')
        yield Result(
            Code.FAILURE, f'{trait}, the schema of {where}, is {which}'
        )
    unreadable: set[str] = set()
    carriers = set()
    for host, parent in cloud.parents():
        if parent.traits.unreadable:
            unreadable.update(parent.traits.unreadable)
            carriers.add(f'{host.name} {parent.name}')
    if not others:  # another schema may have traits that this one lacks
        unreadable.update(traits.describe(carried).unreadable)
    if unreadable:
        on = f' on {text.join(sorted(carriers))}' if carriers else ''
        yield Result(
            Code.WARNING,
            f'{text.named(unreadable, "trait")}{on} cannot be read, and a device '
            'with one is unknown: upgrade nova-mdev-compat here if a newer '
            'collector wrote it; otherwise restart nova-mdev-collector there, '
            'which removes it',
        )


def resource_classes(
    used: Collection[str], option: Collection[str]
) -> Iterator[Result]:
    """Check that the filter's option names all resource classes in use."""
    missing = sorted(set(used).difference(option))
    unused = sorted(set(option).difference(used))
    if missing:
        yield Result(
            Code.FAILURE,
            f'{OPTION} lacks {text.join(missing)}: the filter ignores '
            'instances with these; add them to nova.conf of every '
            'nova-scheduler',
        )
    elif not used:
        yield Result(
            Code.WARNING,
            f'{OPTION} cannot be checked: no device that a collector has '
            'published has an inventory',
        )
    elif unused:
        yield Result(
            Code.SUCCESS, f'no device has {text.join(unused)} of {OPTION}'
        )


def classes_in_use(
    placement: client.Placement, cloud: model.Cloud
) -> set[str]:
    """Return the resource classes of managed parents.

    A request for each class finds the parents with free capacity; only the
    others, which are full or gone, cost a request each.

    :raises client.PlacementError: Placement does not answer, or refuses
    """

    def classes_of(uuid: str) -> frozenset[str]:
        try:
            return placement.provider_classes(uuid)
        except client.NotFound:
            return frozenset()  # nova-compute has deleted it since

    left = {
        parent.uuid
        for _, parent in cloud.parents()
        if parent.traits.managed and parent.framework == identity.MDEV
    }
    used = set()
    for name in mdev_classes(placement.resource_classes()) if left else ():
        with_capacity = {
            uuid
            for uuid, _ in placement.lineage_at(
                f'{inventory.PARENTS}&resources={name}:1'
            )
        }
        if with_capacity:
            used.add(name)
        left -= with_capacity
    for names in inventory.map_concurrently(classes_of, sorted(left), iter):
        used |= names
    return used


def mdev_classes(names: Iterable[str]) -> list[str]:
    """Return the resource classes that mdevs can have.

    They are the values of ``[mdev_<type>]mdev_class`` that Nova allows
    (``nova/conf/devices.py``).
    """
    return sorted(
        name for name in names if name == 'VGPU' or name.startswith('CUSTOM_')
    )
