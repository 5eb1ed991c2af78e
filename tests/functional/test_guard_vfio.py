# SPDX-License-Identifier: Apache-2.0
"""The guard in Nova's live migration of a virtual function."""

from nova_mdev_compat.core import identity
from tests.functional import test_guard_nova
from tests.functional import vfio_base


class GuardVfioTest(test_guard_nova.GuardMixin, vfio_base.VfioTestCase):
    """The filter accepts what was published; the guard sees what is now."""

    PARENT, TYPE = '0000:82:00.0', 'NVIDIA_558'
    ACCEPT = 'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_558__FRAMEWORK_IS_VFIO'

    def setUp(self):
        super().setUp()
        self.start_host('host1', vfio_base.board(0x81))
        self.start_host('host2', vfio_base.board(0x82))
        self.server = self.boot('host1')
        self.source = identity.Identity.of(
            '10DE_2235', 'nvidia-558', {'framework': 'vfio'}
        )
        self.accept(self.ACCEPT)

    def destination_sysfs(self):
        return str(self.sysfs('host2'))

    def test_accepted(self):
        """Nova has put the function of the destination into the domain."""
        self.assertEqual('host2', self.migrate(self.server))
        (domain,) = self.seen
        (address,) = domain.addresses
        self.assertEqual('0000:82:00.', address[:-1])
        self.assertEqual([address], self.functions_of(self.server))

    def test_type_is_gone(self):
        self.set_types('host2', '0', '0')
        before = self.functions_of(self.server)
        self.assert_refused(
            'refused: virtual function 0000:82:00.',
            'on 0000:82:00.0: no vGPU type is set (current_vgpu_type is 0)',
        )
        self.assertEqual(before, self.functions_of(self.server))
