# SPDX-License-Identifier: Apache-2.0
"""Queries to NVML, NVIDIA's management library, and texts for its errors.

The library, libnvidia-ml.so.1, is part of NVIDIA's driver. nvidia-ml-py, with
the module ``pynvml``, calls it; only the extra ``nvidia`` installs that. See
NVIDIA's NVML API Reference Guide, chapters "Device Queries" and "vGPU
Migration", and nvmlReturn_t in nvml.h for return codes.

child.py runs this module in a short-lived process, so it imports little.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
import contextlib
import ctypes
import enum
import importlib
from typing import Any

from nova_mdev_compat.core import exceptions

#: The value of a fact that a board does not support. It is not a version.
UNSUPPORTED = 'unsupported'

#: nvml.h: NVML_GSP_FIRMWARE_VERSION_BUF_SIZE.
_GSP_VERSION_SIZE = 0x40
#: nvml.h: NVML_VGPU_PGPU_VIRTUALIZATION_CAP_MIGRATION is bit 0:0.
_CAP_MIGRATION = 1

#: Where an operator finds details.
LOOK = 'see nvidia-smi and the kernel log (Xid)'
_DROP_IN = (
    "give the collector's unit the drop-in nova-mdev-collector-nvidia.conf"
)
_INSTALL = "pip install 'nova-mdev-compat[nvidia]'"


class NvmlError(exceptions.Failure):
    """A read failed; the message names the boards."""


class NotSupported(NvmlError):
    """A board does not support a query, which is a valid answer."""


class Unknown(Exception):
    """NVML cannot answer in the current state of the host or board.

    The message is a clause with the reason and what to do.
    """


class Code(enum.IntEnum):
    """Values of nvmlReturn_t with a text of their own."""

    NOT_SUPPORTED = 3
    NO_PERMISSION = 4
    NOT_FOUND = 6
    INSUFFICIENT_POWER = 8
    DRIVER_NOT_LOADED = 9
    IRQ_ISSUE = 11
    LIBRARY_NOT_FOUND = 12
    FUNCTION_NOT_FOUND = 13
    GPU_IS_LOST = 15
    RESET_REQUIRED = 16
    OPERATING_SYSTEM = 17
    LIB_RM_VERSION_MISMATCH = 18
    GPU_NOT_FOUND = 28


_NO_ACCESS = (
    'NVML has no permission to ask the driver: '
    f'{_DROP_IN}, and its user access to /dev/nvidia*'
)
_NO_BOARD = (
    'NVML does not find a board at this address: check whether '
    "NVIDIA's driver has it (nvidia-smi -L, lspci -k)"
)

#: States that last until an operator acts. Another read does not help, and
#: other boards must not wait for this one.
_STATES: dict[int, str] = {
    Code.NO_PERMISSION: _NO_ACCESS,
    # "The GPU control device has been blocked by the operating
    # system/cgroups" (nvmlReturn_t).
    Code.OPERATING_SYSTEM: _NO_ACCESS,
    Code.NOT_FOUND: _NO_BOARD,
    Code.GPU_NOT_FOUND: _NO_BOARD,
    Code.INSUFFICIENT_POWER: (
        "the board's power cables are not properly attached: attach them"
    ),
    # NVML returns the same if the driver is loaded, but its device nodes are
    # missing in the /dev of this process.
    Code.DRIVER_NOT_LOADED: (
        "NVML finds no driver: load NVIDIA's (modprobe nvidia); if nvidia-smi "
        f'works, {_DROP_IN}'
    ),
    Code.IRQ_ISSUE: (
        f'the kernel has a problem with interrupts of the board: {LOOK}'
    ),
    Code.LIBRARY_NOT_FOUND: (
        "libnvidia-ml.so.1 cannot be loaded: install NVIDIA's vGPU Manager, "
        'or the package of its driver that has this library'
    ),
    Code.FUNCTION_NOT_FOUND: (
        "the driver's NVML does not have this function: upgrade NVIDIA's "
        'driver'
    ),
    Code.GPU_IS_LOST: (
        f'the board is lost: it is not on the bus; {LOOK}, and reboot the host'
    ),
    Code.RESET_REQUIRED: (
        'the board has to be reset: move its instances away, then '
        'nvidia-smi --gpu-reset'
    ),
}

_REMEDIES: dict[int, str] = {
    Code.LIB_RM_VERSION_MISMATCH: (
        'the installed library and the loaded driver have different '
        'versions: reload the driver, or reboot the host'
    )
}
_REMEDY = (
    f'the next pass asks again; if the error persists, {LOOK}, and check '
    'whether the collector may open /dev/nvidia*'
)


def answer(boards: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield an answer for each board, in their order.

    It is ``{'board': ADDRESS}`` with either ``values`` and ``unknown``, as in
    Facts, or ``failure``, why the board could not be read.

    :param boards: addresses as in sysfs: hexadecimal
        domain:bus:device.function
    """
    try:
        with opened(boards) as library:
            for board in boards:
                yield _read(library, board)
    except Unknown as exc:
        for board in boards:
            yield _unknown(board, exc)
    except NvmlError as exc:
        for board in boards:
            yield _failed(board, exc)


