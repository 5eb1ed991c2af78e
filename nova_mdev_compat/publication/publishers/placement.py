# SPDX-License-Identifier: Apache-2.0
"""Make Placement say what is to be said: only the difference, only ours.

A provider's generation changes with everything that anybody changes about
it, so what was seen of a provider holds as long as its generation does. One
request, for the generations of the host's whole tree, is all that a host
costs on which nothing has changed.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
import dataclasses

from oslo_config import cfg
from oslo_log import log as logging
import tenacity

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import traits
from nova_mdev_compat.host import compute_id
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import session
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication.publishers import base

LOG = logging.getLogger(__name__)

#: From the traits of ours that a provider has to those that it is to have.
Aim = Callable[[frozenset[str]], frozenset[str]]

#: nova-compute writes to the same providers, and each write is quick.
ATTEMPTS = 15


class WrongHost(exceptions.Failure):
    """Placement has no such compute node, or it is another's."""


class NoSuchHost(WrongHost):
    """Placement has no such compute node: nothing is published for it."""


@dataclasses.dataclass(frozen=True)
class Tree:
    """A host's providers.

    :ivar children: those that Nova made for node devices, by device
    """

    root: client.Provider
    children: Mapping[str, client.Provider]


class PlacementPublisher(base.Publisher):
    """Writes traits to Placement, with the [placement] section's user."""

    def __init__(self, conf: cfg.ConfigOpts):
        self._placement = session.placement(conf)
        self._conf = conf
        self._root_uuid: str | None = None
        #: Traits of ours on a provider, and the generation they were seen at.
        self._seen: dict[str, tuple[int, frozenset[str]]] = {}
        self._existing: frozenset[str] = frozenset()

    def publish(self, host: host_traits.Host) -> base.Summary:
        """Publish what a host is and accepts.

        First all providers lose what is no longer true, the root before the
        others; only then do they get what is newly true, the root last. So a
        pass that is cut off leaves a part of what the host accepted before,
        or a part of what it accepts now, and never a mixture of both.

        :raises WrongHost: there is no such root provider, or it is another's
        :raises pl.PlacementError: Placement does not answer, or refuses
        """
        tree = self._tree(host.name)
        known = {
            item.parent.name: self._settled(item, tree)
            for item in host.parents
        }
        wanted = host_traits.combine(
            [
                item
                for name, item in sorted(known.items())
                if name in tree.children
            ],
            sorted(set(tree.children) - set(known)),
            [
                item
                for name, item in sorted(known.items())
                if name not in tree.children
            ],
        )
        try:
            self._create_missing(wanted)
            summary = self._write_all(tree, wanted, known)
        except client.PlacementError:
            # Perhaps somebody deleted a trait that nobody carried.
            self._existing = frozenset()
            raise
        summary.absent = sorted(set(known) - set(tree.children))
        summary.silenced = sorted(set(tree.children) - set(known))
        summary.unread = [item for item in known.values() if item.failure]
        return summary

    def withdraw(self, name: str) -> base.Summary:
        """Take all traits of ours from a host's providers."""
        tree = self._tree(name)
        nothing: frozenset[str] = frozenset()
        return self._write_all(
            tree,
            host_traits.HostTraits(
                nothing, dict.fromkeys(tree.children, nothing), False
            ),
            (),
        )

    def withhold(self, name: str) -> base.Summary:
        """Take the accept patterns from a host's providers."""
        summary = base.Summary()
        try:
            tree = self._tree(name)
        except NoSuchHost:
            return summary
        for provider in (tree.root, *tree.children.values()):
            if self._write(provider, _nothing_accepted):
                summary.changed.append(provider.name)
        self._sum_up(summary, tree)
        return summary

    def _settled(
        self, item: host_traits.ParentTraits, tree: Tree
    ) -> host_traits.ParentTraits:
        """Return what may be published of a parent."""
        if item.failure is None:
            return item
        provider = tree.children.get(item.parent.name)
        return item.settled(self._carried(provider) if provider else ())

    def _carried(self, provider: client.Provider) -> frozenset[str]:
        """Return the traits of ours that a provider has."""
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
        self, tree: Tree, wanted: host_traits.HostTraits, mine: Collection[str]
    ) -> base.Summary:
        """Write root and children in a safe order.

        :param mine: devices that are there; others with a provider are
            ghosts, or another service's
        """
        children = sorted(tree.children.items())
        changed: dict[str, None] = {}
        if self._write(tree.root, _no_more_than(wanted.root)):
            changed[tree.root.name] = None
        for name, provider in children:
            if self._write(
                provider, _speaks_no_more_than(wanted.parents[name])
            ):
                changed[provider.name] = None
        for count, (name, provider) in enumerate(children, 1):
            aim = _exactly if name in mine else _unless_foreign
            if self._write(provider, aim(wanted.parents[name])):
                changed[provider.name] = None
            if count % 50 == 0:
                LOG.info('%d of %d providers done', count, len(children))
        if self._write(tree.root, _exactly(wanted.root)):
            changed[tree.root.name] = None
        summary = base.Summary(changed=list(changed))
        self._sum_up(summary, tree)
        return summary

    def _sum_up(self, summary: base.Summary, tree: Tree) -> None:
        """Add to a summary how many are unchanged, and what all carry."""
        summary.unchanged = 1 + len(tree.children) - len(summary.changed)
        summary.published = {
            provider.name: sorted(self._seen[provider.uuid][1])
            for provider in (tree.root, *tree.children.values())
            if provider.uuid in self._seen
        }

    def _tree(self, name: str) -> Tree:
        """Return the host's providers, and forget what is gone."""
        uuid = compute_id.local_uuid(self._conf)
        remembered = uuid is None and self._root_uuid is not None
        uuid = uuid or self._root_uuid or self._find(name)
        providers = self._placement.providers(in_tree=uuid)
        if remembered and not providers:
            # Deleted; if it was made again, it has another UUID.
            uuid = self._find(name)
            providers = self._placement.providers(in_tree=uuid)
        self._root_uuid = None  # until it has been seen to be right
        tree = _tree_of(uuid, name, providers)
        self._root_uuid = uuid
        for gone in set(self._seen) - {item.uuid for item in providers}:
            del self._seen[gone]
        return tree

    def _find(self, name: str) -> str:
        found = self._placement.providers(name=name)
        if not found:
            raise NoSuchHost(
                f'Placement has no resource provider named {name}: has '
                'nova-compute registered, and is '
                "[collector]hypervisor_hostname what 'openstack hypervisor "
                "list' shows?"
            )
        return found[0].uuid

    def _create_missing(self, wanted: host_traits.HostTraits) -> None:
        names = host_traits.ALWAYS.union(wanted.root, *wanted.parents.values())
        if names <= self._existing:
            return
        self._existing = self._placement.our_traits()
        missing = names - self._existing
        if missing:
            LOG.info('Creating %d traits in Placement', len(missing))
            self._placement.create_traits(missing)
            self._existing |= missing

    def _write(self, provider: client.Provider, aim: Aim) -> bool:
        """Make one provider carry what is aimed at; tell if that was news."""
        retry = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(client.Conflict),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=2),
            reraise=True,
        )
        try:
            return retry(self._write_once, provider, aim)
        except client.NotFound:
            LOG.warning(
                'Provider %s is gone: nova-compute deletes one that '
                'has no capacity; it is published when it is back',
                provider.name,
            )
            self._seen.pop(provider.uuid, None)
            return False

    def _write_once(self, provider: client.Provider, aim: Aim) -> bool:
        seen, ours = self._seen.get(provider.uuid, (None, frozenset()))
        if seen == provider.generation and aim(ours) == ours:
            return False
        names, generation = self._placement.provider_traits(provider.uuid)
        ours = frozenset(filter(traits.is_ours, names))
        target = aim(ours)
        if target != ours:
            generation = self._placement.set_provider_traits(
                provider.uuid, (names - ours) | target, generation
            )
            LOG.info(
                'Provider %s: %d traits added, %d removed',
                provider.name,
                len(target - ours),
                len(ours - target),
            )
        self._seen[provider.uuid] = generation, target
        return target != ours


