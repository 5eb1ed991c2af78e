# SPDX-License-Identifier: Apache-2.0
"""A survey with few requests finds the same as a request to each host.

Small random clouds are written to a real Placement. What the two ways of
reading a cloud find must be what follows from the traits of each device.
"""

import collections
import random

from oslo_utils import uuidutils
import requests
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.fleet import survey
from nova_mdev_compat.fleet import targets
from nova_mdev_compat.host import parents as par
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import providers
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import model as rules
from tests.functional import placement_server

CLOUDS = 12
NEWER = 'publishes in schema CUSTOM_MDEV_V2, which this version does not read'
FUNCTION = 'CUSTOM_A40_8Q'
DRIVERS = ('535.54', '535.60', '550.54')


def some_rules(chance):
    """Return rules about the driver, and sometimes about more."""
    op = chance.choice([pattern.Op.LE, pattern.Op.GE, pattern.Op.EQ])
    facts = {'driver': ((rules.Operand(op, rules.SAME),),)}
    if chance.random() < 0.3:
        facts['ecc'] = ((rules.Operand(pattern.Op.IS, rules.SAME),),)
    return rules.RuleSet(
        {
            '10DE': (
                rules.Rule(
                    'r',
                    'f:1',
                    rules.Target(),
                    rules.Accepts(
                        products=chance.choice([(rules.SAME,), (rules.ANY,)]),
                        types=chance.choice([(rules.SAME,), (rules.ANY,)]),
                        facts=facts,
                    ),
                ),
            )
        }
    )


def some_parent(chance, name):
    facts = {'driver': chance.choice(DRIVERS), 'module': 'nvidia'}
    if chance.random() < 0.7:
        facts['ecc'] = chance.choice(['on', 'off'])
    if providers.is_address(name):
        facts['framework'] = 'vfio'
    mdev_type = chance.choice(['nvidia-11', 'nvidia-11', 'nvidia-12'])
    in_use = chance.choice([set(), set(), {'nvidia-11', 'nvidia-12'}])
    return host_traits.describe(
        par.MdevParent(
            name,
            chance.choice(['10DE_2235', '10DE_2235', '10DE_2236']),
            (mdev_type,),
            mdev_type,
            par.VFIO_PCI,
            frozenset(in_use - {mdev_type}),
            facts,
        ),
        some_rules(chance),
    )


