# SPDX-License-Identifier: Apache-2.0
"""The two ways to make the filter available in nova.conf."""

from nova.scheduler import filters as nova_filters

from nova_mdev_compat import filters
from tests.functional import base
from tests import hardware

Board = hardware.Board
NOVA = 'nova.scheduler.filters.all_filters'
OURS = 'nova_mdev_compat.filters.MdevCompatFilter'


class OneLineTest(base.MdevCompatTestCase):
    """As all other tests with Nova have it."""

    def names(self):
        return sorted(self.scheduler.manager.host_manager.filter_cls_map)

    def refuse(self):
        self.start_host('src', Board(0))
        self.start_host('target', Board(0, product='2236'))
        self.assert_no_valid_host(self.boot('src'))

    def test_refuses(self):
        self.refuse()
        nova = [item.__name__ for item in nova_filters.all_filters()]
        self.assertIn('ComputeFilter', nova)
        self.assertEqual(sorted([*nova, 'MdevCompatFilter']), self.names())

    def test_is_what_nova_calls(self):
        """As ``available_filters`` gives it to ``nova/loadables.py``."""
        found = nova_filters.HostFilterHandler().get_matching_classes(
            list(self.AVAILABLE)
        )
        self.assertEqual(
            [*nova_filters.all_filters(), filters.MdevCompatFilter], found
        )


class TwoLinesTest(OneLineTest):
    """Nova's function, and the class."""

    AVAILABLE = (NOVA, OURS)


class BothWaysTest(OneLineTest):
    """An operator who adds the one line and keeps the two."""

    AVAILABLE = (NOVA, OURS, *base.CollectorMixin.AVAILABLE)

    def test_is_what_nova_calls(self):
        """Nova keeps one class of each name."""
        found = nova_filters.HostFilterHandler().get_matching_classes(
            list(self.AVAILABLE)
        )
        self.assertEqual(2, found.count(filters.MdevCompatFilter))
