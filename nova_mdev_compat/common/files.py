# SPDX-License-Identifier: Apache-2.0
"""Files that others read while they are written."""

import contextlib
import errno
import os
import pathlib

#: For everybody: another user's service reads it.
_MODE = 0o644
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def replace(path: pathlib.Path, text: str) -> None:
    """Write a file, whole or not at all, even if the power fails.

    It belongs to whoever writes it, and its mode is 0644. A symbolic link in
    its place is replaced, and not followed: the directory may be another
    user's, who could have made it lead anywhere. For the same reason nothing
    is done by path once the directory is open.

    :raises OSError: it cannot be written; the error names it
    """
    try:
        directory = os.open(
            path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        )
        try:
            _replace(directory, path.name, text.encode())
        finally:
            os.close(directory)
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, str(path)) from exc


def _replace(directory: int, name: str, content: bytes) -> None:
    temporary = f'.{name}.{os.urandom(8).hex()}'
    handle = os.open(temporary, _NEW, 0o600, dir_fd=directory)
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(content)
            file.flush()
            os.fchmod(handle, _MODE)
            os.fsync(handle)
        os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise
    try:
        os.fsync(directory)
    except OSError as exc:
        # Not every file system can do that for a directory.
        if exc.errno != errno.EINVAL:
            raise
