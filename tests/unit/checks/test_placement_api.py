# SPDX-License-Identifier: Apache-2.0
import ddt
import testtools

from nova_mdev_compat.checks import placement_api
from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import model
from tests.unit.checks import results
from tests.unit.fleet import clouds

GOOD = clouds.host('good', clouds.parent('good'))
SILENT = clouds.host('silent', clouds.silent_parent('silent'), published=False)
NO_MDEVS = clouds.host('bare', published=False)
GHOSTLY = clouds.host(
    'ghostly', clouds.parent('ghostly'), clouds.ghost('ghostly', 1)
)
ODD = clouds.host(
    'odd',
    model.Parent(
        'u',
        'pci_0',
        traits.describe(
            [
                traits.SCHEMA,
                traits.PARENT + 'A',
                traits.TYPE + 'B',
                'CUSTOM_MDEV_NEW',
            ]
        ),
    ),
)
NO_COLLECTOR = (
    'no collector has published on 1 host (silent): start '
    'nova-mdev-collector there'
)
NO_IDENTITY = (
    'no complete identity is published for 1 device ({}): run '
    'nova-mdev-collector dry-run there (a device that was '
    'removed keeps its provider, and accepts nothing)'
)
NO_HOST = (
    'no host has mdevs: Placement has no provider of an mdev-capable '
    'device; check [devices]enabled_mdev_types on the compute hosts, '
    "and nova-compute's log"
)
UNREADABLE = (
    '{} cannot be read, and a device with one is unknown: upgrade '
    'nova-mdev-compat here if a newer collector wrote it; otherwise '
    'restart nova-mdev-collector there, which removes it'
)
LACKS = (
    '[mdev_compat]resource_classes lacks {}: the filter ignores '
    'instances with these; add them to nova.conf of every nova-scheduler'
)


def cloud(*hosts):
    return model.by_name(hosts)


@ddt.ddt
class HostsTest(testtools.TestCase):
    @ddt.data(
        ((GOOD,),),
        ((GOOD, NO_MDEVS),),
        ((GOOD, SILENT), NO_COLLECTOR),
        ((GOOD, GHOSTLY), NO_IDENTITY.format('ghostly pci_1')),
        ((ODD,), NO_IDENTITY.format('odd pci_0')),
        ((SILENT, GHOSTLY), NO_COLLECTOR, NO_IDENTITY.format('ghostly pci_1')),
        ((NO_MDEVS,), NO_HOST),
        ((), NO_HOST),
    )
    @ddt.unpack
    def test_hosts(self, hosts, *expected):
        self.assertEqual(
            [results.warning(text) for text in expected],
            results.plain(placement_api.hosts(cloud(*hosts), {})),
        )

    def test_many(self):
        hosts = [
            clouds.host(
                f'h{number:02}', clouds.silent_parent('h'), published=False
            )
            for number in range(12)
        ]
        self.assertEqual(
            [
                results.warning(
                    'no collector has published on 12 hosts (h00, h01, h02, h03, h04, '
                    'h05, h06, h07, h08, h09 and 2 more): start nova-mdev-collector '
                    'there'
                )
            ],
            results.plain(placement_api.hosts(cloud(*hosts), {})),
        )

    def test_a_host_of_another_schema_is_published(self):
        self.assertEqual(
            [],
            list(
                placement_api.hosts(
                    cloud(SILENT), {'CUSTOM_MDEV_V2': {SILENT.uuid}}
                )
            ),
        )


