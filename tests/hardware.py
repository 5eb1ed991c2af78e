# SPDX-License-Identifier: Apache-2.0
"""Devices that can create mdevs, as libvirt and sysfs show them.

There is no such device where the tests run: libvirt's test driver and a tree
that looks like sysfs take their place.
"""

import dataclasses
import pathlib

DEVICE = """
<device>
  <name>{board.device}</name>
  <path>/sys/devices/pci0000:80/0000:80:01.0/{board.address}</path>
  <parent>computer</parent>
  <capability type='pci'>
    <domain>0</domain><bus>129</bus><slot>{board.slot}</slot>
    <function>0</function>
    <product id='0x{board.product}'/><vendor id='0x{board.vendor}'/>
    <capability type='mdev_types'>
      <type id='nvidia-11'><deviceAPI>vfio-pci</deviceAPI>
      <availableInstances>16</availableInstances></type>
    </capability>
  </capability>
</device>
"""


@dataclasses.dataclass
class Board:
    """A device that can create mdevs.

    :ivar slot: the last part of its address, 0000:81:<slot>.0
    :ivar driver: version of its driver, empty where it has none
    :ivar taint: flags of its driver's module, NVIDIA's; empty where it is of
        the kernel's own tree
    :ivar both_types: it offers nvidia-12 beside nvidia-11
    """

    slot: int
    product: str = '2235'
    driver: str = '550.54.14'
    vendor: str = '10de'
    module: str = 'nvidia'
    both_types: bool = False
    taint: str = 'POE'

    @property
    def address(self) -> str:
        return f'0000:81:{self.slot:02x}.0'

    @property
    def device(self) -> str:
        return f'pci_0000_81_{self.slot:02x}_0'


def node_xml(boards):
    """Return a node file of libvirt's test driver that shows boards."""
    return (
        '<node>'
        + ''.join(DEVICE.format(board=board) for board in boards)
        + '</node>\n'
    )


def write_sysfs(root: pathlib.Path, boards) -> None:
    """Write the part of sysfs that the collector reads.

    A board's driver is named as its module, and as in a kernel one module
    has one version.
    """
    for board in boards:
        module = root / 'module' / board.module
        module.mkdir(parents=True, exist_ok=True)
        for name, text in (
            ('version', board.driver),
            ('taint', board.taint),
            ('initstate', 'live'),
        ):
            if text or name == 'taint':
                _replace(module / name, text + '\n')
        device = root / 'devices/pci0000:80/0000:80:01.0' / board.address
        device.mkdir(parents=True, exist_ok=True)
        (device / 'subsystem_vendor').write_text(f'0x{board.vendor}\n')
        (device / 'subsystem_device').write_text('0x14d9\n')
        driver = root / 'bus/pci/drivers' / board.module
        driver.mkdir(parents=True, exist_ok=True)
        _link(driver / 'module', module)
        _link(device / 'driver', driver)


def _replace(path, text):
    """Write a file that a collector may be reading."""
    new = path.with_name(f'.{path.name}')
    new.write_text(text)
    new.replace(path)


def _link(path, target):
    if not path.is_symlink():
        path.symlink_to(target)
