# SPDX-License-Identifier: Apache-2.0
"""Versions of documents that one release writes and another reads.

A version is ``MAJOR.MINOR``. Two releases run at the same time while a cloud
is upgraded, even on one host. So a reader accepts every minor version of its
major version: keys that an older document lacks have defaults, and additional
keys of a newer one are ignored. ``doc/source/contributor/compatibility.rst``
lists which change needs which version.
"""

import re

#: The key of a document that has the version.
KEY = 'schema_version'

_VERSION = re.compile(r'([1-9][0-9]{0,3})\.(?:0|[1-9][0-9]{0,3})')
#: Characters of an invalid version that an error quotes.
_SHOWN = 40


class VersionError(ValueError):
    """The version is missing or malformed."""


class OtherVersionError(VersionError):
    """This release does not read the major version.

    The message names what to upgrade.
    """


def check(document: object, ours: str) -> None:
    """Check that this release reads a document.

    :param document: decoded from JSON
    :param ours: the version that this release writes
    :raises VersionError: the document has no version, or see check_version
    """
    if not isinstance(document, dict) or KEY not in document:
        raise VersionError(f'no {KEY}')
    check_version(document[KEY], ours)


def check_version(found: object, ours: str) -> None:
    """Check that this release reads a version.

    :param found: the version of a document
    :param ours: the version that this release writes
    :raises VersionError: found is not a version
    :raises OtherVersionError: this release does not read it
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
