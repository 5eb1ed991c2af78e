# SPDX-License-Identifier: Apache-2.0
"""The edge to NVML, NVIDIA's management library, and what its errors mean.

The library, libnvidia-ml.so.1, comes with NVIDIA's driver; nvidia-ml-py, whose
module is ``pynvml``, speaks to it and is in the extra ``nvidia`` only. Return
codes are in NVIDIA's NVML API Reference Guide under nvmlReturn_t.
"""

from collections.abc import Collection, Iterator
import contextlib
import enum
import importlib
from typing import Any

from nova_mdev_compat import exceptions

#: Where an operator finds more when NVML itself does not say enough.
_LOOK = 'see nvidia-smi and the kernel log (Xid)'
_DROP_IN = ("give the collector's unit the drop-in "
            'nova-mdev-collector-nvidia.conf')
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


_NO_ACCESS = ('NVML has no permission to ask the driver: '
              f'{_DROP_IN}, and its user access to /dev/nvidia*')
_NO_BOARD = ('NVML knows no board at this address: see whether '
             "NVIDIA's driver has it (nvidia-smi -L, lspci -k)")

#: States that last until somebody does something about them. Another read
#: does not help, and other boards must not wait for this one.
_STATES: dict[int, str] = {
    Code.NO_PERMISSION: _NO_ACCESS,
    # "The GPU control device has been blocked by the operating
    # system/cgroups", says nvmlReturn_t.
    Code.OPERATING_SYSTEM: _NO_ACCESS,
    Code.NOT_FOUND: _NO_BOARD,
    Code.GPU_NOT_FOUND: _NO_BOARD,
    Code.INSUFFICIENT_POWER:
        "the board's power cables are not properly attached: attach them",
    # NVML says the same of a driver that is loaded, but whose device nodes
    # are not in the /dev that it sees.
    Code.DRIVER_NOT_LOADED:
        "NVML finds no driver: load NVIDIA's (modprobe nvidia); if nvidia-smi "
        f'works, {_DROP_IN}',
    Code.IRQ_ISSUE:
        f'the kernel has trouble with interrupts of the board: {_LOOK}',
    Code.LIBRARY_NOT_FOUND:
        "libnvidia-ml.so.1 cannot be loaded: install NVIDIA's vGPU Manager, "
        'or the package of its driver that has this library',
    Code.FUNCTION_NOT_FOUND:
        "the driver's NVML does not have this function: upgrade NVIDIA's "
        'driver',
    Code.GPU_IS_LOST:
        f'the board is lost, off the bus: {_LOOK}, and reboot the host',
    Code.RESET_REQUIRED:
        'the board has to be reset: move its instances away, then '
        'nvidia-smi --gpu-reset',
}

_REMEDIES: dict[int, str] = {
    # The collector, too, keeps the library that it first loaded.
    Code.LIB_RM_VERSION_MISMATCH:
        'the library and the driver that is loaded are not of one version: '
        'reload the driver or reboot, and restart nova-mdev-collector',
}
_REMEDY = (f'it is asked again in the next pass; if this stays, {_LOOK}, and '
           'whether the collector may open /dev/nvidia*')


@contextlib.contextmanager
def opened(boards: Collection[str]) -> Iterator[Any]:
    """Yield the module pynvml, initialised; in the end it is shut down.

    A library that stays open keeps the driver from being unloaded, and so
    from being upgraded. nvmlInit() touches no board yet, so that one in a
    bad state does not keep it from the others.

    :param boards: addresses of those that are to be asked
    :raises Unknown: there is no NVML here, or nothing that it can speak to
    :raises NvmlError: NVML failed
    """
    try:
        library = importlib.import_module('pynvml')
    except ImportError as exc:
        raise Unknown(f'nvidia-ml-py is not installed: {_INSTALL}') from exc
    where = ', '.join(boards)
    with answering(library, where):
        library.nvmlInit()
    try:
        yield library
    finally:
        with answering(library, where):
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
        raise Unknown('nvidia-ml-py is too old, it has no '
                      f'{exc.name}(): {_INSTALL}') from exc


def _error(exc: Any, where: str) -> Exception:
    if exc.value in _STATES:
        return Unknown(_STATES[exc.value])
    error = (NotSupported if exc.value == Code.NOT_SUPPORTED else NvmlError)
    return error(f'NVML, asked about {where}: {exc} (error {exc.value}); '
                 f'{_REMEDIES.get(exc.value, _REMEDY)}')
