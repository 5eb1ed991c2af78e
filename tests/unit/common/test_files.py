# SPDX-License-Identifier: Apache-2.0

import errno
import os
import pathlib
import stat

import ddt
import fixtures
import testtools

from nova_mdev_compat.common import files


@ddt.ddt
class ReplaceTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.directory = self.home / 'ours'
        self.directory.mkdir()
        self.path = self.directory / 'file'

    def before(self, step, do):
        """Let something happen before a step, once; the step is real."""
        real, calls = getattr(os, step), []

        def call(*args, **kwargs):
            if not calls:
                calls.append(args)
                do()
            return real(*args, **kwargs)

        self.patch(os, step, call)

    def secret(self):
        """Return a file of somebody that nobody else may read."""
        path = self.home / 'secret'
        path.write_text('secret')
        path.chmod(0o600)
        return path

    def assert_untouched(self, secret):
        self.assertEqual(
            ('secret', 0o600),
            (secret.read_text(), stat.S_IMODE(secret.stat().st_mode)),
        )

    @ddt.data('fsync', 'fchmod', 'replace')
    def test_replace_that_fails(self, step):
        """The old text stays, and nothing else; the error names the file."""
        files.replace(self.path, 'old')

        def fail():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        self.before(step, fail)
        error = self.assertRaises(OSError, files.replace, self.path, 'new')
        self.assertEqual(
            (errno.ENOSPC, str(self.path)), (error.errno, error.filename)
        )
        self.assertEqual('old', self.path.read_text())
        self.assertEqual([self.path], list(self.directory.iterdir()))

    @ddt.data('nowhere/file', 'old/file')
    def test_no_directory(self, name):
        (self.home / 'old').touch()
        error = self.assertRaises(
            OSError, files.replace, self.home / name, 'new'
        )
        self.assertEqual(str(self.home / name), error.filename)

    def test_replace_is_of_the_whole(self):
        files.replace(self.path, 'old' * 9000)
        with self.path.open() as file:
            files.replace(self.path, 'new')
            self.assertEqual('old' * 9000, file.read())
        self.assertEqual('new', self.path.read_text())

    def test_everybody_may_read_it(self):
        self.addCleanup(os.umask, os.umask(0o077))
        for text in ('„old“', '„new“'):
            files.replace(self.path, text)
            self.assertEqual(text, self.path.read_text('utf-8'))
            self.assertEqual(0o644, stat.S_IMODE(self.path.stat().st_mode))

    def test_symbolic_link_in_its_place(self):
        secret = self.secret()
        self.path.symlink_to(secret)
        files.replace(self.path, 'new')
        self.assertFalse(self.path.is_symlink())
        self.assertEqual('new', self.path.read_text())
        self.assert_untouched(secret)

    @ddt.data('fchmod', 'fsync', 'replace')
    def test_symbolic_link_in_the_middle(self, step):
        """Whoever owns the directory gets no mode of another file changed."""
        secret = self.secret()

        def swap():
            (temporary,) = self.directory.iterdir()
            temporary.unlink()
            temporary.symlink_to(secret)

        self.before(step, swap)
        files.replace(self.path, 'new')
        self.assertEqual(secret, self.path.readlink())
        self.assert_untouched(secret)

    @ddt.data('fchmod', 'fsync', 'replace')
    def test_other_directory_in_the_middle(self, step):
        """It is written where it was begun."""
        moved, other = self.home / 'moved', self.home / 'other'
        other.mkdir()

        def swap():
            self.directory.rename(moved)
            self.directory.symlink_to(other)

        self.before(step, swap)
        files.replace(self.path, 'new')
        self.assertEqual([], list(other.iterdir()))
        self.assertEqual('new', (moved / 'file').read_text())

    @ddt.data((errno.EINVAL, None), (errno.EIO, errno.EIO))
    @ddt.unpack
    def test_directory_is_synced(self, number, expected):
        """Where the file system can do that; the file is there before."""
        real = os.fsync

        def fail(handle):
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                self.assertEqual('new', self.path.read_text())
                raise OSError(number, os.strerror(number))
            real(handle)

        self.patch(os, 'fsync', fail)
        try:
            files.replace(self.path, 'new')
        except OSError as exc:
            raised = exc.errno
        else:
            raised = None
        self.assertEqual(expected, raised)
