# SPDX-License-Identifier: Apache-2.0

import errno
import os
import pathlib
import stat

import ddt
import fixtures
import testtools

from nova_mdev_compat.common import files
from nova_mdev_compat.core import exceptions

NO_INT = 'invalid literal for int() with base 10:'
NO_COLON = "Expecting ':' delimiter"


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
        """Return a file of another user that is not readable for others."""
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
        """Only the old file stays; the error names it."""
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

    def test_readers_see_one_of_two_texts(self):
        files.replace(self.path, 'old' * 9000)
        with self.path.open() as file:
            files.replace(self.path, 'new')
            self.assertEqual('old' * 9000, file.read())
        self.assertEqual('new', self.path.read_text())

    def test_mode(self):
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
        """The owner of the directory cannot change another file's mode."""
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
        """The file is written to the directory that was opened."""
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
        """After the file, and if the file system supports it."""
        real = os.fsync

        def fail(handle):
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                self.assertEqual('new', self.path.read_text())
                raise OSError(number, os.strerror(number))
            real(handle)

        self.patch(os, 'fsync', fail)
        raised = None
        try:
            files.replace(self.path, 'new')
        except OSError as exc:
            raised = exc.errno
        self.assertEqual(expected, raised)


@ddt.ddt
class ReadJsonTest(testtools.TestCase):
    LIMIT = 2**20

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, 'a.json'
        )

    def refuse(self, expected):
        exc = self.assertRaises(
            files.FileError,
            files.read_json,
            self.path,
            self.LIMIT,
            '1.1',
            ': nobody has written it',
        )
        self.assertIsInstance(exc, exceptions.BadInput)
        self.assertEqual(f'{self.path}{expected}', str(exc))

    @ddt.data('1.0', '1.1', '1.9')
    def test_minor_versions(self, version):
        text = f'{{"schema_version": "{version}", "x": [1]}}'
        self.path.write_text(text + ' ' * (self.LIMIT - len(text)))
        self.assertEqual(
            {'schema_version': version, 'x': [1]},
            files.read_json(self.path, self.LIMIT, '1.1'),
        )

    def test_missing(self):
        self.refuse(' is not there: nobody has written it')

    def test_directory(self):
        self.path.mkdir()
        self.refuse(': Is a directory')

    @ddt.data(
        (b' ' * (LIMIT + 1), ' is larger than 1 MiB'),
        (b'{"a" 1}', f' is not JSON: {NO_COLON}: line 1 column 6 (char 5)'),
        (b'[NaN]', f" is not JSON: {NO_INT} 'NaN'"),
        (b'[]', ' is invalid: no schema_version'),
        (
            b'{"schema_version": 1}',
            ' is invalid: schema_version 1 is not a version such as "1.1"',
        ),
        (
            b'{"schema_version": "2.0"}',
            ': schema_version 2.0 cannot be read: '
            'this nova-mdev-compat reads 1.x. Upgrade it here',
        ),
    )
    @ddt.unpack
    def test_wrong(self, raw, expected):
        self.path.write_bytes(raw)
        self.refuse(expected)
