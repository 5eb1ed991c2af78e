# SPDX-License-Identifier: Apache-2.0
"""Hosts as Placement knows them: provider trees, traits, candidates."""

import dataclasses
import functools
import itertools
import pathlib

from oslo_utils import uuidutils

from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import traits
from nova_mdev_compat.host import parents as par
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import loader

RULES = pathlib.Path(__file__).parent / 'rules.d'

FACTS = {
    'driver': '550.90.07',
    'module': 'nvidia',
    'ecc': 'on',
    'kernel': '5.14.0-427.el9',
    'os': 'rhel-9.6',
    'subsystem': '10de:1482',
}
HOST_RESOURCES = {'VCPU': 4, 'MEMORY_MB': 8192, 'DISK_GB': 40}

#: Product id and mdev type of a board.
GOOD = ('2235', 'nvidia-558')
OTHER_PRODUCT = ('2236', 'nvidia-558')
OTHER_TYPE = ('2235', 'nvidia-559')

#: A host's boards; candidates take them from the left.
UNIFORM = (GOOD,) * 4
REFUSING = (OTHER_PRODUCT,) * 4
MIXED = (GOOD, OTHER_PRODUCT, GOOD, OTHER_PRODUCT)
TWO_TYPES = (GOOD, OTHER_TYPE, GOOD, OTHER_TYPE)


@dataclasses.dataclass(frozen=True)
class Tree:
    """One host's providers.

    :ivar root: UUID of its root provider
    :ivar parents: UUIDs of its boards' providers
    :ivar boards: product id and mdev type of each board
    """

    root: str
    parents: tuple[str, ...]
    boards: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, boards=UNIFORM):
        return cls(
            uuidutils.generate_uuid(),
            tuple(uuidutils.generate_uuid() for _ in boards),
            boards,
        )

    def traits(self):
        """Return what the collector publishes, by provider UUID."""
        said = _published(self.boards)
        return {
            self.root: said.root,
            **{
                uuid: said.parents[str(slot)]
                for slot, uuid in enumerate(self.parents)
            },
        }

    def candidates(self, count, mdevs):
        """Return allocation candidates as Placement does.

        :param count: at most how many
        :param mdevs: 0, 1, or 2 that come from one odd and one even board
        """
        choices = itertools.product(
            *{
                0: (),
                1: (self.parents,),
                2: (self.parents[::2], self.parents[1::2]),
            }[mdevs]
        )
        return [
            _candidate(self.root, chosen)
            for chosen in itertools.islice(choices, count)
        ]


def _candidate(root, chosen):
    allocations = {root: {'resources': dict(HOST_RESOURCES)}}
    allocations.update((uuid, {'resources': {'VGPU': 1}}) for uuid in chosen)
    mappings = {'': [root, *chosen]}
    if len(chosen) > 1:
        mappings = {
            '': [root],
            **{str(number): [uuid] for number, uuid in enumerate(chosen, 1)},
        }
    return {'allocations': allocations, 'mappings': mappings}


@functools.cache
def _published(boards):
    return host_traits.build_host_traits(
        describe(boards, [str(slot) for slot in range(len(boards))])
    )


def describe(boards, names):
    """Return what a collector finds out about boards.

    :param names: of their node devices
    """
    rules = loader.load([str(RULES)])
    return tuple(
        host_traits.describe(
            par.MdevParent(
                name,
                f'10DE_{product}',
                (mdev_type,),
                mdev_type,
                par.VFIO_PCI,
                frozenset(),
                FACTS,
            ),
            rules,
        )
        for name, (product, mdev_type) in zip(names, boards, strict=True)
    )


def patterns_of_others(count):
    """Return the accept patterns that the rest of a large cloud publishes."""
    return [
        traits.encode_pattern(
            pattern.Pattern(
                f'10DE_25{number:02X}',
                f'NVIDIA_{700 + number}',
                (
                    pattern.Condition('driver', pattern.Op.GE, '535'),
                    pattern.Condition(
                        'driver', pattern.Op.LE, f'550_{number}'
                    ),
                    pattern.Condition('ecc', pattern.Op.IS, 'ON'),
                ),
            )
        )
        for number in range(count)
    ]
