# SPDX-License-Identifier: Apache-2.0
"""What libvirt's XML says about mdev parents, mdevs and domains.

Pure: text in, values out. Only ids are sure to be there; names may be empty
(libvirt's nodedev schema, and captures in tests/data).
"""

import re

from lxml import etree

from nova_mdev_compat.collector import devices

_PCI_ID = re.compile(r'0x[0-9a-fA-F]{4}')


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
        types=_types(name, device))


def _types(name: str, device: etree._Element) -> dict[str, str]:
    # libvirt puts mdev_types inside pci, or for mtty inside another
    # mdev_types: by descendant, then, and each type once.
    types: dict[str, str] = {}
    for item in device.iterfind(".//capability[@type='mdev_types']/type"):
        mdev_type = item.get('id')
        if not mdev_type:
            raise devices.DeviceError(
                f'node device {name}: an mdev type without id')
        # Without a word on it the stricter reading: vfio-pci is checked.
        api = item.findtext('deviceAPI', '').strip()
        types[mdev_type] = api or devices.VFIO_PCI
    return types


def _address(name: str, pci: etree._Element) -> str:
    try:
        domain, bus, slot, function = (
            int(pci.findtext(part, ''), 0)
            for part in ('domain', 'bus', 'slot', 'function'))
    except ValueError as exc:
        raise devices.DeviceError(
            f'node device {name}: its PCI address is incomplete') from exc
    return f'{domain:04x}:{bus:02x}:{slot:02x}.{function:x}'


def _pci_id(name: str, pci: etree._Element, what: str) -> str:
    element = pci.find(what)
    found = '' if element is None else element.get('id', '')
    if not _PCI_ID.fullmatch(found):
        raise devices.DeviceError(f'node device {name}: no {what} id')
    return found


def parse_mdev(name: str, text: str) -> devices.Mdev:
    """Return what node-device XML says about an mdev.

    :raises devices.DeviceError: broken XML, or no type, UUID or parent
    """
    device = _parse(f'node device {name}', text)
    capability = device.find("capability[@type='mdev']")
    if capability is None:
        raise devices.DeviceError(f'node device {name}: not an mdev')
    mdev_type = capability.find('type')
    uuid, parent = capability.findtext('uuid'), device.findtext('parent')
    if mdev_type is None or not mdev_type.get('id') or not uuid or not parent:
        raise devices.DeviceError(
            f'node device {name}: no type, UUID or parent')
    return devices.Mdev(uuid.lower(), mdev_type.get('id', ''), parent)


def parse_domain(name: str, text: str) -> frozenset[str]:
    """Return the UUIDs of the mdevs that a domain has.

    :raises devices.DeviceError: broken XML
    """
    domain = _parse(f'domain {name}', text)
    found = domain.iterfind(
        "devices/hostdev[@type='mdev']/source/address[@uuid]")
    return frozenset(item.get('uuid', '').lower() for item in found)


def _parse(what: str, text: str) -> etree._Element:
    # A domain's XML has parts that tenants influence (its name, metadata):
    # no entities, no network, no document type at all.
    parser = etree.XMLParser(resolve_entities=False, no_network=True,
                             load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as exc:
        why = ' '.join(str(exc).split())
        raise devices.DeviceError(f'{what}: its XML is broken: {why}') from exc
    if root.getroottree().docinfo.doctype:
        raise devices.DeviceError(f'{what}: its XML has a document type')
    return root
