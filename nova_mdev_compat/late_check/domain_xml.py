# SPDX-License-Identifier: Apache-2.0
"""A domain's XML: which mdevs it has, and what it says of them. Pure.

It is read as a stream, so that a large description takes time and no memory.
Only elements in their own places count. Tenants choose texts in it (Nova puts
an instance's name into its own metadata element), and libvirt escapes them:
they can be no elements.
"""

import dataclasses
import re
from xml.parsers import expat

from nova_mdev_compat.late_check import annotation

#: In bytes. A description with hundreds of devices has a tenth of it.
MAX_SIZE = 4 * 2**20
MAX_DEPTH = 64

#: Between a namespace and a name; no name in no namespace can look like ours.
#: expat refuses namespaces that have it, and none that is meant well has.
_SEPARATOR = '\n'
_HOSTDEV = ('domain', 'devices', 'hostdev')
_ADDRESS = (*_HOSTDEV, 'source', 'address')
_MDEVS, _MDEV, _FACT = (
    f'{annotation.NAMESPACE}{_SEPARATOR}{name}'
    for name in ('mdevs', 'mdev', 'fact')
)
_METADATA = ('domain', 'metadata')
_ANNOTATION = (*_METADATA, _MDEVS)
#: Such an element of any version.
_ANY_VERSION = re.compile(
    rf'{re.escape(annotation.FAMILY)}([0-9.]{{1,9}}){_SEPARATOR}mdevs'
)
#: The only encoding in which libvirt writes.
_ENCODING = 'UTF-8'


class DomainError(ValueError):
    """A description that libvirt would not write; the message says why."""


@dataclasses.dataclass(frozen=True)
class Domain:
    """What matters of a domain.

    :ivar uuids: of its mdevs, in lower case, in the order of its devices
    :ivar annotated: what its metadata says of its mdevs, None where it says
        nothing
    :ivar fault: why what it says cannot be read, empty where it can
    :ivar host: where it was so; empty where that is not said
    :ivar others: other versions of the metadata than the one that is read, in
        which it says something of them
    """

    uuids: tuple[str, ...]
    annotated: tuple[annotation.Mdev, ...] | None = None
    fault: str = ''
    host: str = ''
    others: tuple[str, ...] = ()


def parse(text: bytes) -> Domain:
    """Return what matters of a domain.

    :param text: its XML, as libvirt writes it
    :raises DomainError: it is too large, broken, or has a document type
    """
    if len(text) > MAX_SIZE:
        raise DomainError(f'its XML has more than {MAX_SIZE >> 20} MiB')
    target = _Target()
    # With an encoding, since some that a declaration may name make Python
    # raise whatever its codec raises.
    parser = expat.ParserCreate(_ENCODING, _SEPARATOR)
    parser.XmlDeclHandler = target.declaration
    parser.StartDoctypeDeclHandler = target.doctype
    parser.StartElementHandler = target.start
    parser.EndElementHandler = target.end
    try:
        parser.Parse(text, True)
    except expat.ExpatError as exc:
        raise DomainError(f'its XML is broken: {exc}') from exc
    return target.domain()


class _Target:
    """Gets elements one at a time."""

    def __init__(self) -> None:
        self._path: tuple[str, ...] = ()
        self._is_mdev = False
        self._uuids: list[str] = []
        self._annotations = 0
        self._host = ''
        self._annotated: list[annotation.Mdev] = []
        self._mdev: dict[str, str] = {}
        self._facts: list[dict[str, str]] = []
        self._fault = ''
        self._others: list[str] = []

    def declaration(
        self,
        version: str,
        encoding: str | None,
        *_: object,
    ) -> None:
        if encoding is not None and encoding.upper() != _ENCODING:
            raise DomainError(
                f'its encoding is {encoding[:40]!r}, and '
                f'libvirt writes {_ENCODING}'
            )

    def doctype(self, *_: object) -> None:
        # Before any entity can be declared.
        raise DomainError('it has a document type')

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._path) >= MAX_DEPTH:
            raise DomainError(f'it is more than {MAX_DEPTH} elements deep')
        self._path = path = (*self._path, tag)
        if path[0] != 'domain':
            raise DomainError('it is no domain')
        if path == _HOSTDEV:
            self._is_mdev = attributes.get('type') == 'mdev'
        elif path == _ADDRESS and self._is_mdev:
            self._uuids.append(attributes.get('uuid', '').lower())
        elif path[:3] == _ANNOTATION:
            self._start_annotation(attributes)
        elif path[:-1] == _METADATA and (match := _ANY_VERSION.fullmatch(tag)):
            self._others.append(match[1])

    def _start_annotation(self, attributes: dict[str, str]) -> None:
        inner = self._path[3:]
        if not inner:
            self._annotations += 1
            self._host = attributes.get('host', '')
        elif inner == (_MDEV,):
            self._mdev, self._facts = attributes, []
        elif inner == (_MDEV, _FACT):
            self._facts.append(attributes)

    def end(self, tag: str) -> None:
        if self._path == (*_ANNOTATION, _MDEV):
            self._end_mdev()
        self._path = self._path[:-1]

    def _end_mdev(self) -> None:
        try:
            self._annotated.append(
                annotation.read_mdev(self._mdev, self._facts)
            )
        except annotation.AnnotationError as exc:
            self._fault = str(exc)

    def domain(self) -> Domain:
        uuids, others = tuple(self._uuids), tuple(self._others)
        if self._annotations > 1:
            self._fault = 'it is there more than once'
        if self._fault or not self._annotations:
            return Domain(uuids, None, self._fault, others=others)
        return Domain(uuids, tuple(self._annotated), '', self._host, others)
