# SPDX-License-Identifier: Apache-2.0
from unittest import mock

import ddt
import testtools

from nova_mdev_compat.checks import placement_api
from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import model
from tests.unit.checks import results
from tests.unit.fleet import clouds

GOOD = clouds.host('good', clouds.parent('good'))
UNPUBLISHED = clouds.host('new', clouds.silent_parent('new'), published=False)
NO_MDEVS = clouds.host('bare', published=False)
ORPHANED = clouds.host('old', clouds.parent('old'), clouds.ghost('old', 1))
STRANGE = traits.describe(
    [
        traits.SCHEMA,
        traits.PARENT + 'A',
        traits.TYPE + 'B',
        'CUSTOM_MDEV_NEW',
    ]
)
ODD = clouds.host('odd', model.Parent('u', 'pci_0', STRANGE))
NO_COLLECTOR = results.NO_COLLECTOR.format('1 host (new)')
NO_IDENTITY = results.NO_IDENTITY.format('old pci_1')


@ddt.ddt
class PlacementApiTest(testtools.TestCase):
    def assert_warned(self, expected, found):
        self.assertEqual(
            [(results.WARNING, text) for text in expected],
            results.plain(found),
        )

    def assert_failed(self, expected, found):
        self.assertEqual(
            [(results.FAILURE, text) for text in expected],
            results.plain(found),
        )

    @ddt.data(
        ((GOOD,),),
        ((GOOD, NO_MDEVS),),
        ((GOOD, UNPUBLISHED), NO_COLLECTOR),
        ((GOOD, ORPHANED), NO_IDENTITY),
        ((ODD,), results.NO_IDENTITY.format('odd pci_0')),
        ((UNPUBLISHED, ORPHANED), NO_COLLECTOR, NO_IDENTITY),
        ((NO_MDEVS,), results.NO_HOST),
        ((), results.NO_HOST),
    )
    @ddt.unpack
    def test_hosts(self, hosts, *expected):
        self.assert_warned(
            expected, placement_api.hosts(model.by_name(hosts), {})
        )

    def test_many_hosts(self):
        hosts = [
            clouds.host(f'h{n:02}', clouds.silent_parent('h'), published=False)
            for n in range(12)
        ]
        names = ', '.join(f'h{n:02}' for n in range(10))
        self.assert_warned(
            [results.NO_COLLECTOR.format(f'12 hosts ({names} and 2 more)')],
            placement_api.hosts(model.by_name(hosts), {}),
        )

    def test_host_of_another_schema_is_published(self):
        self.assert_warned(
            [],
            placement_api.hosts(
                model.by_name([UNPUBLISHED]),
                {'CUSTOM_MDEV_V2': {UNPUBLISHED.uuid}},
            ),
        )

    @ddt.data(
        ('CUSTOM_MDEV_V0', results.OLDER), ('CUSTOM_MDEV_V2', results.NEWER)
    )
    @ddt.unpack
    def test_other_schema(self, trait, expected):
        """A host that has no name yet is shown with its UUID."""
        self.assert_failed(
            [expected.format(trait, '2 hosts (new, u-new)')],
            placement_api.schema(
                model.by_name([GOOD, UNPUBLISHED]),
                {trait: {UNPUBLISHED.uuid, 'u-new'}},
                [trait],
            ),
        )

    def test_several_other_schemas(self):
        """Their unreadable traits are not reported."""
        others = {f'CUSTOM_MDEV_V{number}': {GOOD.uuid} for number in (3, 2)}
        self.assert_failed(
            [
                results.NEWER.format(f'CUSTOM_MDEV_V{number}', '1 host (good)')
                for number in (2, 3)
            ],
            placement_api.schema(
                model.by_name([GOOD]), others, [*others, 'CUSTOM_MDEV_NEW']
            ),
        )

    @ddt.data(
        ((GOOD,), [traits.SCHEMA, traits.HOST]),
        (
            (GOOD, ODD),
            [traits.SCHEMA, 'CUSTOM_MDEV_NEW'],
            '1 trait (CUSTOM_MDEV_NEW) on odd pci_0',
        ),
        # Of a provider that is not a device.
        (
            (GOOD,),
            ['CUSTOM_MDEV_ACCEPT_X', 'CUSTOM_MDEV_FACT_Y'],
            '2 traits (CUSTOM_MDEV_ACCEPT_X, CUSTOM_MDEV_FACT_Y)',
        ),
    )
    @ddt.unpack
    def test_unreadable(self, hosts, carried, *expected):
        self.assert_warned(
            [results.UNREADABLE.format(which) for which in expected],
            placement_api.schema(model.by_name(hosts), {}, carried),
        )

    @ddt.data('1.39', '1.40', '1.100', '2.0')
    def test_new_microversion(self, newest):
        self.assert_failed([], placement_api.microversion(newest))

    @ddt.data('1.38', '1.4', '1.0', '0.99')
    def test_old_microversion(self, newest):
        self.assert_failed(
            [results.OLD_PLACEMENT.format(newest)],
            placement_api.microversion(newest),
        )

    @ddt.data('', 'v1', 'None')
    def test_microversion_of_another_service(self, newest):
        self.assert_failed(
            [
                "the service at Placement's endpoint has the microversion "
                f"'{newest}', which is not a microversion of Placement"
            ],
            placement_api.microversion(newest),
        )

    def test_mdev_classes(self):
        self.assertEqual(
            ['CUSTOM_A', 'VGPU'],
            placement_api.mdev_classes(
                ['VGPU', 'VCPU', 'PGPU', 'VGPU_DISPLAY_HEAD', 'CUSTOM_A']
            ),
        )

    @ddt.data(
        (['VGPU'], ['VGPU']),
        (
            ['VGPU', 'CUSTOM_B', 'CUSTOM_A'],
            ['VGPU'],
            (results.FAILURE, results.LACKS.format('CUSTOM_A, CUSTOM_B')),
        ),
        (
            ['CUSTOM_A'],
            ['VGPU'],
            (results.FAILURE, results.LACKS.format('CUSTOM_A')),
        ),
        (['VGPU'], [], (results.FAILURE, results.LACKS.format('VGPU'))),
        (
            ['VGPU'],
            ['VGPU', 'CUSTOM_A'],
            (results.SUCCESS, results.UNUSED.format('CUSTOM_A')),
        ),
        ([], ['VGPU'], (results.WARNING, results.NO_INVENTORY)),
    )
    @ddt.unpack
    def test_resource_classes(self, used, option, *expected):
        self.assertEqual(
            list(expected),
            results.plain(placement_api.resource_classes(used, option)),
        )

    def test_classes_of_virtual_functions_are_not_of_the_option(self):
        """The filter takes these from [pci]alias."""
        placement = mock.Mock()
        placement.resource_classes.return_value = {'VGPU', 'CUSTOM_A40'}
        placement.lineage_at.return_value = []
        placement.provider_classes.side_effect = {
            'a-0': frozenset({'VGPU'}),
            'a-1': frozenset({'CUSTOM_A40'}),
        }.get
        cloud = model.by_name(
            [
                clouds.host(
                    'a',
                    clouds.parent('a'),
                    clouds.parent('a', 1, framework='vfio'),
                )
            ]
        )
        self.assertEqual(
            {'VGPU'}, placement_api.classes_in_use(placement, cloud)
        )