class Cloud:
    """A few hosts, written to Placement as Nova and collectors would.

    :ivar published: traits of ours of parents, by provider
    :ivar free: free capacity of parents, by provider
    :ivar hosts: by name, whether unpublished, and the parents' providers
    :ivar functions: those of physical functions
    """

    def __init__(self, server, chance):
        self.server, self._traits = server, set()
        self.published, self.free, self.hosts = {}, {}, {}
        self.functions = set()
        server.ask('PUT', f'/resource_classes/{FUNCTION}')
        self._make_traits(host_traits.ALWAYS)
        for number in range(chance.randint(3, 6)):
            self._host(f'h{number}', chance)

    def _host(self, name, chance):
        root = self.server.create_provider(name)
        unpublished = chance.random() < 0.3
        # Traits of a newer collector, perhaps beside those of our schema.
        newer = [set(), {'CUSTOM_MDEV_V2'}, {'CUSTOM_MDEV_V2', traits.SCHEMA}][
            chance.randint(0, 2)
        ]
        parents = [
            some_parent(chance, name)
            for name, count in (('pci_{}', 3), ('0000:8{}:00.0', 2))
            for name in map(name.format, range(chance.randint(0, count)))
        ]
        combined = host_traits.build_host_traits(parents)

        def written(names):
            if not unpublished:
                return names
            return names - {traits.SCHEMA} | newer if newer else set()

        found = []
        for one in parents:
            names = written(combined.parents[one.parent.name])
            uuid = self.server.create_provider(
                f'{name}_{one.parent.name}', root
            )
            if not providers.is_address(one.parent.name):
                self._inventory(uuid, 'VGPU', chance)
                self._publish(uuid, names)
            else:
                self.functions.add(uuid)
                self._inventory(uuid, FUNCTION, chance)
                if names:
                    child = self.server.create_provider(
                        f'{name}_{one.parent.name}_mdev_compat', uuid
                    )
                    self._publish(child, names)
            if names or uuid not in self.functions:
                self.published[uuid] = frozenset(() if unpublished else names)
            found.append(uuid)
        self._publish(root, written(combined.root))
        self.hosts[name] = unpublished, found

    def _make_traits(self, names):
        for name in sorted(names - self._traits):
            self.server.ask('PUT', f'/traits/{name}')
        self._traits |= names

    def _publish(self, uuid, names):
        self._make_traits(names)
        url = f'/resource_providers/{uuid}'
        generation = self.server.ask('GET', url)['generation']
        self.server.ask(
            'PUT',
            f'{url}/traits',
            {
                'resource_provider_generation': generation,
                'traits': sorted(names),
            },
        )

    def _inventory(self, uuid, resource_class, chance):
        """Give a new provider an inventory, of which some is free."""
        self.server.ask(
            'PUT',
            f'/resource_providers/{uuid}/inventories',
            {
                'resource_provider_generation': 0,
                'inventories': {resource_class: {'total': 2}},
            },
        )
        self.free[uuid] = chance.choice([0, 1, 2])
        if self.free[uuid] < 2:
            used = 2 - self.free[uuid]
            self.allocate(uuidutils.generate_uuid(), {uuid: used})

    def allocate(self, consumer, amounts):
        self.server.ask(
            'PUT',
            f'/allocations/{consumer}',
            {
                'allocations': {
                    uuid: {
                        'resources': {
                            FUNCTION
                            if uuid in self.functions
                            else 'VGPU': amount
                        }
                    }
                    for uuid, amount in amounts.items()
                },
                'consumer_generation': None,
                'consumer_type': 'INSTANCE',
                'project_id': 'p',
                'user_id': 'u',
            },
        )

    def standing(self, name, wanted):
        """Return what a host is, from the traits of each parent."""
        unpublished, parents = self.hosts[name]
        if not parents:
            return targets.Standing.WITHOUT
        if unpublished:
            frameworks = {need.framework for need in wanted}
            mdevs = identity.MDEV in frameworks and (
                set(parents) - self.functions
            )
            functions = identity.VFIO in frameworks and any(
                self.free[uuid] or uuid in self.published
                for uuid in self.functions & set(parents)
            )
            if mdevs or functions:
                return targets.Standing.UNKNOWN
            return targets.Standing.WITHOUT
        offers = {
            uuid: Offer.of(traits.describe(self.published[uuid]))
            for uuid in parents
        }
        found = acceptance.judge(frozenset(offers.values()), wanted)
        if not found:
            return targets.Standing(found.kind.value)
        fits = acceptance.fits(
            wanted,
            {
                need: {
                    uuid: self.free[uuid]
                    for uuid, offer in offers.items()
                    if acceptance.accepts(offer, need)
                }
                for need in wanted
            },
        )
        return (
            targets.Standing.COMPATIBLE
            if fits
            else targets.Standing.UNAVAILABLE
        )


