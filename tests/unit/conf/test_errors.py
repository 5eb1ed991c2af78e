# SPDX-License-Identifier: Apache-2.0
import ddt
from oslo_config import cfg
import testtools

from nova_mdev_compat.conf import errors


@ddt.ddt
class DescribeTest(testtools.TestCase):
    @ddt.data(
        (
            'Value for option mode from LocationInfo(location=<Locations.user: '
            "(4, True)>, detail='/a b/nova.conf') is not valid: Valid values "
            "are [x, y], but found 'z'",
            's',
            "/a b/nova.conf: [s]mode: Valid values are [x, y], but found 'z'",
        ),
        (
            'Value for option t from LocationInfo(location=<Locations.user: '
            "(4, True)>, detail='n') is not valid: not\na number",
            '',
            'n: t: not\na number',
        ),
        (
            'Value for option format from LocationInfo(location='
            "<Locations.command_line: (5, True)>, detail='') is not valid: x",
            '',
            'argument --format: x',
        ),
        (
            'Failed to parse nova.conf: at nova.conf:1',
            's',
            'Failed to parse nova.conf: at nova.conf:1',
        ),
    )
    @ddt.unpack
    def test_describe(self, message, group, expected):
        self.assertEqual(expected, errors.describe(cfg.Error(message), group))
