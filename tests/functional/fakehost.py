# SPDX-License-Identifier: Apache-2.0
"""One description of a host, for Nova's fake libvirt and the real one.

Nova's computes run on Nova's own fake of libvirt, because a real mdev needs
a kernel and a device that can make it. The collector runs on the real
library: what Nova's fake shows is written as a node file for libvirt's test
driver, and as a tree that looks like sysfs.
"""

from nova.tests.fixtures import libvirt as fakelibvirt

RUNNING = fakelibvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE


def pci_info(boards):
    """Return boards as Nova's fake libvirt shows them."""
    info = fakelibvirt.HostPCIDevicesInfo(num_pfs=0, num_vfs=0)
    for board in boards:
        info.add_device(
            dev_type='MDEV_TYPES',
            bus=0x81,
            slot=board.slot,
            function=0,
            iommu_group=40 + board.slot,
            numa_node=0,
            multiple_gpu_types=board.both_types,
            vend_id=board.vendor,
            prod_id=board.product,
            driver_name=board.module,
        )
    return info


def write_node_file(path, connection):
    """Write what a fake connection shows as a test driver's node file."""
    devices = [
        device.XMLDesc(0) for device in connection.pci_info.devices.values()
    ]
    devices += [
        _mdev_xml(name, connection.mdev_info.devices[name])
        for name in connection.mdev_info.devices
    ]
    domains = [
        _domain_xml(domain) for domain in connection.listAllDomains(RUNNING)
    ]
    path.write_text('<node>\n' + '\n'.join(domains + devices) + '\n</node>\n')


def _mdev_xml(name, device):
    # Nova's fake has no <uuid>, which libvirt has had since 7.8.
    uuid = name.removeprefix('mdev_').replace('_', '-')
    return device.XMLDesc(0).replace(
        "<capability type='mdev'>",
        f"<capability type='mdev'><uuid>{uuid}</uuid>",
    )


def _domain_xml(domain):
    """Return a running domain with the mdevs that the fake's domain has."""
    mdevs = ''.join(
        "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>"
        f"<address uuid='{item['address_uuid']}'/></source></hostdev>"
        for item in domain._def['devices']['hostdevs']
        if item['type'] == 'mdev'
    )
    return (
        f"<domain type='test'><name>{domain.name()}</name>"
        f'<uuid>{domain.UUIDString()}</uuid><memory>65536</memory>'
        f'<os><type>hvm</type></os><devices>{mdevs}</devices></domain>'
    )
