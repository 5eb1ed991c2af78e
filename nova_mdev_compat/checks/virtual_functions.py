# SPDX-License-Identifier: Apache-2.0
"""Whether Nova's options serve vGPUs that are virtual functions.

nova.conf of this host and Placement show some of these options. The rest is
on the compute hosts, where each collector reports it.

Does not import Nova: commands.py passes in what Nova knows.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
import dataclasses
import json
from typing import Any

from oslo_upgradecheck.upgradecheck import Code
from oslo_upgradecheck.upgradecheck import Result

from nova_mdev_compat.core import text
from nova_mdev_compat.core import traits
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import providers

#: The first Nova that live-migrates virtual functions (2025.1).
OLDEST = 31
_TRUE = frozenset({'1', 't', 'true', 'on', 'y', 'yes'})

#: Returns the class of a PCI device by the name that the options give it,
#: vendor and product.
ClassOf = Callable[[str | None, str | None, str | None], str]


@dataclasses.dataclass(frozen=True)
class Alias:
    """A ``[pci]alias`` of virtual functions.

    :ivar vendor: four hexadecimal digits in lower case, None for any
    """

    name: str
    vendor: str | None
    resource_class: str
    live_migratable: bool


def aliases(texts: Iterable[str], class_of: ClassOf) -> tuple[Alias, ...]:
    """Return the aliases of virtual functions among ``[pci]alias``.

    Those that nova-api refuses are left out.
    """
    found = []
    for value in texts:
        try:
            entry = json.loads(value)
            if entry.get('device_type') == 'type-VF':
                found.append(_alias(entry, class_of))
        except (ValueError, LookupError, AttributeError, TypeError):
            continue
    return tuple(found)


def _alias(entry: dict[str, Any], class_of: ClassOf) -> Alias:
    vendor, product = entry.get('vendor_id'), entry.get('product_id')
    if not (entry.get('resource_class') or (vendor and product)):
        raise ValueError('it names no device')
    migratable = str(entry.get('live_migratable')).strip().lower()
    return Alias(
        entry['name'].strip(),
        vendor.lower() if vendor else None,
        class_of(entry.get('resource_class'), vendor, product),
        migratable in _TRUE,
    )


def vendors(carried: Iterable[str]) -> set[str]:
    """Return the vendors of published devices, as in Alias.

    :param carried: the traits of ours that any provider carries
    """
    return {
        name.removeprefix(traits.PARENT).partition('_')[0].lower()
        for name in carried
        if name.startswith(traits.PARENT)
    }


def not_supported(hosts: Collection[str], nova: str) -> Iterator[Result]:
    """Report that this Nova, ``29.0.1``, does not migrate such devices."""
    if hosts:
        yield Result(
            Code.SUCCESS,
            f'Nova {nova} does not live-migrate virtual functions, which '
            f'{text.named(hosts, "host")} have: {OLDEST} (2025.1) is the first '
            'release that does',
        )


def placement_options(
    hosts: Collection[str], in_placement: bool
) -> Iterator[Result]:
    """Check that candidates name the boards of virtual functions.

    :param hosts: names of those that publish such boards
    :param in_placement: ``[filter_scheduler]pci_in_placement``
    """
    if hosts and not in_placement:
        yield Result(
            Code.WARNING,
            '[filter_scheduler]pci_in_placement is off here: of '
            f'{text.named(hosts, "host")} with virtual functions the filter '
            'refuses each one with a board that does not accept. Turn it on '
            'here and on all hosts of nova-api, nova-scheduler and '
            'nova-conductor, once all compute hosts have '
            '[pci]report_in_placement',
        )


def post_copy(hosts: Collection[str], permitted: bool) -> Iterator[Result]:
    """Check that no migration of virtual functions uses post-copy.

    :param permitted: ``[libvirt]live_migration_permit_post_copy``
    """
    if hosts and permitted:
        yield Result(
            Code.WARNING,
            '[libvirt]live_migration_permit_post_copy is on here, and VFIO '
            'devices cannot be migrated with post-copy: turn it off on the '
            'compute hosts with virtual functions',
        )


def migratable(
    found: Iterable[Alias], published_vendors: Collection[str]
) -> Iterator[Result]:
    """Check that Nova migrates what aliases of virtual functions name.

    :param published_vendors: the vendors of published devices, as in Alias
    """
    names = {
        alias.name
        for alias in found
        if not alias.live_migratable
        and alias.vendor in {None, *published_vendors}
    }
    if names:
        yield Result(
            Code.WARNING,
            f'[pci]alias {text.join(sorted(names))}: not live_migratable: yes. '
            'If it is for vGPUs, add that here and on all hosts of nova-api '
            'and nova-compute; until then their live migrations are refused. '
            'An instance keeps what the alias was when it was booted or '
            'resized',
        )


def published(
    found: Iterable[Alias], hosts: Collection[str]
) -> Iterator[Result]:
    """Check that a collector has published virtual functions at all.

    A host that does not report PCI devices cannot be seen in Placement.

    :param found: aliases that are live_migratable
    """
    names = sorted({alias.name for alias in found})
    if names and not hosts:
        yield Result(
            Code.WARNING,
            f'[pci]alias {text.join(names)}: live_migratable, and no collector '
            'has published virtual functions: set [pci]report_in_placement on '
            'the compute hosts that have its devices, and see '
            'nova-mdev-collector dry-run there',
        )


def reported(
    found: Iterable[Alias],
    known: Collection[str],
    with_class: Callable[[str], Iterable[client.Provider]],
    ours: Collection[str],
) -> Iterator[Result]:
    """Check that collectors have published about all boards of aliases.

    A board without a free device cannot be seen.

    :param found: aliases that are live_migratable
    :param known: all resource classes
    :param with_class: returns the providers with free capacity of a class
    :param ours: UUIDs of the providers that collectors have created
    """
    names: dict[str, set[str]] = {}
    for alias in found:
        names.setdefault(alias.resource_class, set()).add(alias.name)
    for resource_class, some in sorted(names.items()):
        label = f'[pci]alias {text.join(sorted(some))}'
        if resource_class not in known:
            yield Result(
                Code.WARNING,
                f'{label}: no compute host has reported devices of '
                f'{resource_class}: set [pci]report_in_placement there, or '
                'correct the class',
            )
            continue
        without = [
            provider.name
            for provider in with_class(resource_class)
            if providers.child_uuid(provider.uuid) not in ours
        ]
        if without:
            yield Result(
                Code.WARNING,
                f'{label}: no collector has published '
                f'{text.named(without, "board")}: start nova-mdev-collector '
                'there, or see its dry-run',
            )


def elsewhere(hosts: Collection[str]) -> Iterator[Result]:
    """Report where the options are that cannot be checked here."""
    if hosts:
        yield Result(
            Code.SUCCESS,
            'managed and live_migratable of [pci]device_spec are not visible '
            'here: nova-mdev-collector status reports them on each compute '
            'host',
        )
