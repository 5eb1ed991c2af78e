# SPDX-License-Identifier: Apache-2.0
"""This host, read and judged: what a pass publishes."""

from collections.abc import Iterable, Mapping
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.collector import devices
from nova_mdev_compat.collector import nodedev
from nova_mdev_compat.collector import parents as par
from nova_mdev_compat.collector import patience
from nova_mdev_compat.collector import publication
from nova_mdev_compat.collector import rules as collector_rules
from nova_mdev_compat.collector import sysfs
from nova_mdev_compat.collector import system
from nova_mdev_compat.conf import nova as nova_options
from nova_mdev_compat import exceptions
from nova_mdev_compat import identity as ident
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import consult

LOG = logging.getLogger(__name__)


class Reader:
    """Reads this host again and again.

    :raises exceptions.BadInput: nova.conf says what Nova would refuse, or a
        vendor plugin cannot be used
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._types = nova_options.mdev_types(conf)
        self._libvirt = _libvirt(conf.collector)
        self._vendors = consult.Vendors(conf)
        self.rules = collector_rules.Rules(conf.collector.rules_dirs)
        for mdev_type in self._types.ignored:
            LOG.warning('nova.conf: mdev type %s is enabled without '
                        '[mdev_%s]device_addresses, and %s is the default '
                        'already; Nova ignores it', mdev_type, mdev_type,
                        self._types.default)

    def read(self) -> publication.Host:
        """Return what this host is and accepts.

        :raises exceptions.BadInput: rules or a device are wrong
        :raises exceptions.Failure: libvirt, sysfs or a vendor's driver
            cannot be read
        """
        options = self._conf.collector
        rules = self.rules.current()
        found = _ask_libvirt(self._libvirt, options.libvirt_uri)
        tree = sysfs.Sysfs(options.sysfs_root)
        known = {device.name: _as_vendor_knows_it(device, tree)
                 for device in found.parents}
        parents = par.build(
            found.parents, found.mdevs, found.used, self._types,
            {name: device.parent_id for name, device in known.items()},
            self._facts(found.parents, tree, known))
        name = options.hypervisor_hostname or found.hostname
        return publication.Host(name, tuple(
            publication.describe(parent, rules,
                                 self._answer(parent, known[parent.name]))
            for parent in parents))

    def _facts(self, found: Iterable[devices.ParentDevice], tree: sysfs.Sysfs,
               known: Mapping[str, base.Device]) -> dict[str, ident.Facts]:
        """Return the facts of each device, by its name."""
        of_host = system.facts()
        of_vendors = self._vendors.facts(known.values())
        facts = {}
        for device in found:
            special = of_vendors.get(device.name, ident.Facts())
            if isinstance(special, exceptions.Failure):
                raise special
            facts[device.name] = ident.Facts(
                {**of_host, **tree.facts(device), **special.values},
                special.unknown)
        return facts

    def _answer(self, parent: par.Parent, device: base.Device,
                ) -> publication.VendorAnswer | None:
        """Return what the vendor's plugin answers for a parent itself."""
        target = parent.target()
        if target is None or parent.device_api != devices.VFIO_PCI:
            return None
        patterns = self._vendors.accepts(device, target)
        if patterns is None:
            return None
        return publication.VendorAnswer(
            str(self._vendors.name_for(device)), patterns)


def _as_vendor_knows_it(device: devices.ParentDevice,
                        tree: sysfs.Sysfs) -> base.Device:
    return base.Device(
        name=device.name, parent_id=par.parent_id(device, tree.subsystem),
        address=device.address, board=tree.board_address(device),
        types=frozenset(device.types))


def name(conf: cfg.ConfigOpts) -> str:
    """Return the host's name alone.

    :raises nodedev.LibvirtError: only libvirt knows, and does not say
    """
    options = conf.collector
    if options.hypervisor_hostname:
        return str(options.hypervisor_hostname)
    return _ask_libvirt(_libvirt(options), options.libvirt_uri).hostname


def _libvirt(options: Any) -> patience.Patience:
    return patience.Patience(f'libvirt at {options.libvirt_uri}',
                             options.libvirt_timeout, nodedev.LibvirtError)


def _ask_libvirt(libvirt: patience.Patience, uri: str) -> nodedev.HostDevices:
    return libvirt.ask(lambda: nodedev.read(uri))
