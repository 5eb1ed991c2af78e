# SPDX-License-Identifier: Apache-2.0
import json

import ddt
import testtools

from nova_mdev_compat.checks import virtual_functions
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import providers
from tests.unit.checks import results

VF = {
    'name': 'a40-8q',
    'device_type': 'type-VF',
    'vendor_id': '10DE',
    'product_id': '2235',
}
HOSTS = {'gpu-1', 'gpu-2'}
BOARD = client.Provider('board', 'gpu-1_0000:81:00.0', 1, 'root')


def class_of(name, vendor, product):
    """Stands in for Nova's, which the functional tests use."""
    return name or f'CUSTOM_PCI_{vendor}_{product}'


def alias(live_migratable=True, vendor='10de', resource_class='CUSTOM_A'):
    return virtual_functions.Alias(
        'a40-8q', vendor, resource_class, live_migratable
    )


@ddt.ddt
class AliasesTest(testtools.TestCase):
    @ddt.data(
        ({}, alias(False, resource_class='CUSTOM_PCI_10DE_2235')),
        ({'live_migratable': 'yes', 'resource_class': 'CUSTOM_A'}, alias()),
        (
            {'live_migratable': 'no', 'resource_class': 'CUSTOM_A'},
            alias(False),
        ),
        (
            {'name': ' a40-8q ', 'live_migratable': 'True'},
            alias(resource_class='CUSTOM_PCI_10DE_2235'),
        ),
        (
            {'vendor_id': None, 'resource_class': 'CUSTOM_A'},
            alias(False, vendor=None),
        ),
        # Not of virtual functions.
        ({'device_type': 'type-PF'}, None),
        ({'device_type': None}, None),
        # nova-api refuses these.
        ({'product_id': None}, None),
        ({'name': None}, None),
        ({'vendor_id': 4318}, None),
    )
    @ddt.unpack
    def test_aliases(self, change, expected):
        entry = {
            key: value for key, value in {**VF, **change}.items() if value
        }
        self.assertEqual(
            (expected,) if expected else (),
            virtual_functions.aliases([json.dumps(entry)], class_of),
        )

    @ddt.data('', '{', '[]', 'null', '"a"')
    def test_no_alias(self, value):
        """nova-api reports what is wrong with it."""
        self.assertEqual((), virtual_functions.aliases([value], class_of))


@ddt.ddt
class VirtualFunctionsTest(testtools.TestCase):
    def assert_warned(self, expected, found):
        self.assertEqual(
            [(results.WARNING, expected)] if expected else [],
            results.plain(found),
        )

    @ddt.data(
        (HOSTS, False, results.HOSTS_DECIDED.format('2 hosts (gpu-1, gpu-2)')),
        (HOSTS, True, None),
        ((), False, None),
    )
    @ddt.unpack
    def test_pci_in_placement(self, hosts, in_placement, expected):
        self.assert_warned(
            expected, virtual_functions.placement_options(hosts, in_placement)
        )

    @ddt.data((HOSTS, True, True), (HOSTS, False, False), ((), True, False))
    @ddt.unpack
    def test_post_copy(self, hosts, permitted, warned):
        self.assert_warned(
            results.POST_COPY if warned else None,
            virtual_functions.post_copy(hosts, permitted),
        )

    @ddt.data(
        (alias(False), True),
        (alias(False, vendor=None), True),
        (alias(False, vendor='15b3'), False),
        (alias(), False),
    )
    @ddt.unpack
    def test_alias_is_not_migratable(self, one, warned):
        found = virtual_functions.vendors(
            ['CUSTOM_MDEV_PARENT_10DE_2235', 'CUSTOM_MDEV_TYPE_15B3']
        )
        self.assert_warned(
            results.NOT_MIGRATABLE.format('a40-8q') if warned else None,
            virtual_functions.migratable([one], found),
        )

    @ddt.data(
        ([alias()], (), True), ([alias()], HOSTS, False), ([], (), False)
    )
    @ddt.unpack
    def test_nothing_is_published(self, aliases, hosts, warned):
        self.assert_warned(
            results.NO_FUNCTIONS.format('a40-8q') if warned else None,
            virtual_functions.published(aliases, hosts),
        )

    @ddt.data(
        ((), (), results.NO_CLASS.format('a40-8q', 'CUSTOM_A')),
        (
            {'CUSTOM_A'},
            (),
            results.NO_BOARD.format('a40-8q', '1 board (gpu-1_0000:81:00.0)'),
        ),
        ({'CUSTOM_A'}, {providers.child_uuid('board')}, None),
    )
    @ddt.unpack
    def test_boards(self, known, ours, expected):
        asked = []

        def with_class(name):
            asked.append(name)
            return [BOARD]

        self.assert_warned(
            expected,
            virtual_functions.reported(
                [alias(), alias()], known, with_class, ours
            ),
        )
        # Placement refuses a class that does not exist.
        self.assertEqual(list(known), asked)

    def test_notes(self):
        for hosts, notes in (((), []), (HOSTS, [(0, results.ELSEWHERE)])):
            self.assertEqual(
                notes, results.plain(virtual_functions.elsewhere(hosts))
            )
        ((code, text),) = results.plain(
            virtual_functions.not_supported(HOSTS, '29.0.1')
        )
        self.assertEqual(results.SUCCESS, code)
        self.assertIn('Nova 29.0.1 does not live-migrate virtual', text)
