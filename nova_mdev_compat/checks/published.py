# SPDX-License-Identifier: Apache-2.0
"""Have all hosts published, in a schema that this version reads? Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from nova_mdev_compat.checks import words
from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import model

_OURS = int(traits.SCHEMA.removeprefix(traits.PREFIX + 'V'))

#: UUIDs of the root providers of hosts, by the trait that they have.
Hosts = Mapping[str, Collection[str]]


def hosts(cloud: model.Cloud, others: Hosts) -> words.Finding:
    """Return whether a collector has published wherever mdevs are.

    :param others: hosts that publish in another schema, by its trait
    """
    elsewhere = {uuid for uuids in others.values() for uuid in uuids}
    found = []
    silent = [
        host.name
        for host in cloud.hosts
        if host.parents and not host.published and host.uuid not in elsewhere
    ]
    if silent:
        found.append(
            words.warning(
                f'no collector has published on {words.count(silent, "host")}: '
                'start nova-mdev-collector there'
            )
        )
    partly = [
        f'{host.name} {parent.name}'
        for host, parent in cloud.parents()
        if host.published and not parent.identities
    ]
    if partly:
        found.append(
            words.warning(
                'no complete identity is published of '
                f'{words.count(partly, "device")}: see nova-mdev-collector '
                '--dry-run there (a device that is gone keeps its provider, and '
                'accepts nothing)'
            )
        )
    if not any(host.parents for host in cloud.hosts):
        found.append(
            words.warning(
                'no host has mdevs: Placement has no provider of a device that '
                'can create some; see [devices]enabled_mdev_types of the compute '
                "hosts, and nova-compute's log"
            )
        )
    return words.worst(found)


def schema(
    cloud: model.Cloud, others: Hosts, carried: Iterable[str]
) -> words.Finding:
    """Return whether all that is published can be read.

    :param others: hosts that publish in another schema, by its trait
    :param carried: the traits of ours that any provider carries
    """
    names = {host.uuid: host.name for host in cloud.hosts}
    found = [
        _other(trait, [names.get(uuid, uuid) for uuid in uuids])
        for trait, uuids in sorted(others.items())
    ]
    wrong = {
        name
        for _, parent in cloud.parents()
        for name in parent.said.unreadable
    }
    if not others:  # whose other traits need make no sense to us
        wrong |= set(traits.describe(carried).unreadable)
    if wrong:
        found.append(_unreadable(wrong, cloud))
    return words.worst(found)


def _other(trait: str, names: Collection[str]) -> words.Finding:
    number = int(trait.removeprefix(traits.PREFIX + 'V'))
    which = (
        'newer: upgrade nova-mdev-compat here'
        if number > _OURS
        else 'older: upgrade nova-mdev-compat there'
    )
    return words.failure(
        f'{trait}, the schema of {words.count(names, "host")}, is {which}'
    )


def _unreadable(wrong: Collection[str], cloud: model.Cloud) -> words.Finding:
    where = set(_carriers(wrong, cloud))
    on = f' on {words.some(where)}' if where else ''
    return words.warning(
        f'{words.count(wrong, "trait")}{on} cannot be read, and a device with '
        'one is not known: upgrade nova-mdev-compat here if a newer collector '
        'wrote it; if not, start nova-mdev-collector there again, which takes '
        'it away'
    )


def _carriers(wrong: Collection[str], cloud: model.Cloud) -> Iterator[str]:
    for host, parent in cloud.parents():
        if not set(wrong).isdisjoint(parent.said.unreadable):
            yield f'{host.name} {parent.name}'
