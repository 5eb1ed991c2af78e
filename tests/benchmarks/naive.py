# SPDX-License-Identifier: Apache-2.0
"""The filter that one writes first: it asks about one host after the other."""

from nova.scheduler import filters

from nova_mdev_compat.core import matching
from nova_mdev_compat.core import traits
from nova_mdev_compat.scheduler import candidates
from nova_mdev_compat.scheduler import compat_filter

CLASSES = frozenset({'VGPU'})


class NaiveFilter(filters.BaseHostFilter):
    """Asks for the providers of each host, and for the traits of its boards.

    It decides as ours does, from what each board says itself.
    """

    RUN_ON_REBUILD = False

    def __init__(self):
        super().__init__()
        ours = compat_filter.MdevCompatFilter()
        self._placement = ours.placement
        self._live_migrations = ours.live_migrations

    def filter_all(self, filter_obj_list, spec_obj):
        hosts = list(filter_obj_list)
        (migration,) = self._live_migrations(spec_obj)
        held = candidates.amounts(
            self._placement.allocations(migration), CLASSES
        )
        (source,) = held
        (identity,) = self._describe(source).identities()
        return [host for host in hosts if self._keep(host, identity)]

    def _keep(self, host, identity):
        there = {
            provider.uuid
            for provider in self._placement.providers(in_tree=host.uuid)
        }
        boards = {
            uuid
            for item in host.allocation_candidates
            for uuid in candidates.mdev_amounts(item, CLASSES)
        }
        accepting = {
            uuid
            for uuid in boards & there
            if matching.accepting_traits(
                self._describe(uuid).accepts, identity
            )
        }
        host.allocation_candidates = [
            item
            for item in host.allocation_candidates
            if accepting.issuperset(candidates.mdev_amounts(item, CLASSES))
        ]
        return host.allocation_candidates

    def _describe(self, uuid):
        return traits.describe(self._placement.provider_traits(uuid)[0])
