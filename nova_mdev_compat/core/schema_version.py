# SPDX-License-Identifier: Apache-2.0
"""Versions of documents that one release writes and another reads. Pure.

A version is ``MAJOR.MINOR``. During an upgrade of a cloud, two releases run at
the same time, even on one host. So a reader takes every minor version of its
major version: keys that an older one lacks have defaults, and additional keys
of a newer one are ignored. Which change needs which version is in
``doc/source/contributor/compatibility.rst``.
"""

import re

#: Of a document that has one.
KEY = 'schema_version'

_VERSION = re.compile(r'([1-9][0-9]{0,3})\.(?:0|[1-9][0-9]{0,3})')
#: How much of something that is not a version is shown.
_SHOWN = 40


class VersionError(ValueError):
    """The version is missing or malformed."""


class OtherVersionError(VersionError):
    """A major version that is not read; the message says what to upgrade."""


def check(document: object, ours: str) -> None:
    """Tell whether a document can be read by its version.

    :param document: as JSON has it
    :param ours: the version that this release writes
    :raises VersionError: it has none
    :raises OtherVersionError: it is not read
    """
    if not isinstance(document, dict) or KEY not in document:
        raise VersionError(f'no {KEY}')
    check_version(document[KEY], ours)


def check_version(found: object, ours: str) -> None:
    """Tell whether what has a version can be read.

    :param found: the version that it has
    :param ours: the version that this release writes
    :raises VersionError: it is not a version
    :raises OtherVersionError: it is not read
    """
    match = _VERSION.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        raise VersionError(
            f'{KEY} {repr(found)[:_SHOWN]} is not a version such as "{ours}"'
        )
    major, read = int(match[1]), int(ours.partition('.')[0])
    if major == read:
        return
    known = f'{KEY} {found} cannot be read: this nova-mdev-compat reads {read}'
    if major > read:
        raise OtherVersionError(f'{known}.x. Upgrade it here')
    raise OtherVersionError(
        f'{known}.x. Upgrade it where this was written, and have it written '
        'again'
    )
