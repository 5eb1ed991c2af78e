# SPDX-License-Identifier: Apache-2.0
"""mdevs in a tree that looks like sysfs, and the collector's file about them.

The devices come from node-device XML of a real libvirt, in
../data/libvirt-11.3, on a kernel that had them: paths, ids, types, IOMMU
groups. The files and links of a device are those of the kernel's
Documentation/ABI/testing (sysfs-bus-pci, sysfs-bus-vfio-mdev, sysfs-module)
that libvirt needs to find the devices and to show them as it did there.
"""

import dataclasses
import os
import pathlib

from lxml import etree

from nova_mdev_compat.core import identity
from nova_mdev_compat.host import libvirt_xml
from nova_mdev_compat.host import parents
from nova_mdev_compat.publication import host_traits
from tests.unit import samples


@dataclasses.dataclass(frozen=True)
class Mdev:
    """An mdev on a host.

    :ivar path: in sysfs, from its root
    :ivar parent: libvirt's name of its parent
    """

    uuid: str
    path: pathlib.PurePath
    parent: str
    type: str
    group: str


def mdev(parent, uuid, new_uuid=None):
    """Return the mdev of a capture.

    :param parent: the parent's address, as in the file's name
    :param new_uuid: another UUID for it
    """
    name = f'mdev_{uuid.replace("-", "_")}_{parent}'
    text = samples.capture(f'mdev-{name}.xml')
    path = pathlib.PurePath(etree.fromstring(text).findtext('path'))
    found = libvirt_xml.parse_mdev(name, text)
    group = etree.fromstring(text).find('capability/iommuGroup')
    uuid = new_uuid or found.uuid
    return Mdev(
        uuid,
        path.relative_to('/sys').with_name(uuid),
        found.parent,
        found.type,
        group.get('number'),
    )


def write_sysfs(root, mdevs, driver):
    """Write the part of sysfs with mdevs and their parents.

    :param driver: version of the module that drives the PCI devices
    """
    (root / 'bus/mdev/devices').mkdir(parents=True)
    for item in mdevs:
        home = root / item.path
        _write(home, uevent='')
        _link(
            home / 'mdev_type',
            home.parent / 'mdev_supported_types' / item.type,
        )
        _link(home / 'iommu_group', root / 'kernel/iommu_groups' / item.group)
        _link(home / 'subsystem', root / 'bus/mdev')
        _link(root / 'bus/mdev/devices' / item.uuid, home)
        _write_parent(root, home.parent, _device(item.parent))
    _write(
        root / 'module/labgpu', version=driver, taint='OE', initstate='live'
    )


def _device(parent):
    """Return a parent, as libvirt showed it."""
    return libvirt_xml.parse_parent(
        parent, samples.capture(f'parent-{parent}-with-mdevs.xml')
    )


def _write_parent(root, home, device):
    for mdev_type, api in device.types.items():
        _write(
            home / 'mdev_supported_types' / mdev_type,
            name=mdev_type,
            device_api=api,
            available_instances='1',
        )
    _link(root / 'class/mdev_bus' / home.name, home)
    if device.address is None:
        # mtty is in a class of its own, on no bus, and has no driver.
        _write(home, uevent='')
        _link(home / 'subsystem', root / 'class/mtty')
        _link(root / 'class/mtty/mtty', home)
    else:
        _write_pci(root, home, device)


def _write_pci(root, home, device):
    _write(
        home,
        vendor=device.vendor,
        device=device.product,
        uevent=f'PCI_CLASS=FF00\nPCI_ID={device.vendor[2:]}:'
        f'{device.product[2:]}\nPCI_SLOT_NAME={device.address}',
        **{'class': '0x00ff00'},
    )
    # Only the header, where libvirt reads the type: an endpoint.
    (home / 'config').write_bytes(bytes(64))
    _link(home / 'subsystem', root / 'bus/pci')
    _link(home / 'driver', root / 'bus/pci/drivers/labgpu')
    _link(root / 'bus/pci/drivers/labgpu/module', root / 'module/labgpu')
    _link(root / 'bus/pci/devices' / device.address, home)


def _write(directory, **files):
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text + '\n')


def _link(link, target):
    link.parent.mkdir(parents=True, exist_ok=True)
    target.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(os.path.relpath(target, link.parent.resolve()))


def devices_found(host, mdevs, rules, facts, read_at):
    """Return the devices file of a host with these mdevs.

    :param rules: a rule set
    :param facts: of all parents
    :param read_at: when, in seconds since the epoch
    """
    served = {item.parent: item.type for item in mdevs}
    return host_traits.devices_found(
        host_traits.HostSnapshot(
            host,
            tuple(
                host_traits.describe(_parent(name, mdev_type, facts), rules)
                for name, mdev_type in served.items()
            ),
        ),
        read_at,
        {},
    )


def _parent(name, mdev_type, facts):
    device = _device(name)
    return parents.MdevParent(
        name=name,
        parent_id=parents.parent_id(device, lambda _: 'mtty'),
        offered=tuple(device.types),
        target_type=mdev_type,
        device_api=device.types[mdev_type],
        in_use=frozenset(),
        facts=facts,
    )


def identity_of(devices, item):
    """Return the identity of an mdev, as the collector found its parent."""
    return (
        devices.devices[item.parent]
        .described()
        .identity_of(identity.canonical(item.type))
    )
