# SPDX-License-Identifier: Apache-2.0

import os
import pathlib

import ddt
import fixtures
import testtools

from nova_mdev_compat import files


@ddt.ddt
class ReplaceTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.path = self.directory / 'file'

    @ddt.data('os.fsync', 'os.chmod', 'os.replace')
    def test_replace_that_fails(self, step):
        """The old text stays, and nothing else."""
        files.replace(self.path, 'old')

        def fail(*_):
            raise OSError(28, os.strerror(28))

        with fixtures.MonkeyPatch(step, fail):
            self.assertRaises(OSError, files.replace, self.path, 'new')
        self.assertEqual('old', self.path.read_text())
        self.assertEqual([self.path], list(self.directory.iterdir()))

    def test_replace_is_of_the_whole(self):
        files.replace(self.path, 'old' * 9000)
        with self.path.open() as file:
            files.replace(self.path, 'new')
            self.assertEqual('old' * 9000, file.read())
        self.assertEqual('new', self.path.read_text())
