# SPDX-License-Identifier: Apache-2.0
"""The plugin for NVIDIA's boards, which reads their facts from NVML.

Each pass calls NVML in a new process. So the library always belongs to the
installed driver, the driver can be unloaded between passes, and the collector
continues if NVML hangs or crashes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from oslo_config import cfg

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import child
from nova_mdev_compat.vendors import nvml

_NO_BOARD = 'it is not a PCI device, and NVML supports only those'
_NO_TEXT = 'NVML returns an unreadable text: check what nvidia-smi -q shows'

_Answer = base.Facts | exceptions.Failure


class Nvidia(base.Vendor):
    """Provides facts of boards, and leaves the decision to the rule files."""

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
        # The protocol between a guest's driver and its host. It does not
        # decide whether two hosts are compatible.
        'minvgpuversion': 'oldest version of the protocol with drivers in '
        "guests that the host supports, as NVML's number; "
        'not about compatibility of hosts',
        'maxvgpuversion': 'newest version of the protocol with drivers in '
        "guests that the host supports, as NVML's number; "
        'not about compatibility of hosts',
    }

    fact_values = {
        **dict.fromkeys(
            ('ecc', 'mig', 'gsp'), frozenset({'on', 'off', nvml.UNSUPPORTED})
        ),
        'migration': frozenset({'supported', nvml.UNSUPPORTED}),
    }

    def __init__(self, conf: cfg.ConfigOpts):
        super().__init__(conf)
        self._child = child.Child(nvml.__name__, conf.collector.vendor_timeout)
        # The boards at which NVML hung or crashed.
        self._failed: set[str] = set()

    def facts(self, devices: Sequence[base.Device]) -> Mapping[str, _Answer]:
        """Ask NVML once about each board.

        NVML supports physical functions only. The virtual functions of a
        board share its facts.
        """
        boards = self._ask({one.board for one in devices if one.board})
        nothing = base.Facts(unknown=dict.fromkeys(self.fact_names, _NO_BOARD))
        return {
            device.name: boards[device.board] if device.board else nothing
            for device in devices
        }

    def _ask(self, boards: set[str]) -> dict[str, _Answer]:
        if not boards:
            return {}
        # Boards that failed come last, so that the others are read.
        order = sorted(
            boards, key=lambda board: (board in self._failed, board)
        )
        answers = self._child.ask(order)
        found = dict(filter(None, map(_answer, answers.items)))
        missing = [board for board in order if board not in found]
        self._failed = (self._failed - found.keys()).union(missing[:1])
        trouble = 'the answer is missing'
        if answers.trouble:
            trouble = f'the process {answers.trouble}'
        for board in missing:
            found[board] = nvml.NvmlError(
                f'NVML, asked about {missing[0]}: {trouble}; {nvml.LOOK}'
            )
        return found


def _answer(item: Any) -> tuple[str, _Answer] | None:
    """Return a board and its answer, None for an item of another form."""
    match item:
        case {'board': str(board), 'failure': str(failure)}:
            return board, nvml.NvmlError(failure)
        case {
            'board': str(board),
            'values': dict(values),
            'unknown': dict(unknown),
        } if all(isinstance(value, str) for value in values.values()):
            # Facts with a value that no trait can carry are unknown.
            for name, value in list(values.items()):
                try:
                    identity.canonical(value)
                except identity.IdentityError:
                    del values[name]
                    unknown[name] = _NO_TEXT
            return board, base.Facts(values, unknown)
    return None
