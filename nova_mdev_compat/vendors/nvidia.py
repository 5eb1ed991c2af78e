# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's boards, as NVML knows them.

NVML is asked in a process of its own, in each pass a new one: the library
always belongs to the driver that is installed, and neither keeps the driver
from being unloaded nor takes the collector along when it hangs or crashes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from oslo_config import cfg

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import child
from nova_mdev_compat.vendors import nvml

_NO_BOARD = 'it is not a PCI device, and NVML knows only those'
_NO_TEXT = (
    'NVML gives an unreadable text for it: see whether nvidia-smi -q shows it'
)

_Answer = base.Facts | exceptions.Failure


class Nvidia(base.Vendor):
    """Provides facts of boards, and leaves the answer to the rule files."""

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
        # tell whether two hosts are compatible.
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
        self._sick: set[str] = set()

    def facts(self, devices: Sequence[base.Device]) -> Mapping[str, _Answer]:
        """Ask NVML about each board once, whatever functions it has.

        NVML knows physical functions only; all of a board's virtual ones
        share its facts.
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
        # The sick ones last, so that they do not keep others from answering.
        order = sorted(boards, key=lambda board: (board in self._sick, board))
        said = self._child.ask(order)
        found = dict(filter(None, map(_answer, said.items)))
        left = [board for board in order if board not in found]
        self._sick = (self._sick - found.keys()).union(left[:1])
        trouble = (
            f'the process {said.trouble}'
            if said.trouble
            else 'the answer is missing'
        )
        for board in left:
            found[board] = nvml.NvmlError(
                f'NVML, asked about {left[0]}: {trouble}; {nvml.LOOK}'
            )
        return found


def _answer(item: Any) -> tuple[str, _Answer] | None:
    """Return a board and what nvml.answer() yields for it."""
    match item:
        case {'board': str(board), 'failure': str(failure)}:
            return board, nvml.NvmlError(failure)
        case {
            'board': str(board),
            'values': dict(values),
            'unknown': dict(unknown),
        } if all(isinstance(value, str) for value in values.values()):
            # Facts with a value that no trait can carry are unknown.
            legible = {}
            for name, value in values.items():
                try:
                    identity.canonical(value)
                except identity.IdentityError:
                    unknown = {**unknown, name: _NO_TEXT}
                else:
                    legible[name] = value
            return board, base.Facts(legible, unknown)
    return None
