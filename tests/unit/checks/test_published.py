# SPDX-License-Identifier: Apache-2.0
import ddt
import testtools

from nova_mdev_compat.checks import published
from nova_mdev_compat.checks import words
from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import model
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
    'no complete identity is published of 1 device ({}): see '
    'nova-mdev-collector --dry-run there (a device that is gone '
    'keeps its provider, and accepts nothing)'
)
NO_HOST = (
    'no host has mdevs: Placement has no provider of a device that '
    'can create some; see [devices]enabled_mdev_types of the compute '
    "hosts, and nova-compute's log"
)
UNREADABLE = (
    '{} cannot be read, and a device with one is not known: upgrade '
    'nova-mdev-compat here if a newer collector wrote it; if not, '
    'start nova-mdev-collector there again, which takes it away'
)


def cloud(*hosts):
    return model.by_name(hosts)


@ddt.ddt
class HostsTest(testtools.TestCase):
    @ddt.data(
        ((GOOD,), None),
        ((GOOD, NO_MDEVS), None),
        ((GOOD, SILENT), NO_COLLECTOR),
        ((GOOD, GHOSTLY), NO_IDENTITY.format('ghostly pci_1')),
        ((ODD,), NO_IDENTITY.format('odd pci_0')),
        (
            (SILENT, GHOSTLY),
            f'{NO_COLLECTOR}; {NO_IDENTITY.format("ghostly pci_1")}',
        ),
        ((NO_MDEVS,), NO_HOST),
        ((), NO_HOST),
    )
    @ddt.unpack
    def test_hosts(self, hosts, expected):
        self.assertEqual(
            words.warning(expected) if expected else words.success(),
            published.hosts(cloud(*hosts), {}),
        )

    def test_many(self):
        hosts = [
            clouds.host(
                f'h{number:02}', clouds.silent_parent('h'), published=False
            )
            for number in range(12)
        ]
        self.assertEqual(
            'no collector has published on 12 hosts (h00, h01, h02, h03, h04, '
            'h05, h06, h07, h08, h09 and 2 more): start nova-mdev-collector '
            'there',
            published.hosts(cloud(*hosts), {}).details,
        )

    def test_who_speaks_otherwise_is_not_silent(self):
        self.assertEqual(
            words.success(),
            published.hosts(cloud(SILENT), {'CUSTOM_MDEV_V2': {SILENT.uuid}}),
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
        self.assertEqual(
            words.failure(
                f'{trait}, the schema of 2 hosts (silent, u-new), '
                f'is {expected}'
            ),
            published.schema(
                cloud(GOOD, SILENT), {trait: {SILENT.uuid, 'u-new'}}, [trait]
            ),
        )

    def test_several(self):
        others = {f'CUSTOM_MDEV_V{number}': {GOOD.uuid} for number in (3, 2)}
        self.assertEqual(
            words.failure(
                'CUSTOM_MDEV_V2, the schema of 1 host (good), is newer: '
                'upgrade nova-mdev-compat here; CUSTOM_MDEV_V3, the schema '
                'of 1 host (good), is newer: upgrade nova-mdev-compat here'
            ),
            published.schema(cloud(GOOD), others, others),
        )

    @ddt.data(
        ((GOOD,), [traits.SCHEMA, traits.HOST], None),
        (
            (GOOD, ODD),
            [traits.SCHEMA, 'CUSTOM_MDEV_NEW'],
            UNREADABLE.format('1 trait (CUSTOM_MDEV_NEW) on odd pci_0'),
        ),
        # Of a provider that is no device.
        (
            (GOOD,),
            ['CUSTOM_MDEV_ACCEPT_X', 'CUSTOM_MDEV_FACT_Y'],
            UNREADABLE.format(
                '2 traits (CUSTOM_MDEV_ACCEPT_X, CUSTOM_MDEV_FACT_Y)'
            ),
        ),
    )
    @ddt.unpack
    def test_unreadable(self, hosts, carried, expected):
        self.assertEqual(
            words.warning(expected) if expected else words.success(),
            published.schema(cloud(*hosts), {}, carried),
        )

    def test_traits_of_another_schema_are_its_own(self):
        found = published.schema(
            cloud(GOOD),
            {'CUSTOM_MDEV_V2': {GOOD.uuid}},
            ['CUSTOM_MDEV_V2', 'CUSTOM_MDEV_NEW'],
        )
        self.assertEqual(
            'CUSTOM_MDEV_V2, the schema of 1 host (good), is '
            'newer: upgrade nova-mdev-compat here',
            found.details,
        )
