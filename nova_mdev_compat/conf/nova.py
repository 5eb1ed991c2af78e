# SPDX-License-Identifier: Apache-2.0
"""Nova's own options, read from nova.conf.

[devices] and [mdev_<type>] are defined in ``nova/conf/devices.py``,
state_path in ``nova/conf/paths.py``: they are read here, documented there,
and therefore in no sample file of ours.
"""

from oslo_config import cfg

from nova_mdev_compat.collector import nova_types

ENABLED = cfg.ListOpt('enabled_mdev_types', default=[],
                      deprecated_name='enabled_vgpu_types')


STATE_PATH = cfg.StrOpt('state_path', default='/var/lib/nova')


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_opt(ENABLED, group='devices')
    conf.register_opt(STATE_PATH)


def mdev_types(conf: cfg.ConfigOpts) -> nova_types.NovaTypes:
    """Return Nova's choice of one mdev type for each parent.

    :raises nova_types.NovaTypesError: one address for two types
    """
    addresses = {}
    for mdev_type in conf.devices.enabled_mdev_types:
        group = f'mdev_{mdev_type}'
        conf.register_opt(
            cfg.ListOpt('device_addresses', default=[],
                        deprecated_group=f'vgpu_{mdev_type}'), group=group)
        addresses[mdev_type] = conf[group].device_addresses
    return nova_types.assign(conf.devices.enabled_mdev_types, addresses)
