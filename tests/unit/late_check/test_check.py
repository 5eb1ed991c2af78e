# SPDX-License-Identifier: Apache-2.0

import ddt
import testtools

from nova_mdev_compat.late_check import check
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file
from tests.unit import samples

SCHEMA = 'CUSTOM_MDEV_V1'
ACCEPT = 'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_558'
OTHER = samples.with_facts(driver='535.54.3')
NEWER = 'newer drivers'


def a_device(rules, *types):
    return devices_file.DeviceEntry(
        frozenset(
            {
                SCHEMA,
                'CUSTOM_MDEV_PARENT_10DE_2235',
                *(
                    f'CUSTOM_MDEV_TYPE_{one}'
                    for one in types or ['NVIDIA_558']
                ),
            }
        ),
        rules,
    )


STRICT = a_device({ACCEPT + '__DRIVER_GE_550': (NEWER,)})
ANY = a_device({ACCEPT: ('any driver',)})


FUNCTION = samples.with_facts(framework='vfio')
OTHER_FUNCTION = samples.with_facts(framework='vfio', driver='535.54.3')
VFIO = a_device({ACCEPT + '__DRIVER_GE_550__FRAMEWORK_IS_VFIO': (NEWER,)})


def a_function(device=VFIO, mdev_type='NVIDIA_558', number=1, **fields):
    return check.TargetDevice(
        f'0000:81:00.{number}',
        '0000:81:00.0',
        mdev_type,
        device,
        framework='VFIO',
        **fields,
    )


def a_target(device=STRICT, mdev_type='NVIDIA_558', number=1):
    return check.TargetDevice(
        f'target-{number}', f'pci_{number}', mdev_type, device
    )


def findings(sources, targets):
    """Return the objections to a domain, each as kind and text."""
    annotated = tuple(
        domain_xml.AnnotatedDevice(
            f'source-{number}', source, source.framework if source else 'MDEV'
        )
        for number, source in enumerate(sources)
    )
    domain = domain_xml.Domain(
        tuple(one.name for one in targets if one.framework == 'MDEV'),
        annotated,
        addresses=('0000:81:00.1', '0000:81:00.2'),
    )
    return pairs(check.check_domain(domain, targets))


def pairs(objections):
    return [(one.kind.value, one.text) for one in objections]


TYPE_557 = a_target(mdev_type='NVIDIA_557')
GONE = check.TargetDevice('gone', '', '', None, 'it is not here')
NO_DRIVER = samples.with_facts(driver=None)
REFUSES = 'mdev target-1 on pci_1 does not accept'
UNPUBLISHED = (
    'unknown',
    'mdev target-1 on pci_1: no collector has published here',
)


@ddt.ddt
class FindingsTest(testtools.TestCase):
    @ddt.named_data(
        ('accepted', [samples.A16], a_target(), None),
        (
            'refused',
            [OTHER],
            a_target(),
            (
                'incompatible',
                f"{REFUSES} {OTHER}: rule 'newer drivers': driver 535.54.3 is "
                'not at least 550',
            ),
        ),
        (
            'rules_with_the_same_reason',
            [OTHER],
            a_target(
                a_device(
                    {
                        ACCEPT + '__DRIVER_GE_550': (NEWER, 'and newer'),
                        ACCEPT + '__DRIVER_LE_500': ('older',),
                    }
                )
            ),
            (
                'incompatible',
                f"{REFUSES} {OTHER}: rule 'newer drivers' and 'and newer': "
                "driver 535.54.3 is not at least 550, rule 'older': driver "
                '535.54.3 is not at most 500',
            ),
        ),
        (
            'missing_fact',
            [NO_DRIVER],
            a_target(),
            (
                'unknown',
                f"{REFUSES} {NO_DRIVER}: rule 'newer drivers': driver of the "
                'source is unknown',
            ),
        ),
        (
            'nothing_accepted',
            [OTHER],
            a_target(a_device({})),
            (
                'incompatible',
                f'{REFUSES} {OTHER}: publishes no accepted sources',
            ),
        ),
        (
            # It may still be in use, and is not what Nova uses.
            'type_not_served',
            [OTHER],
            a_target(a_device({ACCEPT: ('any',)}, 'NVIDIA_557')),
            (
                'incompatible',
                f'{REFUSES} {OTHER}: does not serve type nvidia-558, and '
                'Nova takes no other',
            ),
        ),
        (
            'other_type',
            [samples.A16],
            TYPE_557,
            (
                'incompatible',
                f'{REFUSES} {samples.A16}: does not serve type nvidia-558, '
                'and Nova takes no other',
            ),
        ),
        ('device_not_found', [samples.A16], a_target(None), UNPUBLISHED),
        (
            'unpublished_target',
            [samples.A16],
            a_target(check.NOT_FOUND),
            UNPUBLISHED,
        ),
        (
            'unpublished_source',
            [None],
            a_target(),
            (
                'unknown',
                'mdev source-0 carries no complete identity: start '
                'nova-mdev-collector on its host, or upgrade it, and see its '
                'log',
            ),
        ),
        (
            'no_source',
            [],
            a_target(),
            (
                'unknown',
                'the domain has 1 mdev, and names the sources of 0',
            ),
        ),
        (
            'too_many_sources',
            [samples.A16] * 2,
            a_target(),
            (
                'unknown',
                'the domain has 1 mdev, and names the sources of 2',
            ),
        ),
    )
    def test_one_target(self, sources, target, expected):
        self.assertEqual(
            [expected] if expected else [], findings(sources, [target])
        )

    @ddt.named_data(
        ('not_annotated', {}, check.NOT_ANNOTATED.format('mdev')),
        (
            'unreadable',
            {'fault': 'why'},
            "the domain's annotation is invalid: why",
        ),
        (
            'next_version',
            {'others': ('2.0',)},
            "the domain's annotation: schema_version 2.0 cannot be read: "
            'this nova-mdev-compat reads 1.x. Upgrade it here',
        ),
        (
            'minor_version',
            {'others': ('1.7',)},
            check.NOT_ANNOTATED.format('mdev'),
        ),
    )
    def test_no_annotation(self, fields, text):
        domain = domain_xml.Domain(('u',), **fields)
        self.assertEqual(
            [('unknown', text)],
            pairs(check.check_domain(domain, [a_target()])),
        )

    def test_any_of_two_may_become_either(self):
        """As Nova pairs them, and as the filter decides."""
        targets = [a_target(ANY), a_target(STRICT, number=2)]
        self.assertEqual([], findings([samples.A16] * 2, targets))
        ((_, text),) = findings([samples.A16, OTHER], targets)
        self.assertIn(f'on pci_2 does not accept {OTHER}', text)

    def test_two_types(self):
        """Each target is checked with the sources of its type."""
        other = samples.with_facts(driver='500')
        other = type(other)(other.parent, 'NVIDIA_557', other.facts)
        accept = ACCEPT.replace('558', '557')
        targets = [
            a_target(),
            a_target(
                a_device({accept: ('x',)}, 'NVIDIA_557'), 'NVIDIA_557', 2
            ),
        ]
        self.assertEqual([], findings([samples.A16, other], targets))

    @ddt.named_data(
        # What is known to be incompatible comes first, whatever is unknown.
        (
            'source',
            [OTHER, None],
            [a_target(), a_target(number=2)],
            ['incompatible'] * 2 + ['unknown'],
        ),
        (
            'too_few_sources',
            [OTHER],
            [a_target(), a_target(number=2)],
            ['incompatible'] * 2 + ['unknown'],
        ),
        (
            'too_many_sources',
            [OTHER] * 3,
            [a_target(), a_target(number=2)],
            ['incompatible'] * 2 + ['unknown'],
        ),
        # The unknown source may be the one of the other type.
        ('type', [samples.A16, None], [a_target(), TYPE_557], ['unknown']),
        ('mdev', [samples.A16] * 2, [GONE, a_target()], ['unknown']),
        (
            'mdev_beside_a_refusal',
            [OTHER] * 2,
            [GONE, a_target()],
            ['incompatible', 'unknown'],
        ),
        (
            'target',
            [OTHER] * 2,
            [a_target(None), a_target(number=2)],
            ['incompatible', 'unknown'],
        ),
    )
    def test_unknown_beside_known(self, sources, targets, expected):
        found = findings(sources, targets)
        self.assertEqual(expected, [kind for kind, _ in found])
        if GONE in targets:
            self.assertEqual(GONE.why, found[-1][1])


