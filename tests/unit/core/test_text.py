# SPDX-License-Identifier: Apache-2.0

import unittest

from nova_mdev_compat.core import text


class JoinTest(unittest.TestCase):
    def test_join(self):
        for expected, names, options in (
            ('none', '', {}),
            ('b, a', 'ba', {'limit': 2}),
            ('a, b and 2 more', 'abcd', {'limit': 2}),
            ('a and 2 more hosts', 'abc', {'limit': 1, 'noun': 'host'}),
            ('a; b and 1 more', 'abc', {'limit': 2, 'separator': '; '}),
        ):
            self.assertEqual(expected, text.join(names, **options))


class CountTest(unittest.TestCase):
    def test_singular_and_plural(self):
        self.assertEqual(
            ['0 hosts', '1 host', '2 hosts'],
            [text.count(number, 'host') for number in range(3)],
        )
