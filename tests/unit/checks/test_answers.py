# SPDX-License-Identifier: Apache-2.0
import ddt
import testtools

from nova_mdev_compat.checks import answers
from nova_mdev_compat.checks import words


@ddt.ddt
class MicroversionTest(testtools.TestCase):
    @ddt.data('1.39', '1.40', '1.100', '2.0')
    def test_new_enough(self, newest):
        self.assertEqual(words.success(), answers.microversion(newest))

    @ddt.data('1.38', '1.4', '1.0', '0.99')
    def test_too_old(self, newest):
        self.assertEqual(
            words.failure(
                f'Placement has microversions up to {newest}, and 1.39 (Yoga) is '
                'needed: upgrade it'
            ),
            answers.microversion(newest),
        )

    @ddt.data('', 'v1', 'None')
    def test_another_service(self, newest):
        self.assertEqual(
            words.failure(
                f"what answers at its endpoint has the microversion '{newest}', "
                'which is none of Placement'
            ),
            answers.microversion(newest),
        )
