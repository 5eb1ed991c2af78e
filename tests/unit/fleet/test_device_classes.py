# SPDX-License-Identifier: Apache-2.0

import itertools

import testtools

from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.fleet import model
from nova_mdev_compat.rules import model as rules
from tests.unit.fleet import clouds

NEW = '10de:2235 nvidia-558 driver=550.54'
OLD = '10de:2235 nvidia-558 driver=535.54'
NEWER_SCHEMA = (
    'publishes in schema CUSTOM_MDEV_V2, which this version does not read'
)


def classify(*hosts):
    return device_classes.classify(model.by_name(hosts).parents())


def shown(classes):
    """Return classes as label, text, and members."""
    return [
        (one.label, str(one), ' '.join(map(str, one.members)))
        for one in classes
    ]


class ClassifyTest(testtools.TestCase):
    def test_the_largest_first(self):
        self.assertEqual(
            [('A', NEW, 'b:pci_0 c:pci_0 c:pci_1'), ('B', OLD, 'a:pci_0')],
            shown(
                classify(
                    clouds.host(
                        'c', clouds.parent('c'), clouds.parent('c', 1)
                    ),
                    clouds.host('a', clouds.parent('a', driver='535.54')),
                    clouds.host('b', clouds.parent('b')),
                )
            ),
        )

    def test_facts_that_some_host_asks_about(self):
        """A fact on which no pattern depends does not make a class."""
        hosts = [
            clouds.host(name, clouds.parent(name, kernel=kernel))
            for name, kernel in (('a', '5.14'), ('b', '6.1'))
        ]
        self.assertEqual(
            [('A', NEW, 'a:pci_0 b:pci_0')], shown(classify(*hosts))
        )
        asks = clouds.rules_about('driver', 'kernel', LE='same')
        hosts.append(
            clouds.host('c', clouds.parent('c', kernel='6.1', by=asks))
        )
        self.assertEqual(3, len(classify(*hosts)))

    def test_frameworks_are_never_one_class(self):
        """Also if no pattern asks about them, or if nothing is served."""
        nothing = rules.RuleSet({})
        boards = {'by': nothing, 'framework': 'vfio'}
        self.assertEqual(
            [
                ('A', '10de:2235 nvidia-558', 'a:pci_0'),
                (
                    'B',
                    '10de:2235 nvidia-558 framework=vfio',
                    'b:0000:80:00.0',
                ),
            ],
            shown(
                classify(
                    clouds.host('a', clouds.parent('a', by=nothing)),
                    clouds.host('b', clouds.parent('b', **boards)),
                )
            ),
        )
        self.assertEqual(
            [
                'no virtual function has a type, or no complete identity is '
                'published',
                'no complete identity is published',
            ],
            [
                str(device_classes.device_class(None, one.traits, frozenset()))
                for one in (
                    clouds.parent('b', mdev_type=None, **boards),
                    clouds.parent('a', mdev_type=None),
                )
            ],
        )

    def test_equal_identity_and_other_rules(self):
        self.assertEqual(
            [('A', NEW, 'a:pci_0'), ('B', NEW, 'b:pci_0')],
            shown(
                classify(
                    clouds.host('a', clouds.parent('a')),
                    clouds.host('b', clouds.parent('b', by=clouds.SAME_ONLY)),
                )
            ),
        )

    def test_nothing_is_known(self):
        """These classes come last, however many devices they have."""
        self.assertEqual(
            [
                ('A', NEW, 'a:pci_0'),
                (
                    'B',
                    'no collector has published here',
                    'b:pci_0 b:pci_1',
                ),
                ('C', 'no complete identity is published', 'a:pci_1'),
                ('D', NEWER_SCHEMA, 'c:pci_0'),
            ],
            shown(
                classify(
                    clouds.host('a', clouds.parent('a'), clouds.ghost('a', 1)),
                    clouds.host(
                        'b',
                        clouds.silent_parent('b'),
                        clouds.silent_parent('b', 1),
                        published=False,
                    ),
                    clouds.host(
                        'c',
                        clouds.silent_parent('c'),
                        published=False,
                        schemas=('CUSTOM_MDEV_V2',),
                    ),
                )
            ),
        )

    def test_two_types_are_two_sources(self):
        (one,) = classify(
            clouds.host('a', clouds.parent('a', in_use=['nvidia-557']))
        )
        self.assertEqual(
            ['NVIDIA_557', 'NVIDIA_558'],
            [source.type for source in one.sources],
        )
        self.assertEqual({'NVIDIA_558'}, one.offer.serves)

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
        classes = classify(
            clouds.host('a', clouds.parent('a', driver='535.54')),
            clouds.host('b', clouds.parent('b')),
            clouds.host('c', clouds.parent('c'), clouds.ghost('c', 1)),
            clouds.host('d', clouds.silent_parent('d'), published=False),
            clouds.host(
                'e',
                clouds.silent_parent('e'),
                published=False,
                schemas=('CUSTOM_MDEV_V2',),
            ),
        )
        nothing = 'publishes no accepted sources'
        unpublished = 'no collector has published here'
        self.assertEqual(
            [
                ('A', 'A', 2, 'compatible', ''),
                (
                    'A',
                    'B',
                    2,
                    'incompatible',
                    'driver 550.54 is not at most 535.54',
                ),
                ('A', 'C', 2, 'unknown', unpublished),
                ('A', 'D', 1, 'incompatible', nothing),
                ('A', 'E', 2, 'unknown', NEWER_SCHEMA),
                ('B', 'A', 2, 'compatible', ''),
                ('B', 'B', 0, 'compatible', ''),
                ('B', 'C', 1, 'unknown', unpublished),
                ('B', 'D', 1, 'incompatible', nothing),
                ('B', 'E', 1, 'unknown', NEWER_SCHEMA),
            ],
            [
                (
                    cell.origin.label,
                    cell.destination.label,
                    cell.number,
                    cell.verdict.kind.value,
                    str(cell.verdict),
                )
                for row in device_classes.matrix(classes)
                for cell in row
            ],
        )
