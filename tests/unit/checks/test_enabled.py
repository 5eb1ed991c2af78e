# SPDX-License-Identifier: Apache-2.0
import ddt
import testtools

from nova_mdev_compat.checks import enabled
from nova_mdev_compat.checks import words

OURS = enabled.NAME
ADD = (
    f'add "available_filters = nova_mdev_compat.filters.{OURS}" to '
    '[filter_scheduler], beside the line for all_filters'
)
ENABLE = f'{OURS} is not enabled: add it to [filter_scheduler]enabled_filters'
BROKEN = (
    'nova-scheduler cannot load [filter_scheduler]available_filters = '
    'a.B: ImportError: no'
)


@ddt.ddt
class EnabledTest(testtools.TestCase):
    @ddt.data('29.4.0', '31.3.1', '33.0.2', '34.0.0', '34.1.0.dev5', '34')
    def test_a_tested_nova(self, version):
        self.assertEqual(words.success(), enabled.version(version))

    @ddt.data('28.3.0', '9.0', '0.0.0')
    def test_a_nova_that_is_too_old(self, version):
        self.assertEqual(
            words.failure(
                f'Nova {version} does not live-migrate mdevs: 29 (2024.1) is the '
                'first that does'
            ),
            enabled.version(version),
        )

    @ddt.data(
        (
            '30.1.0',
            'Nova 30.1.0 is in the supported range, between releases '
            'that this was tested with (29, 31, 33, 34), and was not tested '
            'itself',
        ),
        (
            '32.0.0',
            'Nova 32.0.0 is in the supported range, between releases '
            'that this was tested with (29, 31, 33, 34), and was not tested '
            'itself',
        ),
        (
            '35.0.0',
            'Nova 35.0.0 is newer than all that this was tested with '
            '(29, 31, 33, 34)',
        ),
        (
            '',
            'this Nova has the version "", and this was tested with Nova '
            '29, 31, 33, 34',
        ),
        (
            'unknown',
            'this Nova has the version "unknown", and this was tested '
            'with Nova 29, 31, 33, 34',
        ),
    )
    @ddt.unpack
    def test_a_nova_that_is_not_tested(self, version, expected):
        self.assertEqual(
            words.warning(
                f"{expected}: read nova-scheduler's log, with [mdev_compat]mode = "
                'permissive at first'
            ),
            enabled.version(version),
        )

    @ddt.data(
        ([OURS, 'A'], [OURS, 'A', 'B'], {}, []),
        (['A'], [OURS, 'A'], {}, [ENABLE]),
        ([OURS, 'A'], ['A'], {}, [ADD]),
        (['A'], ['A'], {}, [ADD, ENABLE]),
        (
            [OURS, 'C', 'B'],
            [OURS, 'A'],
            {},
            [
                'nova-scheduler does not start: nothing in '
                '[filter_scheduler]available_filters brings B, C'
            ],
        ),
        # What the broken one brings, nobody knows.
        ([OURS, 'A'], [], {'a.B': 'ImportError: no'}, [BROKEN]),
        (['A'], [], {'a.B': 'ImportError: no'}, [BROKEN, ENABLE]),
    )
    @ddt.unpack
    def test_filters(self, names, available, broken, expected):
        found = enabled.filters(names, available, broken)
        self.assertEqual(
            words.worst([words.failure(text) for text in expected]), found
        )

    def test_enforcing(self):
        self.assertEqual(words.success(), enabled.mode('enforcing'))

    def test_permissive(self):
        self.assertEqual(
            words.warning(
                'the filter refuses nothing: [mdev_compat]mode is permissive; '
                'set enforcing once its log says what you expect'
            ),
            enabled.mode('permissive'),
        )
