# SPDX-License-Identifier: Apache-2.0
"""Parse libvirt's XML of mdev parents, mdevs and domains.

Only ids always exist. Names may be empty (libvirt's nodedev schema, and the
captures in tests/data).
"""

from collections.abc import Iterable
import contextlib
import re

from lxml import etree

from nova_mdev_compat.host import parents

_PCI_ID = re.compile(r'0x[0-9a-fA-F]{4}')
_PARTS = ('domain', 'bus', 'slot', 'function')
#: ``mdev_<UUID>``, and since libvirt 7.7 ``mdev_<UUID>_<parent's address>``.
_MDEV_NAME = re.compile(
    r'mdev_([0-9a-fA-F]{8}(?:[_-][0-9a-fA-F]{4}){3}[_-][0-9a-fA-F]{12})'
)


def parse_parent(name: str, text: str) -> parents.ParentDevice:
    """Return a parent from its node-device XML.

    :raises parents.DeviceError: the XML is broken, or a PCI device has no ids
    """
    device = _parse(f'node device {name}', text)
    # libvirt nests mdev_types in pci, or for mtty in another mdev_types.
    types: dict[str, str] = {}
    for item in device.iterfind(".//capability[@type='mdev_types']/type"):
        mdev_type = item.get('id')
        if not mdev_type:
            raise parents.DeviceError(
                f'node device {name}: an mdev type without id'
            )
        # vfio-pci is the stricter case: its mdevs are compared.
        api = item.findtext('deviceAPI', '').strip()
        types[mdev_type] = api or parents.VFIO_PCI
    address = vendor = product = board = None
    pci = device.find("capability[@type='pci']")
    if pci is not None:
        try:
            address = _pci_address(pci.findtext(part, '') for part in _PARTS)
        except ValueError as exc:
            raise parents.DeviceError(
                f'node device {name}: its PCI address is incomplete'
            ) from exc
        vendor = _pci_id(name, pci, 'vendor')
        product = _pci_id(name, pci, 'product')
        function = pci.find("capability[@type='phys_function']/address")
        if function is not None:
            # Only a hint depends on it.
            with contextlib.suppress(ValueError):
                board = _pci_address(function.get(part, '') for part in _PARTS)
    return parents.ParentDevice(
        name=name,
        path=device.findtext('path'),
        address=address,
        vendor=vendor,
        product=product,
        driver=device.findtext('driver/name'),
        types=types,
        board=board,
    )


def _pci_address(parts: Iterable[str]) -> str:
    """Return a PCI address as sysfs and Nova write it.

    :raises ValueError: a part is not a number
    """
    domain, bus, slot, function = (int(part, 0) for part in parts)
    return f'{domain:04x}:{bus:02x}:{slot:02x}.{function:x}'


def _pci_id(name: str, pci: etree._Element, what: str) -> str:
    element = pci.find(what)
    found = '' if element is None else element.get('id', '')
    if not _PCI_ID.fullmatch(found):
        raise parents.DeviceError(f'node device {name}: no {what} id')
    return found


def parse_mdev(name: str, text: str, active: bool = True) -> parents.Mdev:
    """Return an mdev from its node-device XML.

    An invalid description is a fault of the mdev, not an exception: one mdev
    must not stop the publication of a host.
    """
    # libvirt before 7.3 has no <uuid>. Like Nova, take it from the name
    # (nova.virt.libvirt.utils.mdev_name2uuid), which may end with the
    # parent's address.
    match = _MDEV_NAME.match(name)
    uuid = match[1].replace('_', '-').lower() if match else ''
    try:
        device = _parse(f'node device {name}', text)
    except parents.DeviceError as exc:
        return parents.Mdev(uuid, '', '', name, active, str(exc))
    uuid = (
        device.findtext("capability[@type='mdev']/uuid", '').strip().lower()
        or uuid
    )
    found = device.find("capability[@type='mdev']/type")
    mdev_type = '' if found is None else found.get('id', '')
    parent = device.findtext('parent', '').strip()
    parts = {'UUID': uuid, 'type': mdev_type, 'parent': parent}
    lacks = ', '.join(f'no {what}' for what in parts if not parts[what])
    fault = f'node device {name}: {lacks}' if lacks else ''
    return parents.Mdev(uuid, mdev_type, parent, name, active, fault)


def parse_domain(name: str, text: str) -> frozenset[str]:
    """Return the UUIDs of a domain's mdevs.

    :raises parents.DeviceError: the XML is broken
    """
    domain = _parse(f'domain {name}', text)
    found = domain.iterfind(
        "devices/hostdev[@type='mdev']/source/address[@uuid]"
    )
    return frozenset(item.get('uuid', '').lower() for item in found)


def _parse(what: str, text: str) -> etree._Element:
    # Tenants influence parts of a domain's XML, such as name and metadata. So
    # entities, network access and document types are refused.
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
        raise parents.DeviceError(f'{what}: its XML is broken: {why}') from exc
    if root.getroottree().docinfo.doctype:
        raise parents.DeviceError(f'{what}: its XML has a document type')
    return root
