# SPDX-License-Identifier: Apache-2.0

import ddt
import testtools

from nova_mdev_compat.core import verdict
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


def a_target(device=STRICT, mdev_type='NVIDIA_558', number=1):
    return check.TargetMdev(
        f'target-{number}', f'pci_{number}', mdev_type, device
    )


def judge(sources, targets):
    return check.check_domain(
        domain_xml.Domain(
            tuple(target.uuid for target in targets),
            tuple(
                domain_xml.AnnotatedMdev(f'source-{number}', source)
                for number, source in enumerate(sources)
            ),
        ),
        targets,
    )


@ddt.ddt
class JudgeTest(testtools.TestCase):
    def assert_found(self, found, *expected):
        self.assertEqual(
            list(expected), [(one.kind.value, one.text) for one in found]
        )

    def test_accepted(self):
        self.assertEqual([], judge([samples.A16], [a_target()]))

    def test_refused(self):
        self.assert_found(
            judge([OTHER], [a_target()]),
            (
                'incompatible',
                f'mdev target-1 on pci_1 does not accept {OTHER}: rule '
                "'newer drivers': driver 535.54.3 is not at least 550",
            ),
        )

    def test_rules_with_the_same_reason(self):
        device = a_device(
            {
                ACCEPT + '__DRIVER_GE_550': (NEWER, 'and newer'),
                ACCEPT + '__DRIVER_LE_500': ('older',),
            }
        )
        (found,) = judge([OTHER], [a_target(device)])
        self.assertIn(
            "rule 'newer drivers' and 'and newer': driver 535.54.3 is not at "
            "least 550, rule 'older': driver 535.54.3 is not at most 500",
            found.text,
        )

    def test_missing_fact(self):
        source = samples.with_facts(driver=None)
        self.assert_found(
            judge([source], [a_target()]),
            (
                'unknown',
                f'mdev target-1 on pci_1 does not accept {source}: '
                "rule 'newer drivers': driver of the source is unknown",
            ),
        )

    def test_nothing_accepted(self):
        self.assert_found(
            judge([OTHER], [a_target(a_device({}))]),
            (
                'incompatible',
                f'mdev target-1 on pci_1 does not accept {OTHER}: '
                'publishes no accepted sources',
            ),
        )

    def test_type_not_served(self):
        """It may be in use still, and is not what Nova uses."""
        device = a_device({ACCEPT: ('any',)}, 'NVIDIA_557')
        (found,) = judge([OTHER], [a_target(device)])
        self.assertIn('does not serve type nvidia-558', found.text)
        self.assertIs(verdict.Status.INCOMPATIBLE, found.kind)

    def test_other_type(self):
        self.assert_found(
            judge([samples.A16], [a_target(mdev_type='NVIDIA_557')]),
            (
                'incompatible',
                'mdev target-1 on pci_1 does not accept '
                f'{samples.A16}: does not serve type nvidia-558, and Nova takes '
                'no other',
            ),
        )

    @ddt.data(None, devices_file.DeviceEntry(frozenset(), {}))
    def test_silent_target(self, device):
        self.assert_found(
            judge([samples.A16], [a_target(device)]),
            (
                'unknown',
                'mdev target-1 on pci_1: no collector has published here',
            ),
        )

    def test_silent_source(self):
        self.assert_found(
            judge([None], [a_target()]),
            (
                'unknown',
                'mdev source-0 carries no complete identity: start '
                'nova-mdev-collector on its host, or upgrade it, and see its log',
            ),
        )

    @ddt.data(([], 0), ([samples.A16] * 2, 2))
    @ddt.unpack
    def test_other_number(self, sources, number):
        self.assert_found(
            judge(sources, [a_target()]),
            (
                'unknown',
                f'the domain has 1 mdevs, and names the sources of {number}',
            ),
        )

    def test_not_annotated(self):
        self.assert_found(
            check.check_domain(domain_xml.Domain(('u',)), [a_target()]),
            ('unknown', check.NOT_ANNOTATED),
        )

    def test_unreadable(self):
        (found,) = check.check_domain(
            domain_xml.Domain(('u',), None, 'why'), [a_target()]
        )
        self.assertIs(verdict.Status.UNKNOWN, found.kind)
        self.assertTrue(found.text.endswith('is invalid: why'))

    @ddt.data(
        (
            '2.0',
            "the domain's annotation: schema_version 2.0 "
            'cannot be read: this nova-mdev-compat reads 1.x. Upgrade it '
            'here',
        ),
        ('1.7', check.NOT_ANNOTATED),
    )
    @ddt.unpack
    def test_other_version(self, version, words):
        self.assert_found(
            check.check_domain(
                domain_xml.Domain(('u',), others=(version,)), [a_target()]
            ),
            ('unknown', words),
        )

    def test_any_of_two_may_become_either(self):
        """As Nova pairs them, and the filter decides."""
        targets = [a_target(ANY), a_target(STRICT, number=2)]
        self.assertEqual([], judge([samples.A16] * 2, targets))
        (found,) = judge([samples.A16, OTHER], targets)
        self.assertIn(f'on pci_2 does not accept {OTHER}', found.text)

    def test_two_types(self):
        """Each is asked about its own."""
        other = samples.with_facts(driver='500')
        other = type(other)(other.parent, 'NVIDIA_557', other.facts)
        accept = ACCEPT.replace('558', '557')
        targets = [
            a_target(),
            a_target(
                a_device({accept: ('x',)}, 'NVIDIA_557'), 'NVIDIA_557', 2
            ),
        ]
        self.assertEqual([], judge([samples.A16, other], targets))

    @ddt.data(([OTHER, None], 2), ([OTHER], 2), ([OTHER] * 3, 2))
    @ddt.unpack
    def test_known_beside_unknown_sources(self, sources, number):
        """What is known to be wrong is so, whatever is not known."""
        found = judge(
            sources, [a_target(number=each) for each in range(number)]
        )
        self.assertEqual(
            [verdict.Status.INCOMPATIBLE] * 2 + [verdict.Status.UNKNOWN],
            [one.kind for one in found],
        )

    def test_types_beside_unknown_sources(self):
        """The one that is not known may be the one that fits."""
        found = judge(
            [samples.A16, None], [a_target(), a_target(mdev_type='NVIDIA_557')]
        )
        self.assertEqual([verdict.Status.UNKNOWN], [one.kind for one in found])

    def test_known_beside_unknown_target(self):
        gone = check.TargetMdev('gone', '', '', None, 'it is not here')
        self.assertEqual(
            [(verdict.Status.UNKNOWN, 'it is not here')],
            [
                (one.kind, one.text)
                for one in judge([samples.A16] * 2, [gone, a_target()])
            ],
        )
        found = judge([OTHER] * 2, [gone, a_target()])
        self.assertEqual(
            [verdict.Status.INCOMPATIBLE, verdict.Status.UNKNOWN],
            [one.kind for one in found],
        )

    def test_what_is_wrong_comes_first(self):
        """It is refused even where what is unknown would be allowed."""
        found = judge([OTHER] * 2, [a_target(None), a_target(number=2)])
        self.assertEqual(
            [verdict.Status.INCOMPATIBLE, verdict.Status.UNKNOWN],
            [one.kind for one in found],
        )
