# SPDX-License-Identifier: Apache-2.0
"""A domain's mdevs and PCI devices in its XML, and their annotation. Pure.

The annotation is an element in the domain's metadata::

    <mdev-compat:mdevs xmlns:mdev-compat="..." host="gpu-1">
      <mdev-compat:mdev uuid="..." vendor="10de" product="2235"
                        type="nvidia-558">
        <mdev-compat:fact name="driver" value="535.54.03"/>
      </mdev-compat:mdev>
      <mdev-compat:function address="0000:81:00.4" vendor="10de"
                            product="2235" type="nvidia-558">
        <mdev-compat:fact name="framework" value="vfio"/>
      </mdev-compat:function>
    </mdev-compat:mdevs>

``host`` is where the devices are. A ``function`` is a virtual function with a
VFIO variant driver: guards before it was introduced ignore it, and see the
mdevs as before. A device without PCI ids has no product. A device with an
unknown parent has only its UUID or address. Attributes and elements of newer
minor versions are ignored.

A domain is parsed as a stream, so that a large description needs time, but
not memory. Only elements at the right path count. Tenants choose some texts
in it (Nova's own metadata element has the instance's name). libvirt escapes
them, so they cannot be elements.
"""

from collections.abc import Iterable, Mapping
import dataclasses
import re
from xml.parsers import expat
from xml.sax import saxutils

from nova_mdev_compat.core import identity
from nova_mdev_compat.core.identity import MDEV
from nova_mdev_compat.core.identity import VFIO
from nova_mdev_compat.core import traits

VERSION = '1.0'
#: Common to all versions.
FAMILY = 'http://openstack.org/xmlns/libvirt/mdev-compat/'
#: Identifies the element in a domain's metadata. Only a new major version
#: changes it: a domain with two elements could contradict itself.
NAMESPACE = FAMILY + VERSION
#: Its prefix in libvirt.
KEY = 'mdev-compat'
#: No value is longer, because it is published as a trait, too.
MAX_LENGTH = traits.MAX_LENGTH

#: In bytes. A description with hundreds of devices has a tenth of it.
MAX_SIZE = 4 * 2**20
MAX_DEPTH = 64

#: Between namespace and name; so a name without a namespace cannot look like
#: ours. expat refuses namespaces that contain it; no sound one does.
_SEPARATOR = '\n'
_HOSTDEV = ('domain', 'devices', 'hostdev')
_ADDRESS = (*_HOSTDEV, 'source', 'address')
#: As libvirt writes a PCI address (``virPCIDeviceAddressFormat``).
_PCI_ADDRESS = re.compile(
    '0x([0-9a-f]{4,8}) 0x([0-9a-f]{2}) 0x([0-9a-f]{2}) 0x([0-7])'
)
_PCI_FIELDS = ('domain', 'bus', 'slot', 'function')
_MDEVS, _MDEV, _FUNCTION, _FACT = (
    f'{NAMESPACE}{_SEPARATOR}{name}'
    for name in ('mdevs', 'mdev', 'function', 'fact')
)
#: Element and the attribute with its name, by framework.
_ELEMENTS = {
    MDEV: ('mdev', 'uuid'),
    VFIO: ('function', 'address'),
}
#: What messages call a device, by framework.
NOUNS = {MDEV: 'mdev', VFIO: 'virtual function'}
_FRAMEWORKS = {_MDEV: MDEV, _FUNCTION: VFIO}
_METADATA = ('domain', 'metadata')
_ANNOTATION = (*_METADATA, _MDEVS)
#: Our element, in any version.
_ANY_VERSION = re.compile(
    rf'{re.escape(FAMILY)}([0-9.]{{1,9}}){_SEPARATOR}mdevs'
)
#: libvirt's only encoding.
_ENCODING = 'UTF-8'


class AnnotationError(ValueError):
    """An annotation that cannot be read; the message says why."""


