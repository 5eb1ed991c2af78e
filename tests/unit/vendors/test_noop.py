# SPDX-License-Identifier: Apache-2.0
"""The example works where somebody copies it and names a vendor."""

import ddt
import testtools

from nova_mdev_compat.cmd import collector
from nova_mdev_compat.core import identity
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import manager
from nova_mdev_compat.vendors import noop

BOARD = base.Device(
    'pci_0000_03_00_0',
    '1B36_0005',
    '0000:03:00.0',
    '0000:03:00.0',
    frozenset({'labgpu-1'}),
)
TARGET = identity.Identity('1B36_0005', 'LABGPU_1')


class Copy(noop.NoOp):
    """What somebody makes of the example who does what it says."""

    vendors = frozenset({'1b36'})


@ddt.ddt
class NoOpTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.conf = collector.COMMAND.new_config()
        self.conf([], default_config_files=[], default_config_dirs=[])

    def start(self, plugin):
        return manager.Vendors(self.conf, {'acme': plugin})

    def test_has_no_vendor(self):
        self.assertEqual({}, manager.by_vendor({'noop': noop.NoOp}))
        vendors = self.start(noop.NoOp)
        self.assertIsNone(vendors.name_for(BOARD))
        self.assertEqual({}, vendors.facts([BOARD]))

    def test_its_fact_compares_as_a_version(self):
        (name,) = noop.NoOp.fact_names
        self.assertTrue(identity.is_version_fact(name))

    def test_a_copy_says_what_is_to_be_done(self):
        self.assertEqual(
            {
                BOARD.name: base.Facts(
                    {}, {'firmwareversion': 'set [noop_vendor]firmware'}
                )
            },
            self.start(Copy).facts([BOARD]),
        )

    def test_a_copy_gives_its_fact(self):
        vendors = self.start(Copy)
        self.conf.set_override('firmware', '2.1', 'noop_vendor')
        self.addCleanup(self.conf.clear_override, 'firmware', 'noop_vendor')
        self.assertEqual(
            {BOARD.name: base.Facts({'firmwareversion': '2.1'})},
            vendors.facts([BOARD]),
        )

    def test_a_copy_leaves_the_answer_to_the_rules(self):
        self.assertIsNone(self.start(Copy).accepts(BOARD, TARGET))

    @ddt.data(noop.NoOp, Copy)
    def test_is_made_as_often_as_one_likes(self, plugin):
        """The service makes one in each of its processes."""
        self.start(plugin)
        self.start(plugin)