@ddt.ddt
class SchemaTest(testtools.TestCase):
    @ddt.data(
        ('CUSTOM_MDEV_V0', 'older: upgrade nova-mdev-compat there'),
        ('CUSTOM_MDEV_V2', 'newer: upgrade nova-mdev-compat here'),
    )
    @ddt.unpack
    def test_another(self, trait, expected):
        """The names of hosts, and what has none yet by its UUID."""
        found = placement_api.schema(
            cloud(GOOD, SILENT), {trait: {SILENT.uuid, 'u-new'}}, [trait]
        )
        self.assertEqual(
            [
                results.failure(
                    f'{trait}, the schema of 2 hosts (silent, '
                    f'u-new), is {expected}'
                )
            ],
            results.plain(found),
        )

    def test_several(self):
        others = {f'CUSTOM_MDEV_V{number}': {GOOD.uuid} for number in (3, 2)}
        self.assertEqual(
            [
                results.failure(
                    f'CUSTOM_MDEV_V{number}, the schema of 1 host (good), is '
                    'newer: upgrade nova-mdev-compat here'
                )
                for number in (2, 3)
            ],
            results.plain(placement_api.schema(cloud(GOOD), others, others)),
        )

    @ddt.data(
        ((GOOD,), [traits.SCHEMA, traits.HOST]),
        (
            (GOOD, ODD),
            [traits.SCHEMA, 'CUSTOM_MDEV_NEW'],
            UNREADABLE.format('1 trait (CUSTOM_MDEV_NEW) on odd pci_0'),
        ),
        # Of a provider that is not a device.
        (
            (GOOD,),
            ['CUSTOM_MDEV_ACCEPT_X', 'CUSTOM_MDEV_FACT_Y'],
            UNREADABLE.format(
                '2 traits (CUSTOM_MDEV_ACCEPT_X, CUSTOM_MDEV_FACT_Y)'
            ),
        ),
    )
    @ddt.unpack
    def test_unreadable(self, hosts, carried, *expected):
        self.assertEqual(
            [results.warning(text) for text in expected],
            results.plain(placement_api.schema(cloud(*hosts), {}, carried)),
        )

    def test_traits_of_another_schema_are_its_own(self):
        found = placement_api.schema(
            cloud(GOOD),
            {'CUSTOM_MDEV_V2': {GOOD.uuid}},
            ['CUSTOM_MDEV_V2', 'CUSTOM_MDEV_NEW'],
        )
        self.assertEqual(
            [
                results.failure(
                    'CUSTOM_MDEV_V2, the schema of 1 host (good), is newer: upgrade '
                    'nova-mdev-compat here'
                )
            ],
            results.plain(found),
        )


@ddt.ddt
class MicroversionTest(testtools.TestCase):
    @ddt.data('1.39', '1.40', '1.100', '2.0')
    def test_new_enough(self, newest):
        self.assertEqual([], list(placement_api.microversion(newest)))

    @ddt.data('1.38', '1.4', '1.0', '0.99')
    def test_too_old(self, newest):
        self.assertEqual(
            [
                results.failure(
                    f'Placement supports microversions up to {newest}, and 1.39 '
                    '(Yoga) is needed: upgrade Placement'
                )
            ],
            results.plain(placement_api.microversion(newest)),
        )

    @ddt.data('', 'v1', 'None')
    def test_another_service(self, newest):
        self.assertEqual(
            [
                results.failure(
                    "the service at Placement's endpoint has the microversion "
                    f"'{newest}', which is not a microversion of Placement"
                )
            ],
            results.plain(placement_api.microversion(newest)),
        )


@ddt.ddt
class ResourceClassesTest(testtools.TestCase):
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
            results.failure(LACKS.format('CUSTOM_A, CUSTOM_B')),
        ),
        (['CUSTOM_A'], ['VGPU'], results.failure(LACKS.format('CUSTOM_A'))),
        (['VGPU'], [], results.failure(LACKS.format('VGPU'))),
        (
            ['VGPU'],
            ['VGPU', 'CUSTOM_A'],
            results.success(
                'no device has CUSTOM_A of [mdev_compat]resource_classes'
            ),
        ),
        (
            [],
            ['VGPU'],
            results.warning(
                '[mdev_compat]resource_classes cannot be checked: no device that '
                'a collector has published has an inventory'
            ),
        ),
    )
    @ddt.unpack
    def test_resource_classes(self, used, option, *expected):
        self.assertEqual(
            list(expected),
            results.plain(placement_api.resource_classes(used, option)),
        )