ON_FUNCTION = 'virtual function 0000:81:00.1 on 0000:81:00.0'


@ddt.ddt
class FunctionsTest(testtools.TestCase):
    """Virtual functions, alone and beside mdevs."""

    @ddt.named_data(
        ('accepted', [FUNCTION], [a_function()], []),
        (
            'refused',
            [OTHER_FUNCTION],
            [a_function()],
            [
                (
                    'incompatible',
                    f'{ON_FUNCTION} does not accept {OTHER_FUNCTION}: rule '
                    "'newer drivers': driver 535.54.3 is not at least 550",
                )
            ],
        ),
        (
            # Its type is gone since the collector has read it.
            'no_type',
            [FUNCTION],
            [a_function(mdev_type='', why_no_type='no vGPU type is set')],
            [('incompatible', f'{ON_FUNCTION}: no vGPU type is set')],
        ),
        (
            'other_type',
            [FUNCTION],
            [a_function(mdev_type='NVIDIA_557')],
            [
                (
                    'incompatible',
                    f'{ON_FUNCTION} does not accept {FUNCTION}: does not '
                    'serve type nvidia-558, and Nova takes no other',
                )
            ],
        ),
        (
            'not_published',
            [FUNCTION],
            [a_function(None)],
            [
                (
                    'unknown',
                    f'{ON_FUNCTION}: no collector has published here',
                )
            ],
        ),
        (
            'too_few_sources',
            [FUNCTION],
            [a_function(), a_function(number=2)],
            [
                (
                    'unknown',
                    'the domain has 2 virtual functions, and names the '
                    'sources of 1',
                )
            ],
        ),
        (
            'not_on_a_variant_driver',
            [FUNCTION, FUNCTION],
            [a_function()],
            [
                (
                    'unknown',
                    'the domain has 1 virtual function, and names the sources '
                    'of 2: on this host, 0000:81:00.2 is not a virtual '
                    'function with a VFIO variant driver',
                )
            ],
        ),
        (
            # Each with the sources of its own framework.
            'beside_an_mdev',
            [samples.A16, FUNCTION],
            [a_target(), a_function()],
            [],
        ),
    )
    def test_targets(self, sources, targets, expected):
        self.assertEqual(expected, findings(sources, targets))

    @ddt.data(
        ([samples.A16], a_function()),
        ([FUNCTION], a_target()),
        ([FUNCTION], a_target(ANY)),
    )
    @ddt.unpack
    def test_other_framework(self, sources, target):
        """Nothing crosses, even with the same type and a rule for any."""
        found = findings(sources, [target])
        self.assertIn('incompatible', [kind for kind, _ in found])
        self.assertIn('framework', str(found))

    def test_not_annotated(self):
        domain = domain_xml.Domain(('u',))
        self.assertEqual(
            [
                (
                    'unknown',
                    'the domain does not name the sources of its mdevs and '
                    'virtual functions: is nova-mdev-annotator running on its '
                    'host?',
                )
            ],
            pairs(check.check_domain(domain, [a_target(), a_function()])),
        )
