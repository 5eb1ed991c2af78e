# SPDX-License-Identifier: Apache-2.0
"""The contract between the collector and a vendor plugin.

A plugin is a class with an entry point in the namespace
``nova_mdev_compat.vendors``. It runs in the collector, on the compute host
that has the vendor's driver. noop.py is an example to start from, nvidia.py
a complete one. A plugin imports from this module only: ``__all__`` is public,
the modules that define these names are not.
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
    """A parent of this host, as its plugin sees it.

    :ivar name: libvirt's name, ``pci_0000_84_00_4``; for the physical function
        of virtual functions that guests get, its PCI address
    :ivar parent_id: canonical parent id, ``10DE_2235`` or ``MTTY``; made of
        the ids of the virtual functions, if guests get these
    :ivar address: PCI address, ``0000:84:00.4``; None without one
    :ivar board: PCI address of the board: that of the physical function if
        the device is a virtual function, else the same as address
    :ivar types: mdev types that it offers, raw; the types that its virtual
        functions have
    """

    name: str
    parent_id: str
    address: str | None
    board: str | None
    types: frozenset[str]


class Vendor(abc.ABC):
    """Provides facts of the devices of one or more vendors.

    The collector creates an instance when it starts. In every pass it calls
    one method at a time, each call in a new thread, and gives up after
    [collector]vendor_timeout. A plugin that cannot answer now may raise
    Failure: the devices of the call could not be read, and the next pass
    tries again. Any other exception is reported as a bug in the plugin, with
    the same effect. No exception makes a device compatible or affects the
    devices of another plugin. If a plugin raises while it is created, the
    next pass creates it again. BadInput and errors of oslo.config end the
    collector instead: an operator must correct the options.

    :param conf: the collector's options; a plugin registers its own options
        in its own group
    """

    #: PCI vendor ids, or subsystems of devices without PCI ids, as in rule
    #: files: ``10de``, ``mtty``. Two plugins must not declare the same vendor.
    vendors: ClassVar[frozenset[str]]

    #: The facts that it provides, with a line of description each. A name has
    #: lower case letters and digits. If it ends in ``version``, its values
    #: are compared as versions. The collector's own facts are not allowed:
    #: driver, firmware, framework, intree, kernel, module, os, psid, revision,
    #: subsystem.
    fact_names: ClassVar[Mapping[str, str]]

    #: The raw values of facts that have a fixed set of values. A rule with
    #: another value is reported. A fact that is not listed may have any value.
    fact_values: ClassVar[Mapping[str, frozenset[str]]] = {}

    def __init__(self, conf: cfg.ConfigOpts):
        self.conf = conf

    @abc.abstractmethod
    def facts(
        self, devices: Sequence[Device]
    ) -> Mapping[str, Facts | Failure]:
        """Return the facts of devices by device name.

        A Failure in place of Facts means that this device could not be read
        now. It does not affect the other devices. Raising a Failure means
        the same for all of them.

        One call is about all devices, so that a plugin can open a library
        and close it again: while it is open, its driver cannot be upgraded.

        :param devices: parents of its vendors, at least one
        """

    def accepts(
        self, device: Device, target: Identity
    ) -> Collection[Pattern] | None:
        """Return patterns of the sources that a device accepts.

        The sources are of the same vendor. The patterns replace the rule
        files for this device. An empty collection accepts nothing. None, the
        default, leaves the decision to the rule files.

        :param target: the device as a target: canonical parent id, mdev type
            and all its facts
        """
        return None
