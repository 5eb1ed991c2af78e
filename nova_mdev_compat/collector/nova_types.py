# SPDX-License-Identifier: Apache-2.0
"""Which mdev type Nova uses on which parent, from nova.conf.

The same reading as nova.virt.libvirt.driver._get_supported_vgpu_types: a
type takes the devices that its ``[mdev_<type>]device_addresses`` name; the
first type without any is the default for all other devices; a further one
without any is ignored.
"""

from collections.abc import Iterable, Mapping
import dataclasses

from nova_mdev_compat import exceptions


class NovaTypesError(exceptions.BadInput):
    """nova.conf says something that nova-compute would refuse too."""


@dataclasses.dataclass(frozen=True)
class NovaTypes:
    """Nova's choice of one mdev type for each parent.

    :ivar by_address: mdev type by PCI address or libvirt name
    :ivar default: mdev type of all other parents
    :ivar ignored: enabled types that Nova ignores
    """

    by_address: Mapping[str, str]
    default: str | None
    ignored: tuple[str, ...] = ()

    def type_of(self, name: str, address: str | None) -> str | None:
        """Return the mdev type that Nova uses on a parent, if any.

        :param name: libvirt's name, which virtual parents go by
        :param address: PCI address
        """
        return self.by_address.get(address or name, self.default)


def assign(enabled: Iterable[str],
           addresses: Mapping[str, Iterable[str]]) -> NovaTypes:
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
                    f'name {address}')
            by_address[address] = mdev_type
    return NovaTypes(by_address, default, tuple(ignored))
