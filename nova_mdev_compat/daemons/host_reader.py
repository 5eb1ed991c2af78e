# SPDX-License-Identifier: Apache-2.0
"""Read this host: its devices, what they are and what they accept."""

from collections.abc import Callable, Iterable, Sequence
import dataclasses
import pathlib
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.common import time_limit
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import traits
from nova_mdev_compat.host import device_spec
from nova_mdev_compat.host import node_devices
from nova_mdev_compat.host import nova_types
from nova_mdev_compat.host import parents
from nova_mdev_compat.host import remarks
from nova_mdev_compat.host import sysfs
from nova_mdev_compat.host import system
from nova_mdev_compat.host import vfio
from nova_mdev_compat.host import vfio_parents
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import lint
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import manager

LOG = logging.getLogger(__name__)


class HostReader:
    """Reads this host again and again.

    :raises exceptions.BadInput: Nova would refuse nova.conf, or a vendor
        plugin cannot be used
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._types = nova_types.mdev_types(conf, conf.collector.sysfs_root)
        self._read_libvirt = _libvirt_reader(conf.collector)
        self._specs = device_spec.device_specs(conf)
        self._reported = conf.pci.report_in_placement
        self._vendors = manager.Vendors(conf)
        self.rules = RulesInForce(
            conf.collector.rules_dirs, self._vendors.classes
        )
        for mdev_type in self._types.ignored:
            LOG.warning(
                'nova.conf: Nova ignores mdev type %s: it is enabled without '
                '[mdev_%s]device_addresses, and %s is the default already',
                mdev_type,
                mdev_type,
                self._types.default,
            )

    def read(self) -> host_traits.HostSnapshot:
        """Return what this host is and accepts.

        A device that cannot be read or evaluated does not stop the others:
        see HostSnapshot.failures.

        :raises model.RuleError: the rules cannot be used, and none were in
            force before
        :raises exceptions.Failure: libvirt cannot be read
        """
        options = self._conf.collector
        rules = self.rules.current()
        found = self._read_libvirt()
        functions = vfio.find(options.sysfs_root)
        read = self._read_devices(found, functions)
        built = parents.build(
            read.devices,
            found.mdevs,
            found.used,
            self._types,
            {name: device.parent_id for name, device in read.known.items()},
            read.facts,
        ) + vfio_parents.build(
            functions,
            self._specs,
            {name: device.parent_id for name, device in read.known.items()},
            read.facts,
        )
        for name, failure in parents.collisions(built).items():
            read.fail(name, failure)
        unused = remarks.unused_mdevs(found, self._types)
        return host_traits.HostSnapshot(
            options.hypervisor_hostname or found.hostname,
            tuple(self._describe(parent, read, rules) for parent in built),
            unused,
            remarks.of_host(found, self._types, unused)
            + remarks.of_functions(functions, self._specs, self._reported),
        )

    def _read_devices(
        self,
        found: parents.HostDevices,
        functions: Iterable[vfio.PhysicalFunction],
    ) -> '_ReadDevices':
        """Read the facts of all parents: of the host, sysfs, and vendors."""
        tree = sysfs.Sysfs(self._conf.collector.sysfs_root)
        of_host = system.os_facts(self._conf.collector.os_release_file)
        read = _ReadDevices(list(found.parents))
        for name, odd in found.odd.items():
            read.devices.append(
                parents.ParentDevice(name, None, None, None, None, None, {})
            )
            read.facts[name] = identity.Facts()
            read.fail(name, odd, traits.PARENT, traits.TYPE, traits.FACT)
        for device in found.parents:
            read.facts[device.name] = of_host
            try:
                read.known[device.name] = base.Device(
                    name=device.name,
                    parent_id=parents.parent_id(device, tree.subsystem),
                    address=device.address,
                    board=tree.board_address(device),
                    types=frozenset(device.types),
                )
            except exceptions.Failure as exc:
                read.fail(device.name, exc, traits.PARENT, traits.FACT)
                continue
            try:
                read.add(device.name, identity.Facts(tree.facts(device)))
            except exceptions.Failure as exc:
                read.fail(device.name, exc, traits.FACT)
        for physical in functions:
            self._read_functions(physical, tree, of_host, read)
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
        return read

    def _read_functions(
        self,
        physical: vfio.PhysicalFunction,
        tree: sysfs.Sysfs,
        of_host: identity.Facts,
        read: '_ReadDevices',
    ) -> None:
        """Read the facts of a parent of virtual functions."""
        name = physical.address
        read.facts[name] = identity.Facts(
            {**of_host.values, 'framework': 'vfio'}, of_host.unknown
        )
        try:
            read.known[name] = base.Device(
                name=name,
                parent_id=vfio.parent_id(physical),
                address=name,
                board=name,
                types=frozenset(
                    one.type for one in physical.functions if one.type
                ),
            )
            if physical.failure:
                raise physical.failure
            read.add(name, identity.Facts(vfio.facts(tree, physical)))
        except exceptions.Failure as exc:
            unread = [traits.TYPE, traits.INUSE, traits.FACT]
            if name not in read.known:
                unread.append(traits.PARENT)
            read.fail(name, exc, *unread)

    def _describe(
        self,
        parent: parents.MdevParent,
        read: '_ReadDevices',
        rules: model.RuleSet,
    ) -> host_traits.ParentTraits:
        """Return what one parent is and, by plugin or rules, accepts."""
        failed = read.failed.get(parent.name)
        if failed:
            return host_traits.unreadable(parent, *failed)
        try:
            answer, target = None, parent.target()
            if target is not None and parent.device_api == parents.VFIO_PCI:
                device = read.known[parent.name]
                patterns = self._vendors.accepts(device, target)
                if patterns is not None:
                    plugin = str(self._vendors.name_for(device))
                    answer = host_traits.VendorAnswer(plugin, patterns)
            return host_traits.describe(parent, rules, answer)
        except exceptions.Failure as exc:
            return host_traits.unreadable(parent, exc)


@dataclasses.dataclass
class _ReadDevices:
    """What was read of this host's devices.

    :ivar known: devices as their vendor's plugin gets them
    :ivar facts: by device name
    :ivar failed: by device name, why it could not be read completely, and
        prefixes of the traits that could not be read
    """

    devices: list[parents.ParentDevice]
    known: dict[str, base.Device] = dataclasses.field(default_factory=dict)
    facts: dict[str, identity.Facts] = dataclasses.field(default_factory=dict)
    failed: dict[str, tuple[exceptions.Failure, Sequence[str]]] = (
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

        Only its first failure is reported.
        """
        first, more = self.failed.get(name, (why, ()))
        self.failed[name] = first, (*more, *unread)


