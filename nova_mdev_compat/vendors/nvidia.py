# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's boards, as NVML knows them.

What the functions give is in NVIDIA's NVML API Reference Guide, in the
chapters "Device Queries" and "vGPU Migration", and in nvml.h.
"""

from collections.abc import Callable, Mapping, Sequence
import ctypes
from typing import Any

from nova_mdev_compat import identity as ident
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import nvml

#: What a board that does not have a thing answers when asked about it. It
#: equals itself, and is no version.
UNSUPPORTED = 'unsupported'

_NO_BOARD = 'it is no PCI device, and NVML knows no others'
_NO_TEXT = ('NVML gives a text for it that cannot be read: see whether '
            'nvidia-smi -q shows it')

#: nvml.h: NVML_GSP_FIRMWARE_VERSION_BUF_SIZE.
_GSP_VERSION_SIZE = 0x40
#: nvml.h: NVML_VGPU_PGPU_VIRTUALIZATION_CAP_MIGRATION is bit 0:0.
_CAP_MIGRATION = 1


class Nvidia(base.Vendor):
    """Gives facts of the boards, and leaves the answer to the rule files."""

    vendors = frozenset({'10de'})

    fact_names = {
        'ecc': 'ECC memory of the board: on, off or unsupported',
        'mig': 'Multi-Instance GPU mode of the board: on, off or unsupported',
        'gsp': "the driver runs on the board's GPU System Processor: on, off "
               'or unsupported',
        'gspversion': 'version of the firmware of the GPU System Processor, '
                      'unsupported where it is off',
        'managerversion': 'version of the vGPU Manager of the host',
        'migration': 'whether the board can migrate vGPUs: supported or '
                     'unsupported',
        # Between a guest's driver and its host. It says nothing about two
        # hosts.
        'minvgpuversion': 'oldest version of the protocol with drivers in '
                          "guests that the host speaks, as NVML's number; "
                          'not about compatibility of hosts',
        'maxvgpuversion': 'newest version of the protocol with drivers in '
                          "guests that the host speaks, as NVML's number; "
                          'not about compatibility of hosts',
    }

    def facts(self, devices: Sequence[base.Device],
              ) -> Mapping[str, base.Facts]:
        """Ask NVML about each board once, whatever functions it has.

        NVML knows physical functions only; all of a board's virtual ones
        share its facts.

        :raises nvml.NvmlError: NVML failed
        """
        boards = _read(sorted({device.board for device in devices
                               if device.board}))
        nothing = _unknown(_NO_BOARD)
        return {device.name: boards[device.board] if device.board else nothing
                for device in devices}


def _unknown(why: str) -> base.Facts:
    return base.Facts(unknown=dict.fromkeys(Nvidia.fact_names, why))


def _read(boards: Sequence[str]) -> dict[str, base.Facts]:
    if not boards:
        return {}
    try:
        with nvml.opened(boards) as library:
            return {board: _read_board(library, board) for board in boards}
    except nvml.Unknown as exc:
        return dict.fromkeys(boards, _unknown(str(exc)))


def _read_board(library: Any, board: str) -> base.Facts:
    try:
        with nvml.answering(library, board):
            # It takes sysfs' form of an address: hexadecimal
            # domain:bus:device.function.
            handle = library.nvmlDeviceGetHandleByPciBusId(board)
    except nvml.Unknown as exc:
        return _unknown(str(exc))
    values: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for query, names in _QUERIES.items():
        try:
            with nvml.answering(library, board):
                values.update(query(library, handle))
        except nvml.NotSupported:
            values.update(dict.fromkeys(names, UNSUPPORTED))
        except nvml.Unknown as exc:
            unknown.update(dict.fromkeys(names, str(exc)))
    return _legible(base.Facts(values, unknown))


def _legible(facts: base.Facts) -> base.Facts:
    """Return facts, those whose value no trait can carry as unknown."""
    values = {}
    unknown = dict(facts.unknown)
    for name, value in facts.values.items():
        try:
            ident.canonical(value)
        except ident.IdentityError:
            unknown[name] = _NO_TEXT
        else:
            values[name] = value
    return base.Facts(values, unknown)


def _on_off(mode: int) -> str:
    return 'on' if mode else 'off'


def _ecc(library: Any, handle: Any) -> dict[str, str]:
    """Ask for the current mode; the pending one is for the next reboot."""
    current, _pending = library.nvmlDeviceGetEccMode(handle)
    return {'ecc': _on_off(current)}


def _mig(library: Any, handle: Any) -> dict[str, str]:
    """Likewise; the pending mode is for the next reset."""
    current, _pending = library.nvmlDeviceGetMigMode(handle)
    return {'mig': _on_off(current)}


def _gsp(library: Any, handle: Any) -> dict[str, str]:
    """Ask whether it is on; newer drivers say "not supported" where not."""
    # Newer nvidia-ml-py would make these arguments itself.
    enabled, default = ctypes.c_uint(), ctypes.c_uint()
    library.nvmlDeviceGetGspFirmwareMode(
        handle, ctypes.byref(enabled), ctypes.byref(default))
    return {'gsp': _on_off(enabled.value)}


def _gsp_version(library: Any, handle: Any) -> dict[str, str]:
    """Ask for the firmware's version; it has none where it is off."""
    text = ctypes.create_string_buffer(_GSP_VERSION_SIZE)
    library.nvmlDeviceGetGspFirmwareVersion(handle, text)
    return {'gspversion': _decoded(text.value.decode)}


def _vgpu(library: Any, handle: Any) -> dict[str, str]:
    """Ask for nvmlVgpuPgpuMetadata_t.

    NVML documents its version range as two numbers, and nothing about what
    their parts may be.
    """
    said = library.nvmlDeviceGetVgpuMetadata(handle)
    migrates = said.pgpuVirtualizationCaps & _CAP_MIGRATION
    versions = said.hostSupportedVgpuRange
    return {
        'managerversion': _decoded(lambda: said.hostDriverVersion),
        'migration': 'supported' if migrates else UNSUPPORTED,
        'minvgpuversion': str(versions.minVersion),
        'maxvgpuversion': str(versions.maxVersion),
    }


def _decoded(text: Callable[[], str]) -> str:
    """Return a text, or nothing at all if it is not in UTF-8."""
    try:
        return text()
    except UnicodeDecodeError:
        return ''


#: What is asked of a board, and the facts that it gives.
_QUERIES: Mapping[Callable[[Any, Any], dict[str, str]], Sequence[str]] = {
    _ecc: ['ecc'],
    _mig: ['mig'],
    _gsp: ['gsp'],
    _gsp_version: ['gspversion'],
    _vgpu: ['managerversion', 'migration', 'minvgpuversion',
            'maxvgpuversion'],
}
