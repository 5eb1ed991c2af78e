# SPDX-License-Identifier: Apache-2.0
import ddt
import testtools

from nova_mdev_compat.checks import classes
from nova_mdev_compat.checks import words

LACKS = (
    '[mdev_compat]resource_classes lacks {}: instances with these pass '
    'the filter unseen; add them in nova.conf of every nova-scheduler'
)


@ddt.ddt
class ClassesTest(testtools.TestCase):
    def test_candidates(self):
        self.assertEqual(
            ['CUSTOM_A', 'VGPU'],
            classes.candidates(
                ['VGPU', 'VCPU', 'PGPU', 'VGPU_DISPLAY_HEAD', 'CUSTOM_A']
            ),
        )

    @ddt.data(
        (['VGPU'], ['VGPU'], words.success()),
        (
            ['VGPU', 'CUSTOM_B', 'CUSTOM_A'],
            ['VGPU'],
            words.failure(LACKS.format('CUSTOM_A, CUSTOM_B')),
        ),
        (['CUSTOM_A'], ['VGPU'], words.failure(LACKS.format('CUSTOM_A'))),
        (['VGPU'], [], words.failure(LACKS.format('VGPU'))),
        (
            ['VGPU'],
            ['VGPU', 'CUSTOM_A'],
            words.success(
                'no device has CUSTOM_A of [mdev_compat]resource_classes'
            ),
        ),
        (
            [],
            ['VGPU'],
            words.warning(
                'nobody can say whether [mdev_compat]resource_classes is right: '
                'no device of which a collector has published has an inventory'
            ),
        ),
    )
    @ddt.unpack
    def test_compare(self, used, option, expected):
        self.assertEqual(expected, classes.compare(used, option))