def name(conf: cfg.ConfigOpts) -> str:
    """Return only the host's name.

    :raises node_devices.LibvirtError: no option names it, and libvirt does
        not answer
    """
    options = conf.collector
    return str(
        options.hypervisor_hostname or _libvirt_reader(options)().hostname
    )


def _libvirt_reader(options: Any) -> Callable[[], parents.HostDevices]:
    """Return what reads libvirt, with a time limit."""
    uri = options.libvirt_uri
    limit = time_limit.TimeLimit(
        f'libvirt at {uri}', options.libvirt_timeout, node_devices.LibvirtError
    )
    return lambda: limit.ask(lambda: node_devices.read(uri))


class RulesInForce:
    """Reads rule files when they have changed.

    A wrong set does not replace a good one: the fault is logged, again at
    every change, and the last good set stays in force. Values that no device
    has are logged when a set is read.

    :param directories: as for loader.load
    :param plugins: the vendor plugins of this host, which know such values
    """

    def __init__(self, directories: list[str], plugins: manager.Classes):
        self._directories = directories
        self._plugins = plugins
        self._stamp: list[tuple[str, int, int]] | None = None
        self._good: model.RuleSet | None = None
        #: What is wrong with the files, None if nothing is.
        self.fault: str | None = None

    def current(self) -> model.RuleSet:
        """Return the rules in force.

        :raises model.RuleError: they are wrong, and there were none before
        """
        stamp = []
        for directory in map(pathlib.Path, self._directories):
            try:
                stamp += [_stamp(path) for path in sorted(directory.iterdir())]
            except OSError as exc:
                stamp.append((str(directory), exc.errno or 0, 0))
        if self._good is not None and stamp == self._stamp:
            return self._good
        self._stamp = stamp
        try:
            rules = loader.load(self._directories)
        except model.RuleError as exc:
            self.fault = str(exc)
            if self._good is None:
                raise
            LOG.error('%s. The rules read before stay in force.', exc)
            return self._good
        if self._good is not None:
            LOG.info('Rule files have changed and are in force')
        self.fault = None
        self._good = rules
        self._warn_of_unknown_values(rules)
        return rules

    def _warn_of_unknown_values(self, rules: model.RuleSet) -> None:
        for vendor, of_vendor in rules.by_vendor.items():
            known = manager.values_of(
                self._plugins,
                None if vendor == model.EVERY_VENDOR else vendor,
            )
            for rule in of_vendor:
                for remark in lint.unknown_values(rule, known):
                    LOG.warning(
                        '%s: rule %r: %s: %s',
                        rule.place(remark.path),
                        rule.name,
                        '.'.join(map(str, remark.path)),
                        remark.text,
                    )


def _stamp(path: pathlib.Path) -> tuple[str, int, int]:
    """Return what changes when a file does."""
    try:
        stat = path.stat()
    except OSError as exc:  # an editor's lock is a dangling link
        return str(path), exc.errno or 0, 0
    # A ctime cannot be set back. Packages and rsync set an mtime back.
    return str(path), stat.st_ctime_ns, stat.st_size
