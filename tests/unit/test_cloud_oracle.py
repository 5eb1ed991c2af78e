# SPDX-License-Identifier: Apache-2.0
"""Who judges the landings of "make cloud" must be able to say no."""

import ddt
import testtools

from tests.cloud import oracle

SOURCE = oracle.Device('2235', '550.54.14', '535')


@ddt.ddt
class OracleTest(testtools.TestCase):
    @ddt.data(
        (True, oracle.Device('2235', '550.54.14', '535')),
        (True, oracle.Device('2235', '550.54.20', '550.54.14')),
        # As text, 550.100 is less than 550.54.14.
        (True, oracle.Device('2235', '550.100', '535')),
        (False, oracle.Device('2236', '550.54.14', '535')),
        (False, oracle.Device('2235', '535.54.03', '535')),
        (False, oracle.Device('2235', '570.86.10', '560')),
        (False, None),
    )
    @ddt.unpack
    def test_accepts(self, expected, target):
        self.assertIs(expected, oracle.accepts(SOURCE, target))
