# SPDX-License-Identifier: Apache-2.0
"""The filter that one writes first: it asks about one host after the other."""

from nova.scheduler import filters

from nova_mdev_compat import decision as dec
from nova_mdev_compat import filters as our_filters
from nova_mdev_compat import placement as pl
from nova_mdev_compat import traits

CLASSES = frozenset({'VGPU'})


class NaiveFilter(filters.BaseHostFilter):
    """Asks for the providers of each host, and for the traits of its boards.

    It decides as ours does, from what each board says itself.
    """

    RUN_ON_REBUILD = False

    def __init__(self):
        super().__init__()
        self._placement = pl.Placement(our_filters._send)

    def filter_all(self, filter_obj_list, spec_obj):
        hosts = list(filter_obj_list)
        (migration,) = our_filters._live_migrations(spec_obj)
        held = dec.amounts(self._placement.allocations(migration), CLASSES)
        (source,) = held
        (identity,) = self._describe(source).identities()
        return [host for host in hosts if self._keep(host, identity)]

    def _keep(self, host, identity):
        there = {provider.uuid for provider in self._placement.providers(
            in_tree=host.uuid)}
        boards = {uuid for item in host.allocation_candidates
                  for uuid in dec.mdev_amounts(item, CLASSES)}
        accepting = {uuid for uuid in boards & there if dec.matching(
            self._describe(uuid).accepts, identity)}
        host.allocation_candidates = [
            item for item in host.allocation_candidates
            if accepting.issuperset(dec.mdev_amounts(item, CLASSES))]
        return host.allocation_candidates

    def _describe(self, uuid):
        return traits.describe(self._placement.provider_traits(uuid)[0])
