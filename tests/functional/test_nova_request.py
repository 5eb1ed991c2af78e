# SPDX-License-Identifier: Apache-2.0
"""What is read of Nova's request, with Nova's own objects."""

import types
import uuid

import ddt
from nova.objects import instance_pci_requests as pci
from nova.objects import request_spec
from oslo_utils.fixture import uuidsentinel as uuids
import testtools

from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import providers
from nova_mdev_compat.scheduler import advertised
from nova_mdev_compat.scheduler import live_migration
from nova_mdev_compat.scheduler import nova_request
from tests.functional import differences

SPEC = {
    'vendor_id': '10de',
    'product_id': '2235',
    'dev_type': 'type-VF',
    'resource_class': 'CUSTOM_A40_8Q',
    'live_migratable': 'true',
}


def pci_request(alias_name='a40-8q', count=1, **changes):
    """Return a request for PCI devices; None takes a field of SPEC away."""
    spec = {
        key: value
        for key, value in {**SPEC, **changes}.items()
        if value is not None
    }
    return pci.InstancePCIRequest(
        count=count, spec=[spec], alias_name=alias_name
    )


def pci_aliases(*requests):
    return nova_request.pci_aliases(
        request_spec.RequestSpec(
            pci_requests=pci.InstancePCIRequests(
                instance_uuid=uuids.instance, requests=list(requests)
            )
        )
    )


@differences.leave_out('no-device-migration')
@ddt.ddt
class PciAliasesTest(testtools.TestCase):
    def test_alias(self):
        self.assertEqual(
            (nova_request.PciAlias('a40-8q', 'CUSTOM_A40_8Q', True, 2),),
            pci_aliases(pci_request(count=2)),
        )

    @ddt.data(
        ('a40-8q', 'CUSTOM_A40_8Q'),
        ('custom_a40_8q', 'CUSTOM_A40_8Q'),
        (None, 'CUSTOM_PCI_10DE_2235'),
    )
    @ddt.unpack
    def test_resource_class_is_what_nova_reports(self, configured, expected):
        (alias,) = pci_aliases(pci_request(resource_class=configured))
        self.assertEqual(expected, alias.resource_class)

    @ddt.data(
        ('type-VF', 1),
        # Nova takes virtual functions for these, too.
        (None, 1),
        ('type-PF', 0),
        ('type-PCI', 0),
    )
    @ddt.unpack
    def test_device_type(self, dev_type, expected):
        self.assertEqual(
            expected, len(pci_aliases(pci_request(dev_type=dev_type)))
        )

    @ddt.data(('true', True), ('false', False), (None, False))
    @ddt.unpack
    def test_live_migratable(self, configured, expected):
        (alias,) = pci_aliases(pci_request(live_migratable=configured))
        self.assertIs(expected, alias.live_migratable)

    def test_neither_port_nor_whole_device(self):
        found = pci_aliases(
            pci_request(alias_name=None, physical_network='physnet1'),
            pci_request('whole', dev_type='type-PCI'),
            pci_request('a40-12q'),
        )
        self.assertEqual(['a40-12q'], [alias.name for alias in found])

    def test_what_is_no_live_migration(self):
        """A request without a cell, such as a boot, costs nothing."""
        self.assertFalse(
            nova_request.may_be_live_migration(
                [],
                request_spec.RequestSpec(),
                frozenset(),
                pci_aliases(pci_request()),
            )
        )


@differences.leave_out('no-device-migration')
class PartlyReportedTest(testtools.TestCase):
    """Placement's answers are canned: only the arithmetic is looked at."""

    IDENTITY = [
        'CUSTOM_MDEV_V1',
        'CUSTOM_MDEV_PARENT_10DE_2235',
        'CUSTOM_MDEV_TYPE_NVIDIA_558',
        'CUSTOM_MDEV_FACT_FRAMEWORK_VFIO',
    ]

    def read(self, held, *aliases):
        """Return the sources of a migration that holds these devices.

        :param held: amount by resource class, each of a board of its own
        """
        boards = {str(uuid.uuid4()): item for item in held.items()}
        traits = {
            f'/resource_providers/{providers.child_uuid(board)}/traits'
            for board in boards
        }

        def send(method, url, body):
            status, content = 404, {'errors': [{'detail': 'none'}]}
            if url == '/allocations/migration':
                status, content = (
                    200,
                    {
                        'allocations': {
                            board: {'resources': {name: amount}}
                            for board, (name, amount) in boards.items()
                        }
                    },
                )
            elif url in traits:
                status, content = (
                    200,
                    {
                        'traits': self.IDENTITY,
                        'resource_provider_generation': 1,
                    },
                )
            return types.SimpleNamespace(
                status_code=status, json=lambda: content, text=''
            )

        return live_migration.read(
            [],
            types.SimpleNamespace(instance_uuid='instance'),
            frozenset(['VGPU']),
            aliases,
            advertised.Advertised(client.Placement(send), 0),
            lambda spec_obj: ['migration'],
            False,
        )

    def alias(self, resource_class, count=1):
        return nova_request.PciAlias('vgpu', resource_class, True, count)

    def test_all_are_known(self):
        found = self.read(
            {'CUSTOM_A': 1, 'CUSTOM_B': 1},
            self.alias('CUSTOM_A'),
            # device_spec has another class for it.
            self.alias('CUSTOM_PCI_10DE_2235'),
        )
        self.assertEqual([1, 1], [one.amount for one in found.all_sources])

    def test_one_is_missing(self):
        for aliases in (
            [self.alias('CUSTOM_A'), self.alias('CUSTOM_B')],
            [self.alias('CUSTOM_A', 2)],
        ):
            error = self.assertRaises(
                live_migration.UnknownCompatibility,
                self.read,
                {'CUSTOM_A': 1},
                *aliases,
            )
            self.assertIn('does not hold all PCI devices', str(error))


class NoAliasTest(testtools.TestCase):
    def test_port(self):
        """Neutron's: it has no alias."""
        self.assertEqual(
            (),
            pci_aliases(
                pci_request(alias_name=None, physical_network='physnet1')
            ),
        )

    def test_nova_that_migrates_no_devices(self):
        """Up to Nova 30 a request has no is_live_migratable."""
        old = types.SimpleNamespace(alias_name='a40-8q', spec=[SPEC])
        spec = request_spec.RequestSpec()
        # Nova's object takes no other request.
        spec._obj_pci_requests = types.SimpleNamespace(requests=[old])
        self.assertEqual((), nova_request.pci_aliases(spec))

    def test_without_devices(self):
        self.assertEqual((), pci_aliases())
        self.assertEqual(
            (),
            nova_request.pci_aliases(
                request_spec.RequestSpec(pci_requests=None)
            ),
        )
