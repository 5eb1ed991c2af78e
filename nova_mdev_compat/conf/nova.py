# SPDX-License-Identifier: Apache-2.0
"""Nova's own options, read from nova.conf and nova-compute.conf.

[devices] and [mdev_<type>] are defined in ``nova/conf/devices.py``,
state_path in ``nova/conf/paths.py``: they are read here, documented there,
and therefore in no sample file of ours.
"""

import pathlib

from oslo_config import cfg

from nova_mdev_compat.collector import nova_types

ENABLED = cfg.ListOpt('enabled_mdev_types', default=[],
                      deprecated_name='enabled_vgpu_types')


STATE_PATH = cfg.StrOpt('state_path', default='/var/lib/nova')


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_opt(ENABLED, group='devices')
    conf.register_opt(STATE_PATH)


def mdev_types(conf: cfg.ConfigOpts,
               sysfs_root: str = '/sys') -> nova_types.NovaTypes:
    """Return Nova's choice of one mdev type for each parent.

    :param sysfs_root: where sysfs is
    :raises nova_types.NovaTypesError: what nova-compute does not start with
    """
    addresses: dict[str, list[str]] = {}
    for mdev_type in conf.devices.enabled_mdev_types:
        group = f'mdev_{mdev_type}'
        conf.register_opts(_options(mdev_type), group=group)
        addresses[mdev_type] = conf[group].device_addresses
        for address in addresses[mdev_type]:
            _check_address(group, address, sysfs_root)
        for name in ('mdev_class', 'max_instances'):
            try:
                conf[group][name]
            except cfg.ConfigFileValueError as exc:
                raise nova_types.NovaTypesError(
                    f'nova.conf: [{group}]{name}: {exc}') from exc
    return nova_types.assign(conf.devices.enabled_mdev_types, addresses)


def _options(mdev_type: str) -> list[cfg.Opt]:
    """Return the options of a type's section that Nova reads at its start."""
    return [
        cfg.ListOpt('device_addresses', default=[],
                    deprecated_group=f'vgpu_{mdev_type}'),
        cfg.StrOpt('mdev_class', default='VGPU', max_length=255,
                   regex=r'^(VGPU|CUSTOM_[A-Z0-9_]+)$'),
        cfg.IntOpt('max_instances', min=1)]


def _check_address(group: str, address: str, sysfs_root: str) -> None:
    """Refuse an address with which nova-compute does not start.

    PCI addresses are all that Nova before 34 takes. Since then it takes
    virtual devices that exist (``_validate_device_address``). Which Nova this
    host has is not known here, so what the newest takes is taken.

    :raises nova_types.NovaTypesError: it is neither
    """
    if nova_types.PCI_ADDRESS.match(address):
        return
    virtual = pathlib.Path(sysfs_root, 'devices/virtual',
                           address.replace('_', '/'))
    if not virtual.exists():
        raise nova_types.NovaTypesError(
            f'nova.conf: [{group}]device_addresses: {address!r} is neither a '
            'PCI address as 0000:84:00.0 nor a virtual device of this host, '
            'and nova-compute does not start with it')
