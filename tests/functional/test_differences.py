# SPDX-License-Identifier: Apache-2.0
"""What is left out with a Nova that does not have it."""

import fixtures
import testtools

from tests.functional import differences


class LeaveOutTest(testtools.TestCase):
    def remaining_with(self, nova):
        self.useFixture(
            fixtures.MonkeyPatch('tests.functional.differences.NOVA', nova)
        )

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
