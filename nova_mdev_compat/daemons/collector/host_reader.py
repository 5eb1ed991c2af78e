# SPDX-License-Identifier: Apache-2.0
"""This host, read and judged: what a pass publishes."""

import dataclasses
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.common import time_limit
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import traits
from nova_mdev_compat.host import devices
from nova_mdev_compat.host import node_devices
from nova_mdev_compat.host import nova_types
from nova_mdev_compat.host import os_release
from nova_mdev_compat.host import parents as par
from nova_mdev_compat.host import remarks
from nova_mdev_compat.host import sysfs
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import reload
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import manager

LOG = logging.getLogger(__name__)


class Reader:
    """Reads this host again and again.

    :raises exceptions.BadInput: nova.conf says what Nova would refuse, or a
        vendor plugin cannot be used
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._types = nova_types.mdev_types(conf, conf.collector.sysfs_root)
        self._libvirt = _libvirt(conf.collector)
        self._vendors = manager.Vendors(conf)
        self.rules = reload.Rules(
            conf.collector.rules_dirs, self._vendors.classes
        )
        for mdev_type in self._types.ignored:
            LOG.warning(
                'nova.conf: mdev type %s is enabled without '
                '[mdev_%s]device_addresses, and %s is the default '
                'already; Nova ignores it',
                mdev_type,
                mdev_type,
                self._types.default,
            )

    def read(self) -> host_traits.Host:
        """Return what this host is and accepts.

        A device that cannot be read or judged does not keep the others from
        it: see Host.failures.

        :raises model.RuleError: the rules cannot be used, and no others
            were in force
        :raises exceptions.Failure: libvirt cannot be read
        """
        options = self._conf.collector
        rules = self.rules.current()
        found = _ask_libvirt(self._libvirt, options.libvirt_uri)
        read = self._read_devices(found)
        parents = par.build(
            read.devices,
            found.mdevs,
            found.used,
            self._types,
            {name: device.parent_id for name, device in read.known.items()},
            read.facts,
        )
        for name, failure in par.collisions(parents).items():
            read.fail(name, failure)
        left = remarks.leftovers(
            found.mdevs,
            found.used,
            found.kept,
            found.parents,
            found.odd,
            self._types,
        )
        without_mdevs = sysfs.Sysfs(options.sysfs_root).vendor_specific()
        return host_traits.Host(
            options.hypervisor_hostname or found.hostname,
            tuple(self._judge(parent, read, rules) for parent in parents),
            left,
            remarks.of_host(found.parents, self._types, found.mdevs, left)
            + remarks.of_vendor_specific(without_mdevs),
        )

    def _read_devices(self, found: node_devices.HostDevices) -> '_Read':
        tree = sysfs.Sysfs(self._conf.collector.sysfs_root)
        of_host = os_release.facts(self._conf.collector.os_release_file)
        read = _Read(list(found.parents))
        for name, odd in found.odd.items():
            read.devices.append(
                devices.ParentDevice(name, None, None, None, None, None, {})
            )
            read.facts[name] = identity.Facts()
            read.fail(name, odd, traits.PARENT, traits.TYPE, traits.FACT)
        for device in found.parents:
            read.facts[device.name] = of_host
            try:
                read.known[device.name] = _as_vendor_knows_it(device, tree)
            except exceptions.Failure as exc:
                read.fail(device.name, exc, traits.PARENT, traits.FACT)
                continue
            try:
                read.add(device.name, identity.Facts(tree.facts(device)))
            except exceptions.Failure as exc:
                read.fail(device.name, exc, traits.FACT)
        self._ask_vendors(read)
        return read

    def _ask_vendors(self, read: '_Read') -> None:
        for name, answer in self._vendors.facts(read.known.values()).items():
            if isinstance(answer, exceptions.Failure):
                unread = self._vendors.fact_names(read.known[name])
                read.fail(
                    name,
                    answer,
                    *(f'{traits.FACT}{fact.upper()}_' for fact in unread),
                )
            else:
                read.add(name, answer)

    def _judge(
        self, parent: par.Parent, read: '_Read', rules: model.RuleSet
    ) -> host_traits.ParentTraits:
        failed = read.failed.get(parent.name)
        if failed:
            return host_traits.unreadable(parent, *failed)
        try:
            return host_traits.describe(
                parent, rules, self._answer(parent, read.known[parent.name])
            )
        except exceptions.Failure as exc:
            return host_traits.unreadable(parent, exc)

    def _answer(
        self,
        parent: par.Parent,
        device: base.Device,
    ) -> host_traits.VendorAnswer | None:
        """Return what the vendor's plugin answers for a parent itself."""
        target = parent.target()
        if target is None or parent.device_api != devices.VFIO_PCI:
            return None
        patterns = self._vendors.accepts(device, target)
        if patterns is None:
            return None
        return host_traits.VendorAnswer(
            str(self._vendors.name_for(device)), patterns
        )


@dataclasses.dataclass
class _Read:
    """What was read of this host's devices.

    :ivar known: devices as their vendor's plugin is asked about them
    :ivar facts: by device name
    :ivar failed: by device name, why it could not be read completely, and
        prefixes of the traits about which nothing was read
    """

    devices: list[devices.ParentDevice]
    known: dict[str, base.Device] = dataclasses.field(default_factory=dict)
    facts: dict[str, identity.Facts] = dataclasses.field(default_factory=dict)
    failed: dict[str, tuple[exceptions.Failure, tuple[str, ...]]] = (
        dataclasses.field(default_factory=dict)
    )

    def add(self, name: str, facts: identity.Facts) -> None:
        """Add facts of a device to those that are known."""
        before = self.facts[name]
        self.facts[name] = identity.Facts(
            {**before.values, **facts.values},
            {**before.unknown, **facts.unknown},
        )

    def fail(self, name: str, why: exceptions.Failure, *unread: str) -> None:
        """Note that a device could not be read completely.

        The first failure is the one that is told.
        """
        first, more = self.failed.get(name, (why, ()))
        self.failed[name] = first, (*more, *unread)


def _as_vendor_knows_it(
    device: devices.ParentDevice, tree: sysfs.Sysfs
) -> base.Device:
    return base.Device(
        name=device.name,
        parent_id=par.parent_id(device, tree.subsystem),
        address=device.address,
        board=tree.board_address(device),
        types=frozenset(device.types),
    )


def name(conf: cfg.ConfigOpts) -> str:
    """Return the host's name alone.

    :raises nodedev.LibvirtError: only libvirt knows, and does not say
    """
    options = conf.collector
    if options.hypervisor_hostname:
        return str(options.hypervisor_hostname)
    return _ask_libvirt(_libvirt(options), options.libvirt_uri).hostname


def _libvirt(options: Any) -> time_limit.Patience:
    return time_limit.Patience(
        f'libvirt at {options.libvirt_uri}',
        options.libvirt_timeout,
        node_devices.LibvirtError,
    )


def _ask_libvirt(
    libvirt: time_limit.Patience, uri: str
) -> node_devices.HostDevices:
    return libvirt.ask(lambda: node_devices.read(uri))
