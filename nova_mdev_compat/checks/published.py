# SPDX-License-Identifier: Apache-2.0
"""Have all hosts published, and in a schema that this version reads?"""

from collections.abc import Collection, Iterable
import re

from oslo_upgradecheck import upgradecheck

from nova_mdev_compat.checks import words
from nova_mdev_compat.cloud import model
from nova_mdev_compat import placement as pl
from nova_mdev_compat import traits

_SCHEMA = re.compile(traits.SCHEMA.rstrip('0123456789') + '([0-9]+)')
_OURS = int(traits.SCHEMA.removeprefix(traits.PREFIX + 'V'))


def hosts(cloud: model.Cloud) -> upgradecheck.Result:
    """Return whether a collector has published wherever mdevs are."""
    silent = [host.name for host in cloud.hosts
              if host.parents and not host.published]
    partly = [f'{host.name} {parent.name}' for host, parent in cloud.parents()
              if host.published and not parent.identities]
    found = []
    if silent:
        found.append(words.warning(
            f'no collector has published on {words.some(silent)}: start '
            'nova-mdev-collector there'))
    if partly:
        found.append(words.warning(
            'no complete identity is published of '
            f'{words.some(partly)}: see nova-mdev-collector --dry-run there '
            '(a device that is gone keeps its provider, and accepts nothing)'))
    if not any(host.parents for host in cloud.hosts):
        found.append(words.warning('no host has mdevs'))
    return words.worst(found)


def other_schemas(carried: Iterable[str]) -> dict[str, int]:
    """Return the schema traits that are not ours, with their versions."""
    found = {name: int(match[1]) for name in carried
             if (match := _SCHEMA.fullmatch(name))}
    return {name: number for name, number in found.items()
            if number != _OURS}


def schema(placement: pl.Placement, carried: Collection[str],
           cloud: model.Cloud) -> upgradecheck.Result:
    """Return whether all that is published can be read.

    :param carried: the traits of ours that any provider carries
    :raises placement.PlacementError: Placement does not answer, or refuses
    """
    found = [
        _other(number, [item.name for item in placement.providers_at(
            f'required={name}') if item.is_root])
        for name, number in sorted(other_schemas(carried).items())]
    wrong = sorted({name for _, parent in cloud.parents()
                    for name in parent.said.unreadable})
    if wrong:
        found.append(words.warning(
            f'these traits make no sense to this version: '
            f'{words.some(wrong)}'))
    return words.worst(found)


def _other(number: int, names: Collection[str]) -> upgradecheck.Result:
    which = ('newer: upgrade nova-mdev-compat here' if number > _OURS
             else 'older: upgrade nova-mdev-compat there')
    return words.failure(
        f'schema {number} of traits is {which}; it is published by '
        f'{len(names)} hosts: {words.some(names)}')
