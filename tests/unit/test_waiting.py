# SPDX-License-Identifier: Apache-2.0
"""How tests wait."""

import pathlib

import fixtures
import testtools

from tests import waiting


class WaitForTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch('tests.waiting.PAUSE', 0))
        self.path = (
            pathlib.Path(self.useFixture(fixtures.TempDir()).path)
            / 'state.json'
        )

    def test_returns_what_is_true(self):
        answers = iter([0, None, '', [7]])
        self.assertEqual([7], waiting.wait_for(lambda: next(answers), 'never'))

    def test_a_file_that_is_not_there_yet(self):
        """It is read in vain once, and then it has been written."""

        def read():
            try:
                return self.path.read_text()
            finally:
                self.path.write_text('{}')

        self.assertEqual('{}', waiting.wait_for(read, 'never'))

    def test_never(self):
        error = self.assertRaises(
            AssertionError,
            waiting.wait_for,
            self.path.read_text,
            lambda: 'it leaves no word',
            deadline=0,
        )
        self.assertEqual(
            f'it leaves no word ({self.path} is not there)', str(error)
        )

    def test_other_errors_are_not_waited_out(self):
        self.path.mkdir()
        self.assertRaises(
            IsADirectoryError, waiting.wait_for, self.path.read_text, 'never'
        )
