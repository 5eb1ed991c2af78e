# SPDX-License-Identifier: Apache-2.0

import unittest

from nova_mdev_compat.core import text


class JoinTest(unittest.TestCase):
    def test_all_are_named(self):
        self.assertEqual('b, a', text.join(['b', 'a'], limit=2))

    def test_the_rest_is_counted(self):
        self.assertEqual('a, b and 2 more', text.join('abcd', limit=2))

    def test_the_rest_has_a_noun(self):
        self.assertEqual(
            'a and 2 more hosts', text.join('abc', limit=1, noun='host')
        )
        self.assertEqual(
            'a; b and 1 more host',
            text.join('abc', limit=2, noun='host', separator='; '),
        )

    def test_none(self):
        self.assertEqual('none', text.join([]))


class CountTest(unittest.TestCase):
    def test_singular_and_plural(self):
        self.assertEqual(
            ['0 hosts', '1 host', '2 hosts'],
            [text.count(number, 'host') for number in range(3)],
        )
