# SPDX-License-Identifier: Apache-2.0
"""Tens of thousands of providers, written into Placement's own tables.

Through its API it would take an hour. What is measured asks the API.
"""

import itertools

from placement.db.sqlalchemy import models
from placement import db_api
from placement.objects import resource_class
import sqlalchemy as sa

#: mdevs that a parent has, and that its host has of everything else.
MDEVS = 4
HOST = {'VCPU': 64, 'MEMORY_MB': 512 * 1024, 'DISK_GB': 4096}
#: Rows of one statement; SQLite takes so many variables and no more.
_ROWS = 1000


def host_name(number):
    return f'gpu-{number:05d}'


def device_name(slot):
    return f'pci_0000_{0x81 + slot:02x}_00_0'


class Writer:
    """Writes trees (trees.Tree) and what is allocated on them.

    :param context: Placement's request context
    """

    def __init__(self, context):
        self._context = context
        self._ids = itertools.count(1)
        self._classes = {name: resource_class.ResourceClass.get_by_name(
            context, name).id for name in ('VGPU', *HOST)}
        self._by_uuid = {}

    def write(self, trees, full):
        """Write hosts with four boards each.

        :param full: tells for the number of a host and a slot whether all
            mdevs of that board are taken
        """
        names = sorted(set().union(*(
            some for tree in trees for some in tree.traits().values())))
        self._insert(models.Trait, [{'name': name} for name in names])
        ids = self._trait_ids()
        for tree in trees:
            self._by_uuid.update(
                (uuid, next(self._ids)) for uuid in (tree.root, *tree.parents))
        self._insert(models.ResourceProvider, self._providers(trees))
        self._insert(models.ResourceProviderTrait, [
            {'resource_provider_id': self._by_uuid[uuid],
             'trait_id': ids[name]} for tree in trees
            for uuid, some in tree.traits().items() for name in some])
        self._insert(models.Inventory, self._inventories(trees))
        self._insert(models.Allocation, [
            self._allocation(f'filler-{number}-{slot}', uuid, 'VGPU', MDEVS)
            for number, tree in enumerate(trees)
            for slot, uuid in enumerate(tree.parents) if full(number, slot)])

    def allocate(self, consumer, resources):
        """Give a consumer resources: amounts by class, by provider UUID."""
        self._insert(models.Allocation, [
            self._allocation(consumer, uuid, name, amount)
            for uuid, amounts in resources.items()
            for name, amount in amounts.items()])
        self._insert(models.Project, [{'external_id': 'project'}])
        self._insert(models.User, [{'external_id': 'user'}])
        self._insert(models.Consumer, [{
            'uuid': consumer, 'project_id': 1, 'user_id': 1,
            'generation': 1}])

    def _providers(self, trees):
        rows = []
        for number, tree in enumerate(trees):
            root, name = self._by_uuid[tree.root], host_name(number)
            rows.append({'id': root, 'uuid': tree.root, 'name': name,
                         'generation': 1, 'root_provider_id': root,
                         'parent_provider_id': None})
            rows += [
                {'id': self._by_uuid[uuid], 'uuid': uuid,
                 'name': f'{name}_{device_name(slot)}', 'generation': 1,
                 'root_provider_id': root, 'parent_provider_id': root}
                for slot, uuid in enumerate(tree.parents)]
        return rows

    def _inventories(self, trees):
        return [self._inventory(tree.root, name, total)
                for tree in trees for name, total in HOST.items()] + [
            self._inventory(uuid, 'VGPU', MDEVS)
            for tree in trees for uuid in tree.parents]

    def _inventory(self, uuid, name, total):
        return {'resource_provider_id': self._by_uuid[uuid],
                'resource_class_id': self._classes[name], 'total': total,
                'reserved': 0, 'min_unit': 1, 'max_unit': total,
                'step_size': 1, 'allocation_ratio': 1.0}

    def _allocation(self, consumer, uuid, name, amount):
        return {'resource_provider_id': self._by_uuid[uuid],
                'consumer_id': consumer, 'used': amount,
                'resource_class_id': self._classes[name]}

    def _trait_ids(self):
        return dict(_read(self._context, sa.select(models.Trait.name,
                                                   models.Trait.id)))

    def _insert(self, model, rows):
        for start in range(0, len(rows), _ROWS):
            _write(self._context, sa.insert(model), rows[start:start + _ROWS])


@db_api.placement_context_manager.reader
def _read(context, statement):
    return context.session.execute(statement).all()


@db_api.placement_context_manager.writer
def _write(context, statement, rows):
    context.session.execute(statement, rows)
