# SPDX-License-Identifier: Apache-2.0
"""Make Placement say what is to be said: only the difference, only ours."""

from collections.abc import Iterable
import dataclasses

from oslo_log import log as logging
import tenacity

from nova_mdev_compat.collector import publication
from nova_mdev_compat import exceptions
from nova_mdev_compat import placement as pl
from nova_mdev_compat import traits

LOG = logging.getLogger(__name__)

#: nova-compute writes to the same providers, and each write is quick.
ATTEMPTS = 10


class NoSuchHost(exceptions.Failure):
    """Placement knows no compute node of this name."""


@dataclasses.dataclass
class Summary:
    """What a pass changed.

    :ivar changed: names of providers that were written
    :ivar unchanged: how many said the right thing already
    :ivar absent: devices that have no provider (yet)
    :ivar silenced: devices that are gone but still have a provider
    """

    changed: list[str] = dataclasses.field(default_factory=list)
    unchanged: int = 0
    absent: list[str] = dataclasses.field(default_factory=list)
    silenced: list[str] = dataclasses.field(default_factory=list)


def publish(placement: pl.Placement, host: str,
            parents: Iterable[publication.ParentTraits]) -> Summary:
    """Publish a host's traits.

    What is no longer true leaves the root first and what is newly true
    comes to it last, so that a pass that is killed in the middle leaves a
    host that accepts less, never more, than it should.

    :param host: hypervisor hostname, the root provider's name
    :raises NoSuchHost: there is no such root provider
    :raises pl.PlacementError: Placement does not answer, or refuses
    """
    root = _root(placement, host)
    summary = Summary()
    children = _children(placement, root)
    known = {item.parent.name: item for item in parents}
    summary.absent = sorted(set(known) - set(children))
    summary.silenced = sorted(set(children) - set(known))
    wanted = publication.combine(
        [known[name] for name in sorted(set(known) & set(children))],
        summary.silenced)
    _create_missing(placement, wanted)

    _write(placement, root, wanted.root, summary, add=False)
    for count, (name, provider) in enumerate(sorted(children.items()), 1):
        _write(placement, provider, wanted.parents[name], summary,
               foreign=name in summary.silenced)
        if count % 25 == 0:
            LOG.info('%s: %d of %d providers done', host, count, len(children))
    _write(placement, root, wanted.root, summary)
    return summary


def _root(placement: pl.Placement, host: str) -> pl.Provider:
    found = placement.providers(name=host)
    if not found:
        raise NoSuchHost(
            f'Placement has no resource provider named {host}: has '
            'nova-compute registered, and is [collector]hypervisor_hostname '
            "what 'openstack hypervisor list' shows?")
    if not found[0].is_root:
        raise NoSuchHost(f'resource provider {host} is no compute node: it '
                         'has a parent')
    return found[0]


def _children(placement: pl.Placement,
              root: pl.Provider) -> dict[str, pl.Provider]:
    """Return the providers that Nova made for node devices, by device.

    Nova names them ``<host>_<node device>``; those with a colon after the
    host's name are PCI devices that Nova tracks itself.
    """
    prefix = root.name + '_'
    return {
        provider.name.removeprefix(prefix): provider
        for provider in placement.providers(in_tree=root.uuid)
        if provider.name.startswith(prefix)
        and ':' not in provider.name.removeprefix(prefix)}


def _create_missing(placement: pl.Placement,
                    wanted: publication.HostTraits) -> None:
    names = publication.ALWAYS.union(wanted.root, *wanted.parents.values())
    missing = names - placement.our_traits()
    if missing:
        LOG.info('Creating %d traits in Placement', len(missing))
        placement.create_traits(missing)


def _write(placement: pl.Placement, provider: pl.Provider,
           wanted: frozenset[str], summary: Summary, *,
           add: bool = True, foreign: bool = False) -> None:
    """Make one provider carry, of our traits, exactly the wanted ones.

    :param add: False only takes away
    :param foreign: leave it alone if it has none of our traits
    """
    retry = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(pl.Conflict),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=2),
        reraise=True)
    try:
        changed = retry(_write_once, placement, provider, wanted, add, foreign)
    except pl.NotFound:
        LOG.warning('Provider %s is gone: nova-compute deletes one that has '
                    'no capacity; it is published when it is back',
                    provider.name)
        return
    if changed and provider.name not in summary.changed:
        summary.changed.append(provider.name)
    elif add and not changed and provider.name not in summary.changed:
        summary.unchanged += 1


def _write_once(placement: pl.Placement, provider: pl.Provider,
                wanted: frozenset[str], add: bool, foreign: bool) -> bool:
    current, generation = placement.provider_traits(provider.uuid)
    ours = frozenset(filter(traits.is_ours, current))
    if foreign and not ours:
        return False
    target = wanted if add else ours & wanted
    if target == ours:
        return False
    placement.set_provider_traits(provider.uuid, (current - ours) | target,
                                  generation)
    LOG.info('Provider %s: %d traits added, %d removed', provider.name,
             len(target - ours), len(ours - target))
    return True
