# SPDX-License-Identifier: Apache-2.0
"""Reconcile the traits of this host's providers in Placement.

Only our traits are changed, and only if they differ. Every change of a provider
changes its generation, so the traits that were read are valid as long as the
generation is the same. A host without changes costs one request, for the
generations of its whole tree.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
import contextlib
import dataclasses

from oslo_config import cfg
from oslo_log import log as logging
import tenacity

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import traits
from nova_mdev_compat.host import system
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import providers
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication.publishers import Publisher
from nova_mdev_compat.publication.publishers import Summary

LOG = logging.getLogger(__name__)

#: Returns a provider's desired traits for its actual ones; both only ours.
Desire = Callable[[frozenset[str]], frozenset[str]]

#: Of one write: nova-compute writes to the same providers, and is quick.
ATTEMPTS = 15


class WrongHost(exceptions.Failure):
    """Placement has no such compute node, or it is another host's."""


class NoSuchHost(WrongHost):
    """Placement has no such compute node: nothing is published for it."""


@dataclasses.dataclass(frozen=True)
class Tree:
    """A host's providers.

    :ivar children: those of devices, by device: Nova's of parents of mdevs,
        and ours of physical functions
    :ivar physical: Nova's of PCI devices, by address
    """

    root: client.Provider
    children: dict[str, client.Provider]
    physical: Mapping[str, client.Provider]

    @property
    def providers(self) -> list[client.Provider]:
        """All of them, the root first."""
        return [self.root, *self.children.values()]


class PlacementPublisher(Publisher):
    """Writes traits to Placement, with the [placement] section's user."""

    def __init__(self, conf: cfg.ConfigOpts):
        self._placement = client.from_options(conf)
        self._conf = conf
        self._root_uuid: str | None = None
        #: Our traits on a provider, and its generation when they were read.
        self._seen: dict[str, tuple[int, frozenset[str]]] = {}
        self._existing: frozenset[str] = frozenset()

    def publish(self, host: host_traits.HostSnapshot) -> Summary:
        """Publish what a host is and accepts.

        First all providers lose the traits that are no longer true, the root
        before the others. Then they get the new ones, the root last. So an
        interrupted run leaves a part of what the host accepted before, or a
        part of what it accepts now, and never a mixture.

        :raises WrongHost: there is no such root provider, or it is another
            host's
        :raises client.PlacementError: Placement does not answer, or refuses
        """
        tree = self._read_tree(host.name)
        self._reconcile_children(tree, host)
        known = {item.parent.name: item for item in host.parents}
        for name, item in known.items():
            if item.failure:
                actual = self._actual_traits(tree.children.get(name))
                known[name] = item.with_fallback(actual)
        present = sorted(known.keys() & tree.children.keys())
        orphaned = sorted(tree.children.keys() - known.keys())
        absent = sorted(known.keys() - tree.children.keys())
        desired = host_traits.build_host_traits(
            [known[name] for name in present],
            orphaned,
            [known[name] for name in absent],
        )
        writes: list[tuple[client.Provider, Desire]] = [
            (tree.root, desired.root.intersection)
        ]
        children = sorted(tree.children.items())
        for name, provider in children:
            writes.append((provider, _reduced(desired.parents[name])))
        for name, provider in children:
            desire = _exactly if name in known else _exactly_if_ours
            writes.append((provider, desire(desired.parents[name])))
        writes.append((tree.root, _exactly(desired.root)))
        try:
            self._create_missing(desired)
            summary = self._write_all(tree, writes)
        except client.PlacementError:
            # A trait that no provider had may have been deleted.
            self._existing = frozenset()
            raise
        summary.absent, summary.orphaned = absent, orphaned
        summary.unread = [item for item in known.values() if item.failure]
        return summary

    def withdraw(self, name: str) -> Summary:
        """Remove all our traits from a host's providers, and our providers."""
        tree = self._read_tree(name)
        nothing = _exactly(frozenset())
        summary = self._write_all(
            tree, [(one, nothing) for one in tree.providers]
        )
        for device in filter(providers.is_address, list(tree.children)):
            summary.changed.append(tree.children[device].name)
            self._delete_child(tree, device)
        summary.changed = sorted(set(summary.changed))
        return summary

    def _reconcile_children(
        self, tree: Tree, host: host_traits.HostSnapshot
    ) -> None:
        """Create and delete our providers below those of physical functions.

        nova-compute deletes ours with its own. A new one has no traits, and
        one without a device has none that are true.
        """
        here = {item.parent.name for item in host.parents}
        for device in filter(providers.is_address, list(tree.children)):
            if device not in here:
                self._delete_child(tree, device)
        for device in sorted(here & tree.physical.keys()):
            if device in tree.children:
                continue
            parent = tree.physical[device]
            try:
                tree.children[device] = self._placement.create_child(parent)
            except (client.Conflict, client.NotFound) as exc:
                LOG.warning(
                    'No provider for device %s below %s; the next pass tries '
                    'again: %s',
                    device,
                    parent.name,
                    exc,
                )
            else:
                LOG.info('Provider %s created', tree.children[device].name)

    def _delete_child(self, tree: Tree, device: str) -> None:
        provider = tree.children.pop(device)
        with contextlib.suppress(client.NotFound):
            self._placement.delete_provider(provider.uuid)
            LOG.info('Provider %s deleted', provider.name)
        self._seen.pop(provider.uuid, None)

    def withhold(self, name: str) -> Summary:
        """Remove the accept patterns from a host's providers."""
        try:
            tree = self._read_tree(name)
        except NoSuchHost:
            return Summary()
        return self._write_all(
            tree, [(one, _without_patterns) for one in tree.providers]
        )

    def _actual_traits(
        self, provider: client.Provider | None
    ) -> frozenset[str]:
        """Return our traits on a provider, none if there is no provider."""
        if provider is None:
            return frozenset()
        seen, ours = self._seen.get(provider.uuid, (None, frozenset()))
        if seen == provider.generation:
            return ours
        try:
            names, generation = self._placement.provider_traits(provider.uuid)
        except client.NotFound:
            return frozenset()
        ours = frozenset(filter(traits.is_ours, names))
        self._seen[provider.uuid] = generation, ours
        return ours

    def _write_all(
        self, tree: Tree, writes: Sequence[tuple[client.Provider, Desire]]
    ) -> Summary:
        """Write providers in this order."""
        changed: dict[str, None] = {}
        for count, (provider, desire) in enumerate(writes, 1):
            if self._write(provider, desire):
                changed[provider.name] = None
            if count % 100 == 0:
                LOG.info('%d of %d updates done', count, len(writes))
        return Summary(
            changed=list(changed),
            unchanged=len(tree.providers) - len(changed),
            published={
                provider.name: sorted(self._seen[provider.uuid][1])
                for provider in tree.providers
                if provider.uuid in self._seen
            },
        )

    def _read_tree(self, name: str) -> Tree:
        """Return a host's providers; forget those that are gone."""
        uuid = system.compute_node_uuid(self._conf)
        from_memory = uuid is None and self._root_uuid is not None
        uuid = uuid or self._root_uuid or self._find_root(name)
        found = self._placement.providers(in_tree=uuid)
        if from_memory and not found:
            # The root was deleted; a new one has another UUID.
            uuid = self._find_root(name)
            found = self._placement.providers(in_tree=uuid)
        self._root_uuid = None  # until it is checked
        tree = _tree_of(uuid, name, found)
        self._root_uuid = uuid
        for gone in set(self._seen) - {item.uuid for item in found}:
            del self._seen[gone]
        return tree

    def _find_root(self, name: str) -> str:
        found = self._placement.providers(name=name)
        if not found:
            raise NoSuchHost(
                f'Placement has no resource provider named {name}: has '
                'nova-compute registered, and is [collector]hypervisor_hostname '
                "what 'openstack hypervisor list' shows?"
            )
        return found[0].uuid

    def _create_missing(self, desired: host_traits.HostTraits) -> None:
        names = host_traits.ALWAYS.union(
            desired.root, *desired.parents.values()
        )
        if not names <= self._existing:
            self._existing = self._placement.our_traits()
        missing = names - self._existing
        if missing:
            LOG.info('Creating %d traits in Placement', len(missing))
            self._placement.create_traits(missing)
            self._existing |= missing

    def _write(self, provider: client.Provider, desire: Desire) -> bool:
        """Give a provider its desired traits; return whether they differed."""
        retry = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(client.Conflict),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=2),
            reraise=True,
        )
        try:
            return retry(self._write_once, provider, desire)
        except client.NotFound:
            LOG.warning(
                'Provider %s is gone: nova-compute deletes one that has no '
                'capacity; its traits are published when it is back',
                provider.name,
            )
            self._seen.pop(provider.uuid, None)
            return False

    def _write_once(self, provider: client.Provider, desire: Desire) -> bool:
        seen, ours = self._seen.get(provider.uuid, (None, frozenset()))
        if seen == provider.generation and desire(ours) == ours:
            return False
        names, generation = self._placement.provider_traits(provider.uuid)
        ours = frozenset(filter(traits.is_ours, names))
        desired = desire(ours)
        if desired != ours:
            generation = self._placement.set_provider_traits(
                provider.uuid, (names - ours) | desired, generation
            )
            LOG.info(
                'Provider %s: %d traits added, %d removed',
                provider.name,
                len(desired - ours),
                len(ours - desired),
            )
        self._seen[provider.uuid] = generation, desired
        return desired != ours


