# SPDX-License-Identifier: Apache-2.0
"""What libvirt's XML says about mdev parents, mdevs and domains.

Pure: text in, values out. Only ids are sure to be there; names may be empty
(libvirt's nodedev schema, and captures in tests/data).
"""

from collections.abc import Iterable
import re

from lxml import etree

from nova_mdev_compat.host import devices

_PCI_ID = re.compile(r'0x[0-9a-fA-F]{4}')
_PARTS = ('domain', 'bus', 'slot', 'function')
#: ``mdev_<UUID>``, and since libvirt 7.7 ``mdev_<UUID>_<parent's address>``.
_MDEV_NAME = re.compile(
    r'mdev_([0-9a-fA-F]{8}(?:[_-][0-9a-fA-F]{4}){3}[_-][0-9a-fA-F]{12})'
)


def parse_parent(name: str, text: str) -> devices.ParentDevice:
    """Return what node-device XML says about a parent.

    :raises devices.DeviceError: broken XML, or a PCI device without ids
    """
    device = _parse(f'node device {name}', text)
    pci = device.find("capability[@type='pci']")
    return devices.ParentDevice(
        name=name,
        path=device.findtext('path'),
        address=None if pci is None else _address(name, pci),
        vendor=None if pci is None else _pci_id(name, pci, 'vendor'),
        product=None if pci is None else _pci_id(name, pci, 'product'),
        driver=device.findtext('driver/name'),
        types=_types(name, device),
        board=_board(pci),
    )


def _types(name: str, device: etree._Element) -> dict[str, str]:
    # libvirt puts mdev_types inside pci, or for mtty inside another
    # mdev_types: by descendant, then, and each type once.
    types: dict[str, str] = {}
    for item in device.iterfind(".//capability[@type='mdev_types']/type"):
        mdev_type = item.get('id')
        if not mdev_type:
            raise devices.DeviceError(
                f'node device {name}: an mdev type without id'
            )
        # Without a word on it the stricter reading: vfio-pci is checked.
        api = item.findtext('deviceAPI', '').strip()
        types[mdev_type] = api or devices.VFIO_PCI
    return types


def _address(name: str, pci: etree._Element) -> str:
    try:
        return _spell(pci.findtext(part, '') for part in _PARTS)
    except ValueError as exc:
        raise devices.DeviceError(
            f'node device {name}: its PCI address is incomplete'
        ) from exc


def _board(pci: etree._Element | None) -> str | None:
    found = (
        None
        if pci is None
        else pci.find("capability[@type='phys_function']/address")
    )
    try:
        return (
            None
            if found is None
            else _spell(found.get(part, '') for part in _PARTS)
        )
    except ValueError:
        return None  # nothing but a hint depends on it


def _spell(parts: Iterable[str]) -> str:
    """Return a PCI address in the form of sysfs and Nova.

    :raises ValueError: a part is no number
    """
    domain, bus, slot, function = (int(part, 0) for part in parts)
    return f'{domain:04x}:{bus:02x}:{slot:02x}.{function:x}'


def _pci_id(name: str, pci: etree._Element, what: str) -> str:
    element = pci.find(what)
    found = '' if element is None else element.get('id', '')
    if not _PCI_ID.fullmatch(found):
        raise devices.DeviceError(f'node device {name}: no {what} id')
    return found


def parse_mdev(name: str, text: str, active: bool = True) -> devices.Mdev:
    """Return what node-device XML says about an mdev.

    One that cannot be used has a fault, and raises nothing: whoever makes an
    mdev must not stop what is said of a host.
    """
    # Before 7.3 libvirt had no <uuid>. Nova takes it from the name
    # (nova.virt.libvirt.utils.mdev_name2uuid), which may go on with the
    # parent's address.
    match = _MDEV_NAME.match(name)
    uuid = match[1].replace('_', '-').lower() if match else ''
    try:
        device = _parse(f'node device {name}', text)
    except devices.DeviceError as exc:
        return devices.Mdev(uuid, '', '', name, active, str(exc))
    uuid = (
        device.findtext("capability[@type='mdev']/uuid", '').strip().lower()
        or uuid
    )
    kind = device.find("capability[@type='mdev']/type")
    mdev_type = '' if kind is None else kind.get('id', '')
    parent = device.findtext('parent', '').strip()
    lacks = [
        what
        for what, value in (
            ('UUID', uuid),
            ('type', mdev_type),
            ('parent', parent),
        )
        if not value
    ]
    fault = f'node device {name}: no {", no ".join(lacks)}' if lacks else ''
    return devices.Mdev(uuid, mdev_type, parent, name, active, fault)


def parse_domain(name: str, text: str) -> frozenset[str]:
    """Return the UUIDs of the mdevs that a domain has.

    :raises devices.DeviceError: broken XML
    """
    domain = _parse(f'domain {name}', text)
    found = domain.iterfind(
        "devices/hostdev[@type='mdev']/source/address[@uuid]"
    )
    return frozenset(item.get('uuid', '').lower() for item in found)


def _parse(what: str, text: str) -> etree._Element:
    # A domain's XML has parts that tenants influence (its name, metadata):
    # no entities, no network, no document type at all.
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as exc:
        why = ' '.join(str(exc).split())
        raise devices.DeviceError(f'{what}: its XML is broken: {why}') from exc
    if root.getroottree().docinfo.doctype:
        raise devices.DeviceError(f'{what}: its XML has a document type')
    return root
