# SPDX-License-Identifier: Apache-2.0

import ddt
import testtools

from nova_mdev_compat.core import schema_version

UPGRADE_THERE = 'Upgrade it where this was written, and have it written again'


@ddt.ddt
class CheckTest(testtools.TestCase):
    @ddt.data(
        ('1.0', '1.0'),
        ('1.0', '1.1'),
        ('1.9', '1.1'),
        ('1.10', '1.9'),
        ('2.9999', '2.0'),
        ('10.0', '10.3'),
    )
    @ddt.unpack
    def test_any_minor_version(self, found, ours):
        self.assertIsNone(
            schema_version.check({'schema_version': found}, ours)
        )

    @ddt.data(
        ('2.0', '1.0', '1.x. Upgrade it here'),
        ('10.0', '9.7', '9.x. Upgrade it here'),
        ('1.7', '2.0', f'2.x. {UPGRADE_THERE}'),
    )
    @ddt.unpack
    def test_other_major_version(self, found, ours, words):
        error = self.assertRaises(
            schema_version.OtherVersionError,
            schema_version.check,
            {'schema_version': found},
            ours,
        )
        self.assertEqual(
            f'schema_version {found} cannot be read: this '
            f'nova-mdev-compat reads {words}',
            str(error),
        )

    @ddt.data(
        *(None, 1, 1.0, True, [], {}),
        *('', '1', '1.', '.0', '1.0.0', '1.x', 'v1.0', '-1.0', '+1.0', ' 1.0'),
        *('1.0\n', '01.0', '1.00', '0.9', '1,0', '\u0661.\u0660', '1.99999'),
        *('9' * 10000 + '.0', 'x' * 10000),
    )
    def test_no_version(self, found):
        error = self.assertRaises(
            schema_version.VersionError,
            schema_version.check,
            {'schema_version': found},
            '1.0',
        )
        self.assertNotIsInstance(error, schema_version.OtherVersionError)
        self.assertIn('is not a version such as "1.0"', str(error))
        self.assertLess(len(str(error)), 100)

    @ddt.data(None, [], 'schema_version', 7, {}, {'version': '1.0'})
    def test_without_one(self, document):
        error = self.assertRaises(
            schema_version.VersionError, schema_version.check, document, '1.0'
        )
        self.assertEqual('no schema_version', str(error))
