# SPDX-License-Identifier: Apache-2.0
"""Which mdev type Nova uses on which parent, from nova.conf.

The same reading as nova.virt.libvirt.driver._get_supported_vgpu_types: a
type takes the devices that its ``[mdev_<type>]device_addresses`` name; the
first type without any is the default for all other devices; a further one
without any is ignored.

Only PCI devices can have the default (``_get_device_address``, before Nova 34
``_get_pci_id_from_libvirt_name``, and ``_get_vgpu_type_per_pgpu``).
"""

from collections.abc import Collection, Iterable, Mapping
import dataclasses
import pathlib
import re

from oslo_config import cfg

from nova_mdev_compat.conf import nova as nova_options
from nova_mdev_compat.core import exceptions

#: What Nova takes for a PCI address (nova.pci.utils.parse_address).
PCI_ADDRESS = re.compile(r'^[\da-fA-F]{4}:[\da-fA-F]{2}:[\da-fA-F]{2}.[0-7]$')


class NovaTypesError(exceptions.BadInput):
    """nova.conf says something that nova-compute would refuse too."""


@dataclasses.dataclass(frozen=True)
class NovaTypes:
    """Nova's choice of one mdev type for each parent.

    :ivar by_address: mdev type by PCI address or libvirt name
    :ivar default: mdev type of all other PCI devices
    :ivar ignored: enabled types that Nova ignores
    :ivar enabled: all enabled types, as nova.conf has them
    """

    by_address: Mapping[str, str]
    default: str | None
    ignored: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()

    def type_of(self, name: str, address: str | None) -> str | None:
        """Return the mdev type that Nova uses on a parent, if any.

        :param name: libvirt's name, which virtual parents go by
        :param address: PCI address
        """
        default = self.default if self._can_have_default(address) else None
        return self.by_address.get(address or name, default)

    def _can_have_default(self, address: str | None) -> bool:
        return address is not None and bool(PCI_ADDRESS.match(address))

    def why_none(
        self, name: str, address: str | None, offered: Collection[str]
    ) -> str:
        """Return why Nova uses none of the types that a parent offers.

        :param name: libvirt's name
        :param address: PCI address
        :param offered: types that the parent offers
        """
        chosen = self.type_of(name, address)
        if not self.enabled:
            why = '[devices]enabled_mdev_types is empty'
        elif chosen is not None:
            why = f'it is to have {chosen}, which it does not offer'
        elif address is not None and not self._can_have_default(address):
            why = 'Nova knows no PCI address whose domain has over four digits'
        elif address is None:
            why = (
                'it is no PCI device, and no [mdev_<type>]device_addresses '
                'names it'
            )
        else:
            why = (
                'no [mdev_<type>]device_addresses names it, and no type is '
                'the default'
            )
        return (
            f'{why}; enabled: {some(self.enabled)}; offered: '
            f'{some(sorted(offered))}'
        )


def some(names: Collection[str], limit: int = 10) -> str:
    """Return names in their order, only the first ones of many."""
    told = ', '.join(list(names)[:limit]) or 'none'
    more = len(names) - limit
    return f'{told} and {more} more' if more > 0 else told


def assign(
    enabled: Collection[str], addresses: Mapping[str, Iterable[str]]
) -> NovaTypes:
    """Return Nova's choice.

    :param enabled: ``[devices]enabled_mdev_types``
    :param addresses: ``[mdev_<type>]device_addresses`` by type
    :raises NovaTypesError: one address for two types
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
    """Return Nova's choice of one mdev type for each parent.

    :param sysfs_root: where sysfs is
    :raises NovaTypesError: what nova-compute does not start with
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
    """Refuse an address with which nova-compute does not start.

    PCI addresses are all that Nova before 34 takes. Since then it takes
    virtual devices that exist (``_validate_device_address``). Which Nova this
    host has is not known here, so what the newest takes is taken.

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
            'PCI address as 0000:84:00.0 nor a virtual device of this host, '
            'and nova-compute does not start with it'
        )
