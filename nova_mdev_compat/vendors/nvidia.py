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

_NO_BOARD = 'it is no PCI device, and NVML knows no others'
_NO_TEXT = (
    'NVML gives a text for it that cannot be read: see whether '
    'nvidia-smi -q shows it'
)

_Answer = base.Facts | exceptions.Failure


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

    fact_values = {
        **dict.fromkeys(
            ('ecc', 'mig', 'gsp'), frozenset({'on', 'off', nvml.UNSUPPORTED})
        ),
        'migration': frozenset({'supported', nvml.UNSUPPORTED}),
    }

    def __init__(self, conf: cfg.ConfigOpts):
        super().__init__(conf)
        self._child = child.Child(nvml.__name__, conf.collector.vendor_timeout)
        # At which NVML hung or crashed.
        self._sick: set[str] = set()

    def facts(
        self,
        devices: Sequence[base.Device],
    ) -> Mapping[str, _Answer]:
        """Ask NVML about each board once, whatever functions it has.

        NVML knows physical functions only; all of a board's virtual ones
        share its facts.
        """
        boards = self._read(
            {device.board for device in devices if device.board}
        )
        nothing = base.Facts(unknown=dict.fromkeys(self.fact_names, _NO_BOARD))
        return {
            device.name: boards[device.board] if device.board else nothing
            for device in devices
        }

    def _read(self, boards: set[str]) -> dict[str, _Answer]:
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
    """Return a board and what nvml.answer() says about it."""
    match item:
        case {'board': str(board), 'failure': str(failure)}:
            return board, nvml.NvmlError(failure)
        case {
            'board': str(board),
            'values': dict(values),
            'unknown': dict(unknown),
        } if all(isinstance(value, str) for value in values.values()):
            return board, _legible(base.Facts(values, unknown))
    return None


def _legible(facts: base.Facts) -> base.Facts:
    """Return facts, those whose value no trait can carry as unknown."""
    values = {}
    unknown = dict(facts.unknown)
    for name, value in facts.values.items():
        try:
            identity.canonical(value)
        except identity.IdentityError:
            unknown[name] = _NO_TEXT
        else:
            values[name] = value
    return base.Facts(values, unknown)
