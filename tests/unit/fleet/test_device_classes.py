# SPDX-License-Identifier: Apache-2.0

import itertools

import testtools

from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.fleet import model
from tests.unit.fleet import clouds


def found(*hosts):
    return device_classes.kinds(model.by_name(hosts).parents())


def told(some):
    """Return kinds as label, what they are, and members."""
    return [
        (kind.label, str(kind), list(map(str, kind.members))) for kind in some
    ]


class KindsTest(testtools.TestCase):
    def test_the_most_frequent_first(self):
        self.assertEqual(
            [
                (
                    'A',
                    '10de:2235 nvidia-558 driver=550.54',
                    ['b:pci_0', 'c:pci_0', 'c:pci_1'],
                ),
                ('B', '10de:2235 nvidia-558 driver=535.54', ['a:pci_0']),
            ],
            told(
                found(
                    clouds.host(
                        'c', clouds.parent('c'), clouds.parent('c', 1)
                    ),
                    clouds.host('a', clouds.parent('a', driver='535.54')),
                    clouds.host('b', clouds.parent('b')),
                )
            ),
        )

    def test_facts_that_nobody_asks_about_make_no_difference(self):
        hosts = [
            clouds.host(name, clouds.parent(name, kernel=kernel))
            for name, kernel in (('a', '5.14'), ('b', '6.1'))
        ]
        (kind,) = found(*hosts)
        self.assertEqual('10de:2235 nvidia-558 driver=550.54', str(kind))

    def test_a_fact_that_one_host_asks_about_makes_one_everywhere(self):
        hosts = [
            clouds.host(name, clouds.parent(name, kernel=kernel))
            for name, kernel in (('a', '5.14'), ('b', '6.1'))
        ]
        hosts.append(
            clouds.host(
                'c',
                clouds.parent(
                    'c',
                    kernel='6.1',
                    by=clouds.rules_about('driver', 'kernel', LE='same'),
                ),
            )
        )
        self.assertEqual(3, len(found(*hosts)))

    def test_same_identity_and_other_rules(self):
        self.assertEqual(
            ['A', 'B'],
            [
                kind.label
                for kind in found(
                    clouds.host('a', clouds.parent('a')),
                    clouds.host('b', clouds.parent('b', by=clouds.SAME_ONLY)),
                )
            ],
        )

    def test_of_whom_nothing_is_known(self):
        """They come last, however many they are."""
        self.assertEqual(
            [
                ('A', '10de:2235 nvidia-558 driver=550.54', ['a:pci_0']),
                (
                    'B',
                    'no collector has published here',
                    ['b:pci_0', 'b:pci_1'],
                ),
                ('C', 'no complete identity is published', ['a:pci_1']),
            ],
            told(
                found(
                    clouds.host('a', clouds.parent('a'), clouds.ghost('a', 1)),
                    clouds.host(
                        'b',
                        clouds.silent_parent('b'),
                        clouds.silent_parent('b', 1),
                        published=False,
                    ),
                )
            ),
        )

    def test_two_types_are_two_sources(self):
        (kind,) = found(
            clouds.host('a', clouds.parent('a', in_use=['nvidia-557']))
        )
        self.assertEqual(
            ['NVIDIA_557', 'NVIDIA_558'],
            [source.type for source in kind.sources],
        )
        self.assertEqual({'NVIDIA_558'}, kind.serves)

    def test_labels(self):
        labels = list(
            itertools.islice(device_classes.labels(), 26 + 26 * 26 + 1)
        )
        self.assertEqual(
            ['A', 'Z', 'AA', 'AB', 'ZZ', 'AAA'],
            [labels[index] for index in (0, 25, 26, 27, -2, -1)],
        )
        self.assertEqual(len(labels), len(set(labels)))


class MatrixTest(testtools.TestCase):
    def test_cells(self):
        some = found(
            clouds.host('a', clouds.parent('a', driver='535.54')),
            clouds.host('b', clouds.parent('b')),
            clouds.host('c', clouds.parent('c'), clouds.ghost('c', 1)),
            clouds.host('d', clouds.silent_parent('d'), published=False),
        )
        self.assertEqual(
            [
                [
                    ('A', 'A', 2, 'compatible', ''),
                    (
                        'A',
                        'B',
                        2,
                        'incompatible',
                        'driver 550.54 is not at most 535.54',
                    ),
                    (
                        'A',
                        'C',
                        2,
                        'unknown',
                        'no collector has published here',
                    ),
                    (
                        'A',
                        'D',
                        1,
                        'incompatible',
                        'publishes no accepted sources',
                    ),
                ],
                [
                    ('B', 'A', 2, 'compatible', ''),
                    ('B', 'B', 0, 'compatible', ''),
                    (
                        'B',
                        'C',
                        1,
                        'unknown',
                        'no collector has published here',
                    ),
                    (
                        'B',
                        'D',
                        1,
                        'incompatible',
                        'publishes no accepted sources',
                    ),
                ],
            ],
            [
                [
                    (
                        cell.origin.label,
                        cell.destination.label,
                        cell.number,
                        cell.verdict.kind.value,
                        str(cell.verdict),
                    )
                    for cell in row
                ]
                for row in device_classes.matrix(some, some)
            ],
        )


class DeviceNameTest(testtools.TestCase):
    def test_names(self):
        for provider, expected in [
            ('cmp1_pci_0000_84_00_0', 'pci_0000_84_00_0'),
            ('cmp1_mtty_mtty', 'mtty_mtty'),
            ('cmp1_0000:84:00.0', None),
            ('cmp1:NIC Switch agent:eth0', None),
            ('cmp10_pci_0000_84_00_0', None),
            ('cmp1', None),
        ]:
            self.assertEqual(
                expected, model.device_name(provider, 'cmp1'), provider
            )
