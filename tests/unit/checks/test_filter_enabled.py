# SPDX-License-Identifier: Apache-2.0
import ddt
from oslo_config import cfg
import testtools

from nova_mdev_compat.checks import filter_enabled
from tests.unit.checks import results

OURS = filter_enabled.NAME
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
class FilterEnabledTest(testtools.TestCase):
    @ddt.data('29.4.0', '31.3.1', '33.0.2', '34.0.0', '34.1.0.dev5', '34')
    def test_a_tested_nova(self, version):
        self.assertEqual([], list(filter_enabled.version(version)))

    @ddt.data('28.3.0', '9.0', '0.0.0')
    def test_a_nova_that_is_too_old(self, version):
        self.assertEqual(
            [
                results.failure(
                    f'Nova {version} does not live-migrate mdevs: 29 (2024.1) is the '
                    'first release that does'
                )
            ],
            results.plain(filter_enabled.version(version)),
        )

    @ddt.data(
        (
            '30.1.0',
            'Nova 30.1.0 is in the supported range, but is not one of '
            'the tested releases (29, 31, 33, 34)',
        ),
        (
            '32.0.0',
            'Nova 32.0.0 is in the supported range, but is not one of '
            'the tested releases (29, 31, 33, 34)',
        ),
        (
            '35.0.0',
            'Nova 35.0.0 is newer than all tested releases (29, 31, 33, 34)',
        ),
        (
            '',
            'the version of this Nova, "", is not a release; tested releases '
            'are 29, 31, 33, 34',
        ),
        (
            'unknown',
            'the version of this Nova, "unknown", is not a release; '
            'tested releases are 29, 31, 33, 34',
        ),
    )
    @ddt.unpack
    def test_a_nova_that_is_not_tested(self, version, expected):
        self.assertEqual(
            [
                results.warning(
                    f'{expected}: start with [mdev_compat]mode = permissive and read '
                    "nova-scheduler's log"
                )
            ],
            results.plain(filter_enabled.version(version)),
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
                'nova-scheduler does not start: no entry of '
                '[filter_scheduler]available_filters provides B, C'
            ],
        ),
        # What the broken one brings, nobody knows.
        ([OURS, 'A'], [], {'a.B': 'ImportError: no'}, [BROKEN]),
        (['A'], [], {'a.B': 'ImportError: no'}, [BROKEN, ENABLE]),
    )
    @ddt.unpack
    def test_filters(self, names, available, broken, expected):
        found = filter_enabled.filters(names, available, broken)
        self.assertEqual(
            [results.failure(text) for text in expected], results.plain(found)
        )

    def test_enforcing(self):
        self.assertEqual([], list(filter_enabled.mode('enforcing')))

    def test_permissive(self):
        self.assertEqual(
            [
                results.warning(
                    'the filter refuses nothing: [mdev_compat]mode is permissive; '
                    'set it to enforcing once the log shows what you expect'
                )
            ],
            results.plain(filter_enabled.mode('permissive')),
        )


@ddt.ddt
class LoadTest(testtools.TestCase):
    def load(self, error):
        def get_classes(paths):
            if paths == ['broken']:
                raise error
            return [int, str]

        return filter_enabled.load(['good', 'broken'], get_classes)

    @ddt.data(
        (ValueError('a\nb'), 'ValueError: a'),
        (ValueError('\n a b \nc'), 'ValueError: a b'),
        (ValueError(''), 'ValueError'),
        (ValueError('x' * 999), f'ValueError: {"x" * 300}'),
    )
    @ddt.unpack
    def test_one_line_of_an_error(self, error, expected):
        self.assertEqual(
            ({'int', 'str'}, {'broken': expected}), self.load(error)
        )

    def test_a_wrong_option(self):
        self.assertRaises(cfg.Error, self.load, cfg.ConfigFileValueError('no'))