@dataclasses.dataclass(frozen=True)
class AnnotatedDevice:
    """One mdev or virtual function of a domain.

    :ivar name: its UUID or PCI address on the host where it was written
    :ivar identity: of its parent, with the device's type; None if not known
    :ivar framework: ``MDEV`` or ``VFIO``
    """

    name: str
    identity: identity.Identity | None
    framework: str = MDEV

    def __str__(self) -> str:
        return f'{NOUNS[self.framework]} {self.name}'


def write_annotation(
    devices: Iterable[AnnotatedDevice], host: str = ''
) -> str:
    """Return the metadata element for a domain's devices, in their order.

    :param host: libvirt's name of the host where they are
    """
    names = {f'xmlns:{KEY}': NAMESPACE, **({'host': host} if host else {})}
    lines = [f'<{KEY}:mdevs{_attributes(names)}>']
    for device in devices:
        element, key = _ELEMENTS[device.framework]
        found, facts = {key: device.name}, []
        if device.identity is not None:
            facts = sorted(device.identity.facts)
            vendor, _, product = identity.display_parent(
                device.identity.parent
            ).partition(':')
            found['vendor'] = vendor
            if product:
                found['product'] = product
            found['type'] = identity.display_type(device.identity.type)
        lines.append(f'  <{KEY}:{element}{_attributes(found)}>')
        for name, value in facts:
            fact = {'name': name, 'value': identity.display(name, value)}
            lines.append(f'    <{KEY}:fact{_attributes(fact)}/>')
        lines.append(f'  </{KEY}:{element}>')
    return '\n'.join([*lines, f'</{KEY}:mdevs>'])


def _attributes(values: Mapping[str, str]) -> str:
    return ''.join(
        f' {name}={saxutils.quoteattr(value)}'
        for name, value in values.items()
    )


def _read_device(
    framework: str,
    attributes: Mapping[str, str],
    facts: Iterable[Mapping[str, str]],
) -> AnnotatedDevice:
    """Return the device of an element.

    :param attributes: the element's own
    :param facts: attributes of each fact element in it
    :raises AnnotationError: it is invalid
    """
    _, key = _ELEMENTS[framework]
    attributes = _known(attributes, (key, 'vendor', 'product', 'type'))
    facts = [_known(fact, ('name', 'value')) for fact in facts]
    device = AnnotatedDevice(attributes.get(key, ''), None, framework)
    if 'vendor' not in attributes:
        return device
    try:
        if 'product' in attributes:
            parent = identity.pci_parent(
                attributes['vendor'], attributes['product']
            )
        else:
            parent = identity.subsystem_parent(attributes['vendor'])
        values: dict[str, str] = {}
        for fact in facts:
            name, value = fact['name'], fact['value']
            if values.setdefault(name, value) != value:
                raise identity.IdentityError(f'fact {name} has two values')
        return dataclasses.replace(
            device,
            identity=identity.Identity.of(parent, attributes['type'], values),
        )
    except KeyError as exc:
        raise AnnotationError(f'{device}: no {exc.args[0]}') from exc
    except identity.IdentityError as exc:
        raise AnnotationError(f'{device}: {exc}') from exc