def _tree_of(uuid: str, name: str, found: Iterable[client.Provider]) -> Tree:
    """Return a host's providers; never those of another host.

    :raises WrongHost: the root is not a compute node, or has another name
    """
    root = next((item for item in found if item.uuid == uuid), None)
    if root is None:
        raise NoSuchHost(
            f"Placement has no resource provider {uuid}, which Nova's "
            f'compute_id file names: has nova-compute registered {name}?'
        )
    if not root.is_root:
        raise WrongHost(
            f'resource provider {root.name} is not a compute node: it has a '
            'parent'
        )
    if root.name != name:
        raise WrongHost(
            f'the name of this host is {name}, but its compute node is '
            f'{root.name} in Placement: nothing is published under another '
            'name; was the host renamed? See [collector]hypervisor_hostname'
        )
    children, physical = {}, {}
    for item in found:
        if device := providers.device_name(item.name, name):
            children[device] = item
        elif address := providers.pci_address(item.name, name):
            physical[address] = item
    return Tree(root, children, physical)


def _without_patterns(ours: frozenset[str]) -> frozenset[str]:
    return frozenset(
        name for name in ours if not name.startswith(traits.ACCEPT)
    )


def _exactly(desired: frozenset[str]) -> Desire:
    return lambda ours: desired


def _exactly_if_ours(desired: frozenset[str]) -> Desire:
    """Leave a provider without our traits alone: it may be another service's."""
    return lambda ours: desired if ours else ours


def _reduced(desired: frozenset[str]) -> Desire:
    """Remove untrue traits from a parent that advertises for itself.

    Queries do not find other parents, so theirs can wait.
    """
    return lambda ours: ours & desired if traits.MIXED in ours else ours