class SurveyTest(testtools.TestCase):
    def test_agrees_with_each_device(self):
        seen = collections.Counter()
        for seed in range(CLOUDS):
            chance = random.Random(seed)  # noqa: S311
            with (
                self.subTest(seed=seed),
                placement_server.PlacementServer() as server,
            ):
                seen += self.check(Cloud(server, chance), chance)
        for standing in targets.Standing:
            self.assertGreater(seen[standing], 2, seen)

    def test_hosts_of_another_schema(self):
        """Beside one that publishes, and where none does."""
        with placement_server.PlacementServer() as server:
            for name, schemas in {
                'newer': ['CUSTOM_MDEV_V2'],
                'both': ['CUSTOM_MDEV_V2', traits.SCHEMA],
                'none': [],
            }.items():
                root = server.create_provider(name)
                parent = server.create_provider(f'{name}_pci_0', root)
                for schema in schemas:
                    for uuid in root, parent:
                        server.add_trait(uuid, schema)
                        server.add_trait(uuid, traits.TYPE + 'NVIDIA_11')
                    server.add_trait(root, traits.HOST)
            placement = client.Placement(sender(server.endpoint))
            expected = [
                ('both', NEWER),
                ('newer', NEWER),
                ('none', 'no collector has published here'),
            ]
            self.assertEqual(expected, self.reasons(placement))
            source = server.create_provider('source')
            for trait in (traits.SCHEMA, traits.HOST):
                server.add_trait(source, trait)
            self.assertEqual(
                [*expected, ('source', '')], self.reasons(placement)
            )

    def test_an_instance_with_other_pci_devices(self):
        """Below their provider there is none of ours."""
        with placement_server.PlacementServer() as server:
            server.ask('PUT', f'/resource_classes/{FUNCTION}')
            root = server.create_provider('host')
            held = {}
            for name, resource_class in (
                ('host_pci_0', 'VGPU'),
                ('host_0000:81:00.0', FUNCTION),
                ('host_0000:82:00.0', FUNCTION),
                ('host_0000:83:00.0', FUNCTION),
            ):
                uuid = server.create_provider(name, root)
                server.ask(
                    'PUT',
                    f'/resource_providers/{uuid}/inventories',
                    {
                        'resource_provider_generation': 0,
                        'inventories': {resource_class: {'total': 1}},
                    },
                )
                held[uuid] = {'resources': {resource_class: 1}}
            *_, published, _ = held
            server.create_provider('host_0000:82:00.0_mdev_compat', published)
            held.popitem()
            consumer = uuidutils.generate_uuid()
            server.ask(
                'PUT',
                f'/allocations/{consumer}',
                {
                    'allocations': held,
                    'consumer_generation': None,
                    'consumer_type': 'INSTANCE',
                    'project_id': 'p',
                    'user_id': 'u',
                },
            )
            placement = client.Placement(sender(server.endpoint))
            instance, _ = instances.read_one(placement, consumer, 'host')
        self.assertEqual(
            [('0000:82:00.0', FUNCTION), ('pci_0', 'VGPU')],
            sorted((one.name, name) for one, name, _ in instance.mdevs),
        )
        self.assertEqual(published, instance.mdevs[-1][0].uuid)
        self.assertEqual(('host_0000:81:00.0',), instance.unpublished)

    def reasons(self, placement):
        """Return the reasons against all hosts, by name."""
        source = identity.Identity.of('10DE_2235', 'nvidia-11')
        wanted = acceptance.needs([(frozenset({source}), 'VGPU', 1)])
        return sorted(
            (target.host, '; '.join(target.because))
            for target in targets.find(
                survey.ask(placement, wanted, {}), {}, 'nobody'
            )
        )

    def check(self, cloud, chance):
        """Compare for an instance on each host; count the standings."""
        placement = client.Placement(sender(cloud.server.endpoint))
        # A description has all traits but that of who advertises.
        self.assertEqual(
            {
                uuid: names - {traits.MIXED}
                for uuid, names in cloud.published.items()
            },
            {
                parent.uuid: frozenset(names_of(parent.traits))
                for _, parent in inventory.read(placement).parents()
            },
        )
        seen = collections.Counter()
        for source, (unpublished, parents) in cloud.hosts.items():
            left = [uuid for uuid in parents if cloud.free[uuid]]
            if unpublished or not left:
                continue
            chosen = chance.sample(left, chance.randint(1, len(left)))
            seen += self.compare(cloud, placement, source, chosen)
        return seen

    def compare(self, cloud, placement, source, chosen):
        uuid = uuidutils.generate_uuid()
        cloud.allocate(uuid, dict.fromkeys(chosen, 1))
        instance, room = instances.read_one(placement, uuid, source)
        patterns = traits.describe(placement.carried_traits()).accepts.values()
        count = len(cloud.server.requests)
        answers = survey.ask(placement, instance.needs, room)
        asked = len(cloud.server.requests) - count
        self.assertLessEqual(asked, self.most(patterns, instance.needs))
        found = {
            target.host: target.standing
            for target in targets.find(answers, {}, instance.host.uuid)
        }
        self.assertEqual(
            {
                name: cloud.standing(name, instance.needs)
                for name in cloud.hosts
                if name != source
            },
            found,
        )
        cloud.server.ask('DELETE', f'/allocations/{uuid}')
        return collections.Counter(found.values())

    def most(self, patterns, wanted):
        """Return how many requests the documents promise for a survey."""
        sources = [
            source
            for need in wanted
            for _, identities in need.alternatives
            for source in identities
        ]
        reasons = len(
            {survey.outcome(pattern, sources) for pattern in patterns}
        )
        functions = [
            need for need in wanted if need.framework == identity.VFIO
        ]
        return (
            5
            + reasons
            + sum(
                len(need.alternatives) * (1 + acceptance.most(need, wanted))
                for need in wanted
            )
            # Who accepts, and where the parents of functions are.
            + sum(len(need.alternatives) for need in functions)
            + bool(functions)
        )


def names_of(said):
    """Return the traits that a description has the content of."""
    return [
        *([traits.SCHEMA] if said.managed else []),
        *(traits.PARENT + name for name in said.parents),
        *(traits.TYPE + name for name in said.types),
        *(traits.INUSE + name for name in said.in_use),
        *(traits.encode_fact(*pair) for pair in said.facts),
        *said.accepts,
    ]


def sender(endpoint):
    session = requests.Session()
    session.headers.update(
        {
            'X-Auth-Token': 'admin',
            'OpenStack-API-Version': f'placement {client.MICROVERSION}',
        }
    )
    return lambda method, url, body: session.request(
        method, endpoint + url, json=body, timeout=60
    )
