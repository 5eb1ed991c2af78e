# SPDX-License-Identifier: Apache-2.0
"""The live migration that a request is for, and the sources of its vGPUs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
import contextlib
import dataclasses
from typing import Any

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import text
from nova_mdev_compat.core import traits
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import providers
from nova_mdev_compat.scheduler.advertised import Advertised
from nova_mdev_compat.scheduler import candidates
from nova_mdev_compat.scheduler import nova_request


class UnknownCompatibility(Exception):
    """Compatibility is unknown; the message says why."""


class NotMigratable(Exception):
    """Nova would refuse every host; the message says why."""


@dataclasses.dataclass(frozen=True)
class LiveMigration:
    """A live migration of an instance with vGPUs.

    :ivar instance: its UUID
    :ivar migration: UUID of the migration, which holds the allocations on
        the source
    :ivar sources: the parents of its mdevs, and of its virtual functions if
        candidates name their providers
    :ivar provider: UUID of the resource provider of one of them
    :ivar classes: resource classes of what the sources hold
    :ivar unnamed: the parents of its virtual functions, if candidates do not
        name their providers
    :ivar why: why some sources are unknown; None if all are known
    """

    instance: str
    migration: str
    sources: tuple[matching.Source, ...]
    provider: str
    classes: frozenset[str] = frozenset()
    unnamed: tuple[matching.Source, ...] = ()
    why: Exception | None = None

    @property
    def all_sources(self) -> tuple[matching.Source, ...]:
        return self.sources + self.unnamed

    def __str__(self) -> str:
        devices = matching.describe(
            source.identities
            for source in self.all_sources
            if source.identities
        )
        return (
            f'live migration {self.migration} of instance '
            f'{self.instance} from {devices}'
        )


def read(
    hosts: list[Any],
    spec_obj: Any,
    classes: frozenset[str],
    aliases: tuple[nova_request.PciAlias, ...],
    advertised: Advertised,
    live_migrations: Callable[[Any], list[str]],
    partly_unknown: bool,
) -> LiveMigration | None:
    """Return the live migration that a request is for, None if it is not one.

    The accepted live migration that holds vGPUs is the one to decide.
    Other records do not matter: neither a clock nor a record left behind
    may decide that there is nothing to decide.

    :param classes: resource classes of mdevs
    :param live_migrations: returns the UUIDs of the accepted live migrations
        of the request's instance, newest first
    :param partly_unknown: one with some unknown sources can be decided
    :raises UnknownCompatibility: an identity is unknown, and the known ones
        cannot refuse a host
    :raises NotMigratable: an alias is not live_migratable
    """
    of_pci = frozenset(alias.resource_class for alias in aliases)
    wanted = sum(alias.count for alias in aliases)
    accepted = live_migrations(spec_obj)
    for migration in accepted:
        allocations = advertised.placement.allocations(migration)
        mdevs = candidates.amounts(allocations, classes)
        functions = candidates.amounts(allocations, of_pci)
        if sum(functions.values()) < wanted:
            functions |= _other_functions(
                advertised, allocations, classes | of_pci
            )
        if mdevs or functions:
            _check_migratable(aliases)
            named = nova_request.candidates_have(hosts, of_pci)
            return _about(
                advertised,
                LiveMigration(
                    spec_obj.instance_uuid,
                    migration,
                    (),
                    min(mdevs | functions),
                    classes | of_pci if named else classes,
                ),
                mdevs,
                functions,
                # Of some, Nova does not report the devices.
                aliases if sum(functions.values()) < wanted else (),
                named,
                partly_unknown,
            )
    if not accepted or nova_request.newest_migration(spec_obj) != accepted[0]:
        return None
    _check_migratable(aliases)
    if aliases:
        raise UnknownCompatibility(_not_reported(aliases))
    raise UnknownCompatibility(
        f'migration {accepted[0]} holds no allocation of '
        f'{", ".join(sorted(classes))} on the source: compare '
        "'openstack resource provider allocation show' of the "
        'instance and of the migration'
    )


def _other_functions(
    advertised: Advertised,
    allocations: Mapping[str, Mapping[str, int]],
    classes: frozenset[str],
) -> dict[str, int]:
    """Return the virtual functions that have another class than aliases.

    Without pci_in_placement, the class is that of the source's
    ``[pci]device_spec``, and the alias need not name it.

    :param classes: resource classes of mdevs and of aliases
    :returns: amounts by provider UUID; of providers below which ours is
    """
    others = frozenset(
        name
        for resources in allocations.values()
        for name in resources
        if name.startswith('CUSTOM_') and name not in classes
    )
    found = {}
    for uuid, amount in candidates.amounts(allocations, others).items():
        with contextlib.suppress(client.NotFound):
            advertised.description(providers.child_uuid(uuid))
            found[uuid] = amount
    return found


def _about(
    advertised: Advertised,
    question: LiveMigration,
    mdevs: dict[str, int],
    functions: dict[str, int],
    unreported: tuple[nova_request.PciAlias, ...],
    named: bool,
    partly_unknown: bool,
) -> LiveMigration:
    """Return a live migration with the identities of the source's parents.

    :param mdevs: how many the migration holds, by provider UUID
    :param functions: how many virtual functions, likewise
    :param unreported: aliases of devices that are not in Placement
    :param named: candidates name the providers of virtual functions
    :raises UnknownCompatibility: an identity is unknown, and the known
        ones cannot refuse a host
    """
    why: Exception | None = None
    if unreported:
        why = UnknownCompatibility(_not_reported(unreported))

    def sources(
        held: dict[str, int], of: Callable[[str], str]
    ) -> Iterator[matching.Source]:
        nonlocal why
        for uuid, amount in sorted(held.items()):
            identities: frozenset[identity.Identity] = frozenset()
            try:
                identities = _identities(advertised, of(uuid), uuid)
            except (UnknownCompatibility, client.PlacementError) as exc:
                why = why or exc
            yield matching.Source(amount, identities)

    of_mdevs = tuple(sources(mdevs, str))
    of_functions = tuple(sources(functions, providers.child_uuid))
    if why and not (
        partly_unknown
        and any(one.identities for one in of_mdevs + of_functions)
    ):
        raise why
    return dataclasses.replace(
        question,
        sources=of_mdevs + of_functions if named else of_mdevs,
        unnamed=() if named else of_functions,
        why=why,
    )


def _identities(
    advertised: Advertised, uuid: str, held: str
) -> frozenset[identity.Identity]:
    """Return the identities of a parent.

    :param uuid: of the provider that has our traits
    :param held: of the provider that allocations name
    """
    try:
        described = advertised.description(uuid)
    except client.NotFound:
        described = traits.describe(())
    identities = described.identities()
    if not identities:
        raise UnknownCompatibility(
            matching.no_identity(
                f'the source, resource provider {held},',
                traits.other_schemas(described.unreadable),
            )
        )
    return identities


def _check_migratable(aliases: Iterable[nova_request.PciAlias]) -> None:
    """Check that Nova migrates the devices of all aliases.

    It looks at that when a host is chosen, and once for each host
    (``LiveMigrationTask._check_can_migrate_pci``).

    :raises NotMigratable: it does not
    """
    names = sorted({one.name for one in aliases if not one.live_migratable})
    if names:
        raise NotMigratable(
            f'[pci]alias {text.join(names)} was not live_migratable when the '
            'instance was booted or resized'
        )


def _not_reported(aliases: Iterable[nova_request.PciAlias]) -> str:
    classes = sorted({one.resource_class for one in aliases})
    return (
        'the migration does not hold all PCI devices of '
        f'{text.join(classes)} in Placement: set [pci]report_in_placement on '
        'all compute hosts, and then [filter_scheduler]pci_in_placement for '
        'nova-api, nova-conductor and nova-scheduler'
    )
