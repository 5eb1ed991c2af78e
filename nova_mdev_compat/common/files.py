# SPDX-License-Identifier: Apache-2.0
"""Atomic writes and checked reads of this package's own files."""

import contextlib
import errno
import json
import os
import pathlib
from typing import Any

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import schema_version

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FileError(exceptions.BadInput):
    """A file is missing or invalid; the message names it."""


def read(path: pathlib.Path, limit: int, hint: str = '') -> bytes:
    """Return the content of a file.

    :param limit: in bytes, a multiple of a MiB
    :param hint: appended to the error for a missing file
    :raises FileError: the file cannot be read, or is larger
    """
    try:
        return read_limited(path, limit)
    except FileNotFoundError as exc:
        raise FileError(f'{path} is not there{hint}') from exc
    except OSError as exc:
        raise FileError(f'{path}: {exc.strerror}') from exc


def read_limited(path: pathlib.Path, limit: int) -> bytes:
    """Return the content of a file; as read, but for the file's own errors.

    :raises OSError: the file cannot be read
    :raises FileError: it is larger
    """
    with path.open('rb') as file:
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise FileError(f'{path} is larger than {limit >> 20} MiB')
    return raw


def parse_json(name: str, raw: bytes, version: str, hint: str = '') -> Any:
    """Return the content of a JSON document that has a schema version.

    :param name: of the document, for errors
    :param version: the schema version that this release writes
    :param hint: appended to the error for any other document
    :raises FileError: it is not JSON, or this release does not read it
    """
    try:
        # int refuses NaN and Infinity, which are not JSON.
        data = json.loads(raw, parse_constant=int)
    except (ValueError, RecursionError) as exc:
        raise FileError(f'{name} is not JSON: {exc}{hint}') from exc
    try:
        schema_version.check(data, version)
    except schema_version.OtherVersionError as exc:
        raise FileError(f'{name}: {exc}') from exc
    except schema_version.VersionError as exc:
        raise FileError(f'{name} is invalid: {exc}{hint}') from exc
    return data


def read_json(
    path: pathlib.Path, limit: int, version: str, hint: str = ''
) -> Any:
    """Return the content of a JSON file; see read and parse_json."""
    return parse_json(str(path), read(path, limit, hint), version)


def replace(path: pathlib.Path, text: str) -> None:
    """Write a file completely or not at all, even if the power fails.

    The file belongs to the user of this process. Its mode is 0644, because
    services of other users read it. A symbolic link in its place is replaced,
    not followed: another user may own the directory and could point the link
    anywhere. For the same reason, the directory is opened once, and its path
    is not used again.

    :raises OSError: the file cannot be written; the error names it
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
            os.fchmod(handle, 0o644)
            os.fsync(handle)
        os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise
    try:
        os.fsync(directory)
    except OSError as exc:
        # Some file systems cannot sync a directory.
        if exc.errno != errno.EINVAL:
            raise
