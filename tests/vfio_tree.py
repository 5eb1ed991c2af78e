# SPDX-License-Identifier: Apache-2.0
"""sysfs with virtual functions on VFIO variant drivers.

No machine that runs the tests has such a device. The names and formats are
those that tests/data/vfio-libvirt-11.3 shows of an imitation of NVIDIA's
framework in a real kernel.
"""

import dataclasses
import pathlib

from lxml import etree


@dataclasses.dataclass
class VfioBoard:
    """A board with virtual functions.

    :ivar bus: the bus of its address, 0000:<bus>:00.0
    :ivar types: what current_vgpu_type of each function has; None for a
        function without NVIDIA's directory
    :ivar driver: the variant driver of the functions
    :ivar version: of that driver's module, empty where it has none
    :ivar first: number of its first function
    :ivar taint: as in hardware.Board
    """

    bus: int = 0x81
    types: tuple[str | None, ...] = ('558', '558')
    vendor: str = '10de'
    product: str = '2235'
    driver: str = 'nvidia'
    version: str = '550.54.14'
    taint: str = 'POE'
    revision: str = '0xa1'
    first: int = 4

    @property
    def address(self) -> str:
        return f'0000:{self.bus:02x}:00.0'

    def functions(self) -> list[str]:
        """Return the addresses of its virtual functions."""
        numbers = range(self.first, self.first + len(self.types))
        return [f'0000:{self.bus:02x}:{n // 8:02x}.{n % 8}' for n in numbers]


def write(root: pathlib.Path, *boards: VfioBoard) -> None:
    """Write boards into a tree with the layout of /sys."""
    devices = root / 'bus/pci/devices'
    devices.mkdir(parents=True, exist_ok=True)
    for board in boards:
        write_module(root, board.driver, board.version, board.taint)
        physical = _device(root, board, board.address, board.driver)
        for number, (address, vgpu_type) in enumerate(
            zip(board.functions(), board.types, strict=True)
        ):
            path = _device(root, board, address, board.driver)
            (path / 'physfn').symlink_to(f'../{board.address}')
            (physical / f'virtfn{number}').symlink_to(f'../{address}')
            (path / 'vfio-dev/vfio0').mkdir(parents=True)
            if vgpu_type is not None:
                set_type(root, address, vgpu_type)


def write_module(root: pathlib.Path, name, version, taint) -> None:
    """Write a module, and the driver of the same name."""
    module = root / 'module' / name.replace('-', '_')
    module.mkdir(parents=True, exist_ok=True)
    for file, text in (
        ('version', version),
        ('taint', taint),
        ('initstate', 'live'),
    ):
        if text or file == 'taint':
            (module / file).write_text(text + '\n')
    driver = root / 'bus/pci/drivers' / name
    driver.mkdir(parents=True, exist_ok=True)
    if not (driver / 'module').is_symlink():
        (driver / 'module').symlink_to(module)


def set_type(root: pathlib.Path, address: str, vgpu_type: str) -> None:
    """Write what current_vgpu_type of a function has."""
    directory = root / 'bus/pci/devices' / address / 'nvidia'
    directory.mkdir(exist_ok=True)
    new = directory / '.current_vgpu_type'
    new.write_text(vgpu_type + '\n')
    new.replace(directory / 'current_vgpu_type')


def write_adapter(
    root: pathlib.Path, address: str, firmware: str | None, psid: str | None
) -> None:
    """Write what a network adapter has; None for a file that is missing."""
    port = root / 'bus/pci/devices' / address / 'infiniband/mlx5_0'
    port.mkdir(parents=True, exist_ok=True)
    for name, text in (('fw_ver', firmware), ('board_id', psid)):
        if text is not None:
            (port / name).write_text(text + '\n')


def bind(root: pathlib.Path, address: str, driver: str) -> None:
    """Bind a function to another driver, or to none."""
    link = root / 'bus/pci/devices' / address / 'driver'
    link.unlink(missing_ok=True)
    if driver:
        (root / 'bus/pci/drivers' / driver).mkdir(parents=True, exist_ok=True)
        link.symlink_to(f'../../../drivers/{driver}')


def _device(root, board, address, driver) -> pathlib.Path:
    path = root / 'bus/pci/devices' / address
    path.mkdir()
    for name, text in (
        ('vendor', f'0x{board.vendor}'),
        ('device', f'0x{board.product}'),
        ('subsystem_vendor', f'0x{board.vendor}'),
        ('subsystem_device', '0x14d9'),
        ('revision', board.revision),
    ):
        (path / name).write_text(text + '\n')
    bind(root, address, driver)
    return path


def hostdevs(xml: str) -> list[str]:
    """Return the addresses of a domain's PCI devices."""
    return [
        '{}:{}:{}.{}'.format(
            *(
                source.get(name).removeprefix('0x')
                for name in ('domain', 'bus', 'slot', 'function')
            )
        )
        for source in etree.fromstring(xml).iterfind(
            "devices/hostdev[@type='pci']/source/address"
        )
    ]
