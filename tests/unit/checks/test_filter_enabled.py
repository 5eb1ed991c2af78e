# SPDX-License-Identifier: Apache-2.0
from unittest import mock

import ddt
from oslo_config import cfg
import testtools

from nova_mdev_compat.checks import filter_enabled
from nova_mdev_compat.common import metrics
from tests.unit.checks import results

OURS = filter_enabled.NAME
BROKEN = {'a.B': 'ImportError: no'}
CANNOT_LOAD = results.CANNOT_LOAD.format('a.B', 'ImportError: no')
NOT_AMONG = (
    'is in the supported range, but is not one of the tested releases (29, 31, '
    '33, 34)'
)
NOT_A_RELEASE = (
    'the version of this Nova, "{}", is not a release; tested releases are 29, '
    '31, 33, 34'
)


@ddt.ddt
class FilterEnabledTest(testtools.TestCase):
    @ddt.data('29.4.0', '31.3.1', '33.0.2', '34.0.0', '34.1.0.dev5', '34')
    def test_tested_nova(self, version):
        self.assertEqual([], list(filter_enabled.version(version)))

    @ddt.data('28.3.0', '9.0', '0.0.0')
    def test_nova_that_is_too_old(self, version):
        self.assertEqual(
            [(results.FAILURE, results.TOO_OLD.format(version))],
            results.plain(filter_enabled.version(version)),
        )

    @ddt.data(
        ('30.1.0', f'Nova 30.1.0 {NOT_AMONG}'),
        ('32.0.0', f'Nova 32.0.0 {NOT_AMONG}'),
        (
            '35.0.0',
            'Nova 35.0.0 is newer than all tested releases (29, 31, 33, 34)',
        ),
        ('', NOT_A_RELEASE.format('')),
        ('unknown', NOT_A_RELEASE.format('unknown')),
    )
    @ddt.unpack
    def test_nova_that_is_not_tested(self, version, problem):
        expected = (
            f'{problem}: start with [mdev_compat]mode = permissive and read '
            "nova-scheduler's log"
        )
        self.assertEqual(
            [(results.WARNING, expected)],
            results.plain(filter_enabled.version(version)),
        )

    @ddt.data(
        ([OURS, 'A'], [OURS, 'A', 'B'], {}),
        (['A'], [OURS, 'A'], {}, results.ENABLE),
        ([OURS, 'A'], ['A'], {}, results.ADD),
        (['A'], ['A'], {}, results.ADD, results.ENABLE),
        (
            [OURS, 'C', 'B'],
            [OURS, 'A'],
            {},
            results.NO_SUCH_FILTER.format('B, C'),
        ),
        # It is unknown what the broken entry would provide.
        ([OURS, 'A'], [], BROKEN, CANNOT_LOAD),
        (['A'], [], BROKEN, CANNOT_LOAD, results.ENABLE),
    )
    @ddt.unpack
    def test_filters(self, enabled, available, broken, *expected):
        self.assertEqual(
            [(results.FAILURE, text) for text in expected],
            results.plain(filter_enabled.filters(enabled, available, broken)),
        )

    @ddt.data(
        ('enforcing',),
        ('permissive', (results.WARNING, results.REFUSES_NOTHING)),
    )
    @ddt.unpack
    def test_mode(self, mode, *expected):
        self.assertEqual(
            list(expected), results.plain(filter_enabled.mode(mode))
        )

    def test_counters(self):
        self.assertEqual([], list(filter_enabled.counters('/a/b.prom')))
        with mock.patch.object(metrics, 'AVAILABLE', False):
            self.assertEqual([], list(filter_enabled.counters(None)))
            self.assertEqual(
                [
                    (
                        results.WARNING,
                        'decisions are not counted: '
                        '[mdev_compat]metrics_file needs prometheus_client: '
                        "install nova-mdev-compat with the extra 'metrics'",
                    )
                ],
                results.plain(filter_enabled.counters('/a/b.prom')),
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

    def test_wrong_option(self):
        self.assertRaises(cfg.Error, self.load, cfg.ConfigFileValueError('no'))
