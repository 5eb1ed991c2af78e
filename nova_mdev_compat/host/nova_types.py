# SPDX-License-Identifier: Apache-2.0
"""The mdev type that Nova uses on each parent, from nova.conf.

As in nova.virt.libvirt.driver._get_supported_vgpu_types, a type takes the
devices of its ``[mdev_<type>]device_addresses``. The first type without
addresses is the default for all other PCI devices
(``_get_vgpu_type_per_pgpu``; ``_get_device_address``, before Nova 34
``_get_pci_id_from_libvirt_name``). Nova ignores further types without
addresses.
"""

from collections.abc import Collection, Iterable, Mapping
import dataclasses
import pathlib
import re

from oslo_config import cfg

from nova_mdev_compat.conf import nova as nova_options
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import text

#: A PCI address, as in nova.pci.utils.parse_address.
PCI_ADDRESS = re.compile(r'^[\da-fA-F]{4}:[\da-fA-F]{2}:[\da-fA-F]{2}.[0-7]$')


class NovaTypesError(exceptions.BadInput):
    """nova-compute does not start with a value in nova.conf."""


@dataclasses.dataclass(frozen=True)
class NovaTypes:
    """The mdev type that Nova uses on each parent.

    :ivar by_address: mdev type by PCI address or libvirt name
    :ivar default: mdev type of all other PCI devices
    :ivar ignored: enabled types that Nova ignores
    :ivar enabled: all enabled types, as in nova.conf
    """

    by_address: Mapping[str, str]
    default: str | None
    ignored: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()

    def type_of(self, name: str, address: str | None) -> str | None:
        """Return the mdev type that Nova uses on a parent, if any.

        :param name: libvirt's name, which identifies a virtual parent
        :param address: PCI address, None if it is not a PCI device
        """
        takes_default = address is not None and PCI_ADDRESS.match(address)
        default = self.default if takes_default else None
        return self.by_address.get(address or name, default)

    def why_none(
        self, name: str, address: str | None, offered: Collection[str]
    ) -> str:
        """Return why Nova uses none of the types that a parent offers.

        :param name: and address: see type_of
        """
        chosen = self.type_of(name, address)
        if not self.enabled:
            why = '[devices]enabled_mdev_types is empty'
        elif chosen is not None:
            why = f'nova.conf gives it {chosen}, which it does not offer'
        elif address is None:
            why = (
                'it is not a PCI device, and no '
                '[mdev_<type>]device_addresses names it'
            )
        elif not PCI_ADDRESS.match(address):
            why = (
                'Nova does not support PCI addresses whose domain has more '
                'than four digits'
            )
        else:
            why = (
                'no [mdev_<type>]device_addresses names it, and no type is '
                'the default'
            )
        return (
            f'{why}; enabled: {text.join(self.enabled)}; offered: '
            f'{text.join(sorted(offered))}'
        )


def assign(
    enabled: Collection[str], addresses: Mapping[str, Iterable[str]]
) -> NovaTypes:
    """Assign enabled types to parents, as Nova does.

    :param enabled: ``[devices]enabled_mdev_types``
    :param addresses: ``[mdev_<type>]device_addresses`` by type
    :raises NovaTypesError: an address is given twice
    """
    by_address: dict[str, str] = {}
    default, ignored = None, []
    for mdev_type in enabled:
        own = list(addresses.get(mdev_type, ()))
        if not own and default is None:
            default = mdev_type
        elif not own:
            ignored.append(mdev_type)
        for address in own:
            if address in by_address:
                raise NovaTypesError(
                    f'nova.conf: [mdev_{mdev_type}]device_addresses and '
                    f'[mdev_{by_address[address]}]device_addresses both '
                    f'name {address}'
                )
            by_address[address] = mdev_type
    return NovaTypes(by_address, default, tuple(ignored), tuple(enabled))


def mdev_types(conf: cfg.ConfigOpts, sysfs_root: str = '/sys') -> NovaTypes:
    """Return the mdev types that Nova uses.

    :param sysfs_root: directory of sysfs
    :raises NovaTypesError: nova-compute does not start with this nova.conf
    """
    addresses: dict[str, list[str]] = {}
    for mdev_type in conf.devices.enabled_mdev_types:
        group = f'mdev_{mdev_type}'
        conf.register_opts(nova_options.type_options(mdev_type), group=group)
        addresses[mdev_type] = conf[group].device_addresses
        for address in addresses[mdev_type]:
            _check_address(group, address, sysfs_root)
        for name in ('mdev_class', 'max_instances'):
            try:
                conf[group][name]
            except cfg.ConfigFileValueError as exc:
                raise NovaTypesError(
                    f'nova.conf: [{group}]{name}: {exc}'
                ) from exc
    return assign(conf.devices.enabled_mdev_types, addresses)


def _check_address(group: str, address: str, sysfs_root: str) -> None:
    """Check an address as nova-compute does when it starts.

    Nova before 34 accepts only PCI addresses. Newer releases also accept
    virtual devices that exist (``_validate_device_address``). The release of
    this host is not known here, so the newest check applies.

    :raises NovaTypesError: it is neither
    """
    if PCI_ADDRESS.match(address):
        return
    virtual = pathlib.Path(
        sysfs_root, 'devices/virtual', address.replace('_', '/')
    )
    if not virtual.exists():
        raise NovaTypesError(
            f'nova.conf: [{group}]device_addresses: {address!r} is neither a '
            'PCI address such as 0000:84:00.0 nor a virtual device of this '
            'host; nova-compute does not start with it'
        )