def _tree_of(
    uuid: str, name: str, providers: Iterable[client.Provider]
) -> Tree:
    """Return a host's providers; never those of another host.

    :raises WrongHost: the root is no compute node, or has another name
    """
    root = next((item for item in providers if item.uuid == uuid), None)
    if root is None:
        raise NoSuchHost(
            f"Placement has no resource provider {uuid}, which Nova's "
            f'compute_id file names: has nova-compute registered {name}?'
        )
    if not root.is_root:
        raise WrongHost(
            f'resource provider {root.name} is no compute node: '
            'it has a parent'
        )
    if root.name != name:
        raise WrongHost(
            f'this host calls itself {name}, but its compute node is '
            f'{root.name} in Placement: nothing is published under another '
            'name; was the host renamed? See '
            '[collector]hypervisor_hostname'
        )
    # Nova names them <host>_<node device>; what has a colon after the host's
    # name is a PCI device that Nova tracks itself.
    prefix = name + '_'
    return Tree(
        root,
        {
            item.name.removeprefix(prefix): item
            for item in providers
            if item.name.startswith(prefix)
            and ':' not in item.name.removeprefix(prefix)
        },
    )


def _exactly(wanted: frozenset[str]) -> Aim:
    return lambda ours: wanted


def _no_more_than(wanted: frozenset[str]) -> Aim:
    return lambda ours: ours & wanted


def _speaks_no_more_than(wanted: frozenset[str]) -> Aim:
    """Take from a parent that speaks for itself what is no longer true.

    One that does not speak is not asked what it accepts.
    """
    return lambda ours: ours & wanted if traits.MIXED in ours else ours


def _nothing_accepted(ours: frozenset[str]) -> frozenset[str]:
    return frozenset(
        name for name in ours if not name.startswith(traits.ACCEPT)
    )


def _unless_foreign(wanted: frozenset[str]) -> Aim:
    """Leave a provider alone that has none of our traits."""
    return lambda ours: wanted if ours else ours
