# SPDX-License-Identifier: Apache-2.0
"""Tens of thousands of providers, written into Placement's own tables.

Through its API it would take an hour. What is measured asks the API.
"""

import itertools

import os_traits
from placement.db.sqlalchemy import models
import sqlalchemy as sa

#: mdevs that a parent has, and that its host has of everything else.
MDEVS = 4
HOST = {'VCPU': 64, 'MEMORY_MB': 512 * 1024, 'DISK_GB': 4096}
#: What nova-compute says about a host, or part of it: a real one says more.
NOVA_SAYS = frozenset(
    name
    for name in os_traits.get_traits()
    if (
        name == os_traits.OWNER_NOVA
        or name.startswith(('COMPUTE_NET_VIF_', 'COMPUTE_IMAGE_TYPE_'))
    )
)
#: Rows of one statement; SQLite takes so many variables and no more.
_ROWS = 1000


def host_name(number):
    return f'gpu-{number:05d}'


def device_name(slot):
    return f'pci_0000_{0x81 + slot:02x}_00_0'


def insert(engine, table, rows):
    """Write rows, dictionaries with the same keys, into a table."""
    with engine.begin() as connection:
        for start in range(0, len(rows), _ROWS):
            connection.execute(sa.insert(table), rows[start : start + _ROWS])


class Writer:
    """Writes trees (trees.Tree) and what is allocated on them.

    :param engine: of Placement's database, which knows its resource classes
    """

    def __init__(self, engine):
        self._engine = engine
        self._ids = itertools.count(1)
        self._classes = self._read(models.ResourceClass)
        self._by_uuid = {}
        self._insert(models.Project, [{'external_id': 'project'}])
        self._insert(models.User, [{'external_id': 'user'}])

    def write(
        self, trees, first=0, full=lambda number, slot: False, silent=False
    ):
        """Write hosts with four boards each.

        :param first: number of the first host
        :param full: tells for the number of a host and a slot whether all
            mdevs of that board are taken
        :param silent: no collector has published there
        """
        numbered = list(enumerate(trees, first))
        for tree in trees:
            self._by_uuid.update(
                (uuid, next(self._ids)) for uuid in (tree.root, *tree.parents)
            )
        self._insert(models.ResourceProvider, self._providers(numbered))
        self._insert(models.Inventory, self._inventories(trees))
        self.carry((tree.root, NOVA_SAYS) for tree in trees)
        if not silent:
            self.carry(
                itertools.chain.from_iterable(
                    tree.traits().items() for tree in trees
                )
            )
        self._insert(
            models.Allocation,
            [
                self._allocation(
                    f'filler-{number}-{slot}', uuid, 'VGPU', MDEVS
                )
                for number, tree in numbered
                for slot, uuid in enumerate(tree.parents)
                if full(number, slot)
            ],
        )

    def add_traits(self, names):
        """Let traits exist; return the ids of all there are, by name."""
        self._insert(
            models.Trait,
            [
                {'name': name}
                for name in sorted(
                    set(names) - self._read(models.Trait).keys()
                )
            ],
        )
        return self._read(models.Trait)

    def carry(self, traits):
        """Put traits on providers that have none of them.

        :param traits: pairs of a provider's UUID and trait names
        """
        traits = list(traits)
        ids = self.add_traits(set().union(*(names for _, names in traits)))
        self._insert(
            models.ResourceProviderTrait,
            [
                {
                    'resource_provider_id': self._by_uuid[uuid],
                    'trait_id': ids[name],
                }
                for uuid, names in traits
                for name in names
            ],
        )

    def allocate(self, *consumers):
        """Give consumers resources.

        :param consumers: pairs of a UUID and of amounts by class, by
            provider's UUID
        """
        self._insert(
            models.Allocation,
            [
                self._allocation(consumer, uuid, name, amount)
                for consumer, resources in consumers
                for uuid, amounts in resources.items()
                for name, amount in amounts.items()
            ],
        )
        self._insert(
            models.Consumer,
            [
                {
                    'uuid': consumer,
                    'project_id': 1,
                    'user_id': 1,
                    'generation': 1,
                }
                for consumer, _ in consumers
            ],
        )

    def _providers(self, numbered):
        rows = []
        for number, tree in numbered:
            root, name = self._by_uuid[tree.root], host_name(number)
            rows.append(
                {
                    'id': root,
                    'uuid': tree.root,
                    'name': name,
                    'generation': 1,
                    'root_provider_id': root,
                    'parent_provider_id': None,
                }
            )
            rows += [
                {
                    'id': self._by_uuid[uuid],
                    'uuid': uuid,
                    'name': f'{name}_{device_name(slot)}',
                    'generation': 1,
                    'root_provider_id': root,
                    'parent_provider_id': root,
                }
                for slot, uuid in enumerate(tree.parents)
            ]
        return rows

    def _inventories(self, trees):
        return [
            self._inventory(tree.root, name, total)
            for tree in trees
            for name, total in HOST.items()
        ] + [
            self._inventory(uuid, 'VGPU', MDEVS)
            for tree in trees
            for uuid in tree.parents
        ]

    def _inventory(self, uuid, name, total):
        return {
            'resource_provider_id': self._by_uuid[uuid],
            'resource_class_id': self._classes[name],
            'total': total,
            'reserved': 0,
            'min_unit': 1,
            'max_unit': total,
            'step_size': 1,
            'allocation_ratio': 1.0,
        }

    def _allocation(self, consumer, uuid, name, amount):
        return {
            'resource_provider_id': self._by_uuid[uuid],
            'consumer_id': consumer,
            'used': amount,
            'resource_class_id': self._classes[name],
        }

    def _read(self, model):
        """Return ids by name."""
        with self._engine.connect() as connection:
            return dict(
                connection.execute(sa.select(model.name, model.id)).all()
            )

    def _insert(self, model, rows):
        insert(self._engine, model, rows)
