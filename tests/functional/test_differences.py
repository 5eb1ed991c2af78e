# SPDX-License-Identifier: Apache-2.0
"""What is left out with a Nova that does not have it."""

import fixtures
import testtools

from tests.functional import differences
from tests.functional import vfio_base


class LeaveOutTest(testtools.TestCase):
    def install(self, nova):
        self.useFixture(
            fixtures.MonkeyPatch('tests.functional.differences.NOVA', nova)
        )

    def remaining_with(self, nova):
        self.install(nova)

        @differences.leave_out('no-device-migration')
        class Example:
            def setUp(self):
                """Stays."""

            def test_one(self):
                """A test."""

            def test_two(self):
                """Another."""

        return [
            name
            for name in ('setUp', 'test_one', 'test_two')
            if hasattr(Example, name)
        ]

    def test_with_the_difference_only(self):
        self.assertEqual(['setUp'], self.remaining_with(29))
        self.assertEqual(
            ['setUp', 'test_one', 'test_two'], self.remaining_with(31)
        )

    def test_virtual_functions(self):
        """Nobody has to remember it for a new class."""
        for nova, any_nova, expected in (
            (29, False, False),
            (29, True, True),
            (31, False, True),
        ):
            self.install(nova)

            class Example(vfio_base.VfioTestCase):
                ANY_NOVA = any_nova

                def test_one(self):
                    """A test."""

            with self.subTest(nova=nova, any_nova=any_nova):
                self.assertIs(expected, hasattr(Example, 'test_one'))
