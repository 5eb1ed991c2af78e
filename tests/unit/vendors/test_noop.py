# SPDX-License-Identifier: Apache-2.0
"""The example, and a copy of it with a vendor."""

import ddt
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import manager
from nova_mdev_compat.vendors import noop
from tests.unit import vendors

TARGET = identity.Identity('1B36_0005', 'LABGPU_1')


class Copy(noop.NoOp):
    """The example with the one change that it asks for."""

    vendors = frozenset({'1b36'})


@ddt.ddt
class NoOpTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.conf = vendors.config(self)

    def start(self, plugin):
        return manager.Vendors(self.conf, {'acme': plugin})

    def test_has_no_vendor(self):
        self.assertEqual({}, manager.by_vendor({'noop': noop.NoOp}))
        self.assertEqual({}, self.start(noop.NoOp).facts([vendors.LAB]))

    def test_its_fact_compares_as_a_version(self):
        (name,) = noop.NoOp.fact_names
        self.assertTrue(identity.is_version_fact(name))

    def test_copy(self):
        copy = self.start(Copy)
        unknown = {'firmwareversion': 'set [noop_vendor]firmware'}
        self.assertEqual(
            {vendors.LAB.name: base.Facts({}, unknown)},
            copy.facts([vendors.LAB]),
        )
        self.conf.set_override('firmware', '2.1', 'noop_vendor')
        self.addCleanup(self.conf.clear_override, 'firmware', 'noop_vendor')
        self.assertEqual(
            {vendors.LAB.name: base.Facts({'firmwareversion': '2.1'})},
            copy.facts([vendors.LAB]),
        )
        self.assertIsNone(copy.accepts(vendors.LAB, TARGET))

    @ddt.data(noop.NoOp, Copy)
    def test_several_instances(self, plugin):
        """Each process of the service has one."""
        self.start(plugin)
        self.start(plugin)
