# SPDX-License-Identifier: Apache-2.0
"""The contract between the collector and a vendor's plugin.

A plugin is a class with an entry point in the namespace
``nova_mdev_compat.vendors``. It runs in the collector, on the compute host,
where the vendor's driver is. noop.py is an example to start from, nvidia.py
a complete one. A plugin imports from this module alone: ``__all__`` is public,
and the modules that define these names are not.
"""

import abc
from collections.abc import Collection, Mapping, Sequence
import dataclasses
from typing import ClassVar

from oslo_config import cfg

from nova_mdev_compat.core.exceptions import BadInput
from nova_mdev_compat.core.exceptions import Failure
from nova_mdev_compat.core.identity import Facts
from nova_mdev_compat.core.identity import Identity
from nova_mdev_compat.core.pattern import Condition
from nova_mdev_compat.core.pattern import Op
from nova_mdev_compat.core.pattern import Pattern

__all__ = [
    'BadInput',
    'Condition',
    'Device',
    'Facts',
    'Failure',
    'Identity',
    'Op',
    'Pattern',
    'Vendor',
]


@dataclasses.dataclass(frozen=True)
class Device:
    """A parent of this host, as its vendor's plugin sees it.

    :ivar name: libvirt's name, ``pci_0000_84_00_4``
    :ivar parent_id: canonical parent id, ``10DE_2235`` or ``MTTY``
    :ivar address: PCI address, ``0000:84:00.4``; None without one
    :ivar board: PCI address of the board: of the physical function if the
        device is a virtual one, else the same as address
    :ivar types: mdev types that it offers, raw
    """

    name: str
    parent_id: str
    address: str | None
    board: str | None
    types: frozenset[str]


class Vendor(abc.ABC):
    """Provides facts of the devices of one vendor, or of several.

    The collector creates one when it starts. It asks it in every pass, one
    question at a time, each in a thread of its own, and gives up after
    [collector]vendor_timeout. A plugin that cannot answer now may raise
    Failure: the devices of the question could not be read, and the next pass
    asks again. Any other exception is reported as a bug in the plugin, with
    the same effect. No exception makes a device compatible, or affects the
    devices of another plugin. A plugin that raises when it is created is
    created again in the next pass. BadInput and errors of oslo.config end the
    collector instead: an operator must correct the options.

    :param conf: the collector's options. A plugin registers its own, in a
        group of its own.
    """

    #: PCI vendor ids, or subsystems of devices without, as in rule files:
    #: ``10de``, ``mtty``. No two plugins may declare the same.
    vendors: ClassVar[frozenset[str]]

    #: The facts that it provides, each with a line of description. A name
    #: has lower case letters and digits; a fact whose name ends in
    #: ``version`` compares as a version. The collector's own facts are not
    #: allowed: driver, intree, kernel, module, os, subsystem.
    fact_names: ClassVar[Mapping[str, str]]

    #: All values, raw, of facts that have few: a rule with another value is
    #: reported. A fact that is not listed may have any value.
    fact_values: ClassVar[Mapping[str, frozenset[str]]] = {}

    def __init__(self, conf: cfg.ConfigOpts):
        self.conf = conf

    @abc.abstractmethod
    def facts(
        self, devices: Sequence[Device]
    ) -> Mapping[str, Facts | Failure]:
        """Return what is known of devices, by name.

        A Failure in place of Facts means that this device could not be read
        now; the others are not affected. To raise a Failure means the same
        for all of them.

        The question is about all devices at once, so that a library can be
        opened and closed again: while it is open, its driver cannot be
        upgraded.

        :param devices: parents of its vendors, at least one
        """

    def accepts(
        self, device: Device, target: Identity
    ) -> Collection[Pattern] | None:
        """Return which source devices a device accepts.

        Patterns over a source of the same vendor, which replace the rule
        files for this device. An empty collection accepts nothing. None, the
        default, leaves the answer to the rule files.

        :param target: the device in its role as a target: parent id, mdev
            type and all its facts, canonical
        """
        return None
