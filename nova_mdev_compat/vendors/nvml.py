# SPDX-License-Identifier: Apache-2.0
"""The edge to NVML, NVIDIA's management library, and what its errors mean.

The library, libnvidia-ml.so.1, comes with NVIDIA's driver; nvidia-ml-py, whose
module is ``pynvml``, speaks to it and is in the extra ``nvidia`` only. What
the functions give is in NVIDIA's NVML API Reference Guide, in the chapters
"Device Queries" and "vGPU Migration", and in nvml.h; return codes are there
under nvmlReturn_t.

It is asked by child.py, in a process that ends with its answer, and so
imports nothing large.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
import contextlib
import ctypes
import enum
import importlib
from typing import Any

from nova_mdev_compat.core import exceptions

#: What a board that does not have a thing answers when asked about it. It
#: equals itself, and is no version.
UNSUPPORTED = 'unsupported'

#: nvml.h: NVML_GSP_FIRMWARE_VERSION_BUF_SIZE.
_GSP_VERSION_SIZE = 0x40
#: nvml.h: NVML_VGPU_PGPU_VIRTUALIZATION_CAP_MIGRATION is bit 0:0.
_CAP_MIGRATION = 1

#: Where an operator finds more when NVML itself does not say enough.
LOOK = 'see nvidia-smi and the kernel log (Xid)'
_DROP_IN = (
    "give the collector's unit the drop-in nova-mdev-collector-nvidia.conf"
)
_INSTALL = "pip install 'nova-mdev-compat[nvidia]'"


class NvmlError(exceptions.Failure):
    """NVML failed in a read; the message names the boards."""


class NotSupported(NvmlError):
    """A board does not have what it was asked for: that is an answer."""


class Unknown(Exception):
    """NVML cannot tell in the state that the host or a board is in.

    The message is a clause about why, and what to do.
    """


class Code(enum.IntEnum):
    """Those of nvmlReturn_t that say more than that a read failed."""

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
    'NVML knows no board at this address: see whether '
    "NVIDIA's driver has it (nvidia-smi -L, lspci -k)"
)

#: States that last until somebody does something about them. Another read
#: does not help, and other boards must not wait for this one.
_STATES: dict[int, str] = {
    Code.NO_PERMISSION: _NO_ACCESS,
    # "The GPU control device has been blocked by the operating
    # system/cgroups", says nvmlReturn_t.
    Code.OPERATING_SYSTEM: _NO_ACCESS,
    Code.NOT_FOUND: _NO_BOARD,
    Code.GPU_NOT_FOUND: _NO_BOARD,
    Code.INSUFFICIENT_POWER: (
        "the board's power cables are not properly attached: attach them"
    ),
    # NVML says the same of a driver that is loaded, but whose device nodes
    # are not in the /dev that it sees.
    Code.DRIVER_NOT_LOADED: (
        "NVML finds no driver: load NVIDIA's (modprobe nvidia); if nvidia-smi "
        f'works, {_DROP_IN}'
    ),
    Code.IRQ_ISSUE: (
        f'the kernel has trouble with interrupts of the board: {LOOK}'
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
        f'the board is lost, off the bus: {LOOK}, and reboot the host'
    ),
    Code.RESET_REQUIRED: (
        'the board has to be reset: move its instances away, then '
        'nvidia-smi --gpu-reset'
    ),
}

_REMEDIES: dict[int, str] = {
    Code.LIB_RM_VERSION_MISMATCH: (
        'the library that is installed and the driver that is loaded are not '
        'of one version: load the driver anew, or reboot the host'
    ),
}
_REMEDY = (
    f'it is asked again in the next pass; if this stays, {LOOK}, and '
    'whether the collector may open /dev/nvidia*'
)


def answer(boards: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what NVML knows of each board, in their order.

    ``{'board': ADDRESS}`` with either ``values`` and ``unknown``, as in Facts,
    or ``failure``, why it could not be read.

    :param boards: addresses, as sysfs has them:
        hexadecimal domain:bus:device.function
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
    """Yield the module pynvml, initialised; in the end it is shut down.

    nvmlInit() touches no board yet, so that one in a bad state does not keep
    it from the others.

    :param boards: addresses of those that are to be asked
    :raises Unknown: there is no NVML here, or nothing that it can speak to
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
        # All has been answered, and the process ends, which closes whatever
        # is open.
        with contextlib.suppress(library.NVMLError):
            library.nvmlShutdown()


@contextlib.contextmanager
def answering(library: Any, where: str) -> Iterator[None]:
    """Turn what pynvml raises into errors of ours.

    :param library: the module pynvml
    :param where: the address of the board that is asked
    :raises NotSupported: the board does not have it
    :raises Unknown: NVML cannot tell in the state that there is
    :raises NvmlError: NVML failed
    """
    try:
        yield
    except library.NVMLError as exc:
        raise _error(exc, where) from exc
    except AttributeError as exc:
        # Distributions have a pynvml that is older than some functions.
        if exc.obj is not library:
            raise
        raise Unknown(
            f'nvidia-ml-py is too old, it has no {exc.name}(): {_INSTALL}'
        ) from exc


def _error(exc: Any, where: str) -> Exception:
    if exc.value in _STATES:
        return Unknown(_STATES[exc.value])
    error = NotSupported if exc.value == Code.NOT_SUPPORTED else NvmlError
    return error(
        f'NVML, asked about {where}: {exc} (error {exc.value}); '
        f'{_REMEDIES.get(exc.value, _REMEDY)}'
    )


def _read(library: Any, board: str) -> dict[str, Any]:
    try:
        with answering(library, board):
            handle = library.nvmlDeviceGetHandleByPciBusId(board)
        return _known(library, board, handle)
    except Unknown as exc:
        return _unknown(board, exc)
    except NvmlError as exc:
        return _failed(board, exc)


def _known(library: Any, board: str, handle: Any) -> dict[str, Any]:
    """Return the answers to all questions.

    :raises NvmlError: NVML failed in one of them
    """
    values: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for query, names in QUERIES.items():
        try:
            with answering(library, board):
                values.update(query(library, handle))
        except NotSupported:
            values.update(dict.fromkeys(names, UNSUPPORTED))
        except Unknown as exc:
            unknown.update(dict.fromkeys(names, str(exc)))
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
        handle, ctypes.byref(enabled), ctypes.byref(default)
    )
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
QUERIES: Mapping[Callable[[Any, Any], dict[str, str]], Sequence[str]] = {
    _ecc: ['ecc'],
    _mig: ['mig'],
    _gsp: ['gsp'],
    _gsp_version: ['gspversion'],
    _vgpu: ['managerversion', 'migration', 'minvgpuversion', 'maxvgpuversion'],
}
