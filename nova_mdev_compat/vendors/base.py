# SPDX-License-Identifier: Apache-2.0
"""The contract between the collector and a vendor's plugin.

A plugin is a class with an entry point in the namespace
``nova_mdev_compat.vendors``. It runs in the collector, on the compute host,
where the vendor's driver is. noop.py is an example to start from, and
nvidia.py one that does something.
"""

import abc
from collections.abc import Collection, Mapping, Sequence
import dataclasses
from typing import ClassVar

from oslo_config import cfg

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern

Facts = identity.Facts


@dataclasses.dataclass(frozen=True)
class Device:
    """A parent of this host, as its vendor's plugin is asked about it.

    :ivar name: libvirt's name, ``pci_0000_84_00_4``
    :ivar parent_id: canonical parent id, ``10DE_2235`` or ``MTTY``
    :ivar address: PCI address, ``0000:84:00.4``; None where there is none
    :ivar board: PCI address of the board: the physical function's where the
        device is a virtual one, else the same as address
    :ivar types: mdev types that it has to offer, raw
    """

    name: str
    parent_id: str
    address: str | None
    board: str | None
    types: frozenset[str]


class Vendor(abc.ABC):
    """Speaks for the devices of one vendor, or of several.

    One is made when the collector starts, and asked in every pass, one
    question at a time, each in a thread of its own; what takes longer than
    [collector]vendor_timeout is given up. It may raise
    nova_mdev_compat.exceptions.Failure when it cannot answer now: the devices
    that it was asked about could not be read, and the next pass asks again.
    Any other exception is reported as its bug, with the same effect. Nothing
    that it raises ever makes a device compatible, or keeps another plugin's
    devices from being judged. If it raises when it is made, it is made in the
    next pass; exceptions.BadInput, or oslo.config's errors, end the collector
    then: somebody has to put options right first.

    :param conf: the collector's options. A plugin registers its own, in a
        group of its own.
    """

    #: PCI vendor ids, or subsystems of devices without, as in rule files:
    #: ``10de``, ``mtty``. No two plugins may speak for the same.
    vendors: ClassVar[frozenset[str]]

    #: The facts that it gives, each with a line about what it is. A name is
    #: lower case letters and digits; one that ends in ``version`` compares
    #: as a version. It may not be one of the collector's own
    #: (identity.FACTS).
    fact_names: ClassVar[Mapping[str, str]]

    #: All values of those of these facts that have few, raw: so that a rule
    #: with another one is found. A fact that is not in it may have any.
    fact_values: ClassVar[Mapping[str, frozenset[str]]] = {}

    def __init__(self, conf: cfg.ConfigOpts):
        self.conf = conf

    @abc.abstractmethod
    def facts(
        self,
        devices: Sequence[Device],
    ) -> Mapping[str, Facts | exceptions.Failure]:
        """Return what is known of devices, by name.

        A Failure in place of Facts says that this device could not be read
        now; the others are not affected. To raise one says so of all.

        They are asked about all at once, so that a library can be opened and
        closed again: one that stays open keeps its driver from being
        upgraded.

        :param devices: parents of its vendors, at least one
        """

    def accepts(
        self,
        device: Device,
        target: identity.Identity,
    ) -> Collection[pattern.Pattern] | None:
        """Return which source devices may land on a device.

        Patterns over a source of the same vendor, which replace what rule
        files say for this device; none at all means that it accepts nothing.
        The default, None, leaves the answer to the rule files.

        :param target: the device in its role as a target: parent id, mdev
            type and all its facts, canonical
        """
        return None