def _known(values: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the values of known names.

    :raises AnnotationError: one is too long
    """
    found = {name: values[name] for name in names if name in values}
    for name, value in found.items():
        if len(value) > MAX_LENGTH:
            raise AnnotationError(f'{name} has {len(value)} characters')
    return found


class DomainError(ValueError):
    """XML that libvirt would not write; the message says why."""


@dataclasses.dataclass(frozen=True)
class Domain:
    """The mdevs and PCI devices of a domain.

    :ivar uuids: of its mdevs, in lower case, in the order of its devices
    :ivar annotated: its annotation, None if it has none that can be read
    :ivar fault: why the annotation cannot be read, empty if it can
    :ivar host: where it was written; empty if not given
    :ivar others: versions of other annotations, which are not read
    :ivar addresses: of the host's PCI devices that it has, ``0000:81:00.4``,
        in their order
    """

    uuids: tuple[str, ...]
    annotated: tuple[AnnotatedDevice, ...] | None = None
    fault: str = ''
    host: str = ''
    others: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def annotated_functions(self) -> list[AnnotatedDevice]:
        """The virtual functions of its annotation."""
        return [
            device
            for device in self.annotated or ()
            if device.framework == VFIO
        ]


def parse(text: bytes) -> Domain:
    """Return the mdevs and PCI devices of a domain.

    :param text: its XML, as libvirt writes it
    :raises DomainError: it is too large, broken, has a document type, or a
        PCI device with another address than libvirt writes
    """
    if len(text) > MAX_SIZE:
        raise DomainError(f'its XML has more than {MAX_SIZE >> 20} MiB')
    handler = _Handler()
    # With an encoding: for some that a declaration may name, Python raises
    # any error of its codec.
    parser = expat.ParserCreate(_ENCODING, _SEPARATOR)
    parser.XmlDeclHandler = handler.declaration
    parser.StartDoctypeDeclHandler = handler.doctype
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    try:
        parser.Parse(text, True)
    except expat.ExpatError as exc:
        raise DomainError(f'its XML is broken: {exc}') from exc
    return handler.domain()


class _Handler:
    """Collects the devices from expat's events."""

    def __init__(self) -> None:
        self._path: tuple[str, ...] = ()
        self._hostdev = ''
        self._uuids: list[str] = []
        self._addresses: list[str] = []
        self._annotations = 0
        self._host = ''
        self._annotated: list[AnnotatedDevice] = []
        self._device: dict[str, str] = {}
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
            raise DomainError('it is not a domain')
        if path == _HOSTDEV:
            self._hostdev = attributes.get('type', '')
        elif path == _ADDRESS and self._hostdev == 'mdev':
            self._uuids.append(attributes.get('uuid', '').lower())
        elif path == _ADDRESS and self._hostdev == 'pci':
            self._addresses.append(_pci_address(attributes))
        elif path[:3] == _ANNOTATION:
            self._start_annotation(attributes)
        elif path[:-1] == _METADATA and (match := _ANY_VERSION.fullmatch(tag)):
            self._others.append(match[1])

    def _start_annotation(self, attributes: dict[str, str]) -> None:
        inner = self._path[3:]
        if not inner:
            self._annotations += 1
            self._host = attributes.get('host', '')
        elif inner[0] not in _FRAMEWORKS:
            return
        elif len(inner) == 1:
            self._device, self._facts = attributes, []
        elif inner[1:] == (_FACT,):
            self._facts.append(attributes)

    def end(self, tag: str) -> None:
        if self._path[:-1] == _ANNOTATION and tag in _FRAMEWORKS:
            try:
                self._annotated.append(
                    _read_device(_FRAMEWORKS[tag], self._device, self._facts)
                )
            except AnnotationError as exc:
                self._fault = str(exc)
        self._path = self._path[:-1]

    def domain(self) -> Domain:
        if self._annotations > 1:
            self._fault = 'it occurs more than once'
        found = Domain(
            tuple(self._uuids),
            others=tuple(self._others),
            addresses=tuple(self._addresses),
        )
        if self._fault or not self._annotations:
            return dataclasses.replace(found, fault=self._fault)
        return dataclasses.replace(
            found, annotated=tuple(self._annotated), host=self._host
        )


def _pci_address(attributes: Mapping[str, str]) -> str:
    """Return the address of a PCI device, ``0000:81:00.4``.

    :raises DomainError: libvirt would not write it like that
    """
    text = ' '.join(attributes.get(name, '') for name in _PCI_FIELDS)
    match = _PCI_ADDRESS.fullmatch(text)
    if match is None:
        raise DomainError(
            f'the address of one of its PCI devices is {text[:80]!r}'
        )
    return '{}:{}:{}.{}'.format(*match.groups())
