# SPDX-License-Identifier: Apache-2.0
"""Nova's own options, read from nova.conf and nova-compute.conf.

Nova defines and documents [devices] and [mdev_<type>] in
``nova/conf/devices.py``, [pci] in ``nova/conf/pci.py`` and state_path in
``nova/conf/paths.py``, so none of our sample files has them.
"""

from oslo_config import cfg

ENABLED = cfg.ListOpt(
    'enabled_mdev_types', default=[], deprecated_name='enabled_vgpu_types'
)
STATE_PATH = cfg.StrOpt('state_path', default='/var/lib/nova')

PCI = (
    cfg.MultiStrOpt(
        'device_spec',
        default=[],
        deprecated_opts=[
            cfg.DeprecatedOpt('passthrough_whitelist', group='pci'),
            cfg.DeprecatedOpt('pci_passthrough_whitelist', group='DEFAULT'),
        ],
    ),
    cfg.BoolOpt('report_in_placement', default=False),
)


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_opt(ENABLED, group='devices')
    conf.register_opts(PCI, group='pci')
    conf.register_opt(STATE_PATH)


def type_options(mdev_type: str) -> list[cfg.Opt]:
    """Return the options of a type's section that Nova reads at its start."""
    return [
        cfg.ListOpt(
            'device_addresses',
            default=[],
            deprecated_group=f'vgpu_{mdev_type}',
        ),
        cfg.StrOpt(
            'mdev_class',
            default='VGPU',
            max_length=255,
            regex=r'^(VGPU|CUSTOM_[A-Z0-9_]+)$',
        ),
        cfg.IntOpt('max_instances', min=1),
    ]
