# SPDX-License-Identifier: Apache-2.0

import ddt
import testtools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.osc import selection


@ddt.ddt
class OfTest(testtools.TestCase):
    @ddt.data(('nvidia-558', '10de'), ('Nvidia 558', None), (None, 'mtty'))
    @ddt.unpack
    def test_names_that_devices_have(self, mdev_type, vendor):
        self.assertEqual([], selection.of([], mdev_type, vendor))

    @ddt.data(
        ('nvidia-*', None, '-*'),
        ('!nvidia-558', None, '!'),
        (None, '10de*', '*'),
        (None, '10de,8086', ','),
    )
    @ddt.unpack
    def test_signs_that_no_trait_carries(self, mdev_type, vendor, sign):
        """They would select something else than what is meant."""
        exc = self.assertRaises(
            exceptions.BadInput, selection.of, [], mdev_type, vendor
        )
        self.assertIn(f'a trait cannot carry {sign!r}', str(exc))