@contextlib.contextmanager
def opened(boards: Collection[str]) -> Iterator[Any]:
    """Yield the module pynvml after nvmlInit(); call nvmlShutdown() at the end.

    nvmlInit() does not access boards, so it works even if one is in a bad
    state.

    :param boards: addresses of the boards, for errors
    :raises Unknown: NVML or its driver is missing
    :raises NvmlError: NVML cannot be initialised
    """
    try:
        library = importlib.import_module('pynvml')
    except ImportError as exc:
        raise Unknown(f'nvidia-ml-py is not installed: {_INSTALL}') from exc
    with answering(library, ', '.join(boards)):
        library.nvmlInit()
    try:
        yield library
    finally:
        # All boards are read, and the process ends now.
        with contextlib.suppress(library.NVMLError):
            library.nvmlShutdown()


@contextlib.contextmanager
def answering(library: Any, where: str) -> Iterator[None]:
    """Translate exceptions of pynvml.

    :param library: the module pynvml
    :param where: addresses of the boards, for errors
    :raises NotSupported: the board does not support the query
    :raises Unknown: NVML cannot answer in the current state
    :raises NvmlError: NVML failed
    """
    try:
        yield
    except library.NVMLError as exc:
        if exc.value in _STATES:
            raise Unknown(_STATES[exc.value]) from exc
        error = NotSupported if exc.value == Code.NOT_SUPPORTED else NvmlError
        raise error(
            f'NVML, asked about {where}: {exc} (error {exc.value}); '
            f'{_REMEDIES.get(exc.value, _REMEDY)}'
        ) from exc
    except AttributeError as exc:
        # The pynvml of some distributions lacks newer functions.
        if exc.obj is not library:
            raise
        raise Unknown(
            f'nvidia-ml-py is too old: it has no {exc.name}(); {_INSTALL}'
        ) from exc


def _read(library: Any, board: str) -> dict[str, Any]:
    values: dict[str, str] = {}
    unknown: dict[str, str] = {}
    try:
        with answering(library, board):
            handle = library.nvmlDeviceGetHandleByPciBusId(board)
        for query, names in QUERIES.items():
            try:
                with answering(library, board):
                    values.update(query(library, handle))
            except NotSupported:
                values.update(dict.fromkeys(names, UNSUPPORTED))
            except Unknown as exc:
                unknown.update(dict.fromkeys(names, str(exc)))
    except Unknown as exc:
        return _unknown(board, exc)
    except NvmlError as exc:
        return _failed(board, exc)
    return {'board': board, 'values': values, 'unknown': unknown}


def _unknown(board: str, why: Unknown) -> dict[str, Any]:
    return {
        'board': board,
        'values': {},
        'unknown': {
            name: str(why) for names in QUERIES.values() for name in names
        },
    }


def _failed(board: str, why: NvmlError) -> dict[str, Any]:
    return {'board': board, 'failure': str(why)}


def _on_off(mode: int) -> str:
    return 'on' if mode else 'off'


def ecc_mode(library: Any, handle: Any) -> dict[str, str]:
    """Return the current mode; the pending one applies after a reboot."""
    current, _pending = library.nvmlDeviceGetEccMode(handle)
    return {'ecc': _on_off(current)}


def mig_mode(library: Any, handle: Any) -> dict[str, str]:
    """Return the current mode; the pending one applies after a reset."""
    current, _pending = library.nvmlDeviceGetMigMode(handle)
    return {'mig': _on_off(current)}


def gsp_mode(library: Any, handle: Any) -> dict[str, str]:
    """Return the mode; newer drivers report "not supported" if it is off."""
    # Newer nvidia-ml-py would create these arguments itself.
    enabled, default = ctypes.c_uint(), ctypes.c_uint()
    library.nvmlDeviceGetGspFirmwareMode(
        handle, ctypes.byref(enabled), ctypes.byref(default)
    )
    return {'gsp': _on_off(enabled.value)}


def gsp_firmware_version(library: Any, handle: Any) -> dict[str, str]:
    """Return the version of the firmware; not supported if GSP is off."""
    text = ctypes.create_string_buffer(_GSP_VERSION_SIZE)
    library.nvmlDeviceGetGspFirmwareVersion(handle, text)
    return {'gspversion': _decoded(text.value.decode)}


def vgpu_metadata(library: Any, handle: Any) -> dict[str, str]:
    """Return facts from nvmlVgpuPgpuMetadata_t.

    NVML documents the version range as two numbers, without a structure.
    """
    metadata = library.nvmlDeviceGetVgpuMetadata(handle)
    migrates = metadata.pgpuVirtualizationCaps & _CAP_MIGRATION
    versions = metadata.hostSupportedVgpuRange
    return {
        'managerversion': _decoded(lambda: metadata.hostDriverVersion),
        'migration': 'supported' if migrates else UNSUPPORTED,
        'minvgpuversion': str(versions.minVersion),
        'maxvgpuversion': str(versions.maxVersion),
    }


def _decoded(text: Callable[[], str]) -> str:
    """Return a text, empty if it is not in UTF-8."""
    try:
        return text()
    except UnicodeDecodeError:
        return ''


#: The queries for a board, and the facts that each of them returns.
QUERIES: Mapping[Callable[[Any, Any], dict[str, str]], Sequence[str]] = {
    ecc_mode: ['ecc'],
    mig_mode: ['mig'],
    gsp_mode: ['gsp'],
    gsp_firmware_version: ['gspversion'],
    vgpu_metadata: [
        'managerversion',
        'migration',
        'minvgpuversion',
        'maxvgpuversion',
    ],
}
