# SPDX-License-Identifier: Apache-2.0
"""[collector]: options of nova-mdev-collector."""

import sys

from oslo_config import cfg

GROUP = cfg.OptGroup('collector', title='Collector',
                     help='Options of nova-mdev-collector.')

OPTS = [
    cfg.StrOpt(
        'libvirt_uri', default='qemu:///system',
        help="""
Connection URI of this host's libvirt.

The connection is read-only, so the user that runs the collector needs no
more than access to libvirt's read-only socket.
"""),
    cfg.StrOpt(
        'sysfs_root', default='/sys',
        help='Where sysfs is mounted; facts that libvirt lacks come from '
             'there.'),
    cfg.StrOpt(
        'hypervisor_hostname',
        sample_default='<what libvirt says>',
        help="""
Name of this host's compute node, and of its resource provider.

Set it only where ``openstack hypervisor list`` shows something else than
libvirt's own name of the host (``virsh hostname``).
"""),
    cfg.ListOpt(
        'rules_dirs',
        default=[f'{sys.prefix}/share/nova-mdev-compat/rules.d',
                 '/etc/nova-mdev-compat/rules.d'],
        sample_default=['/usr/share/nova-mdev-compat/rules.d',
                        '/etc/nova-mdev-compat/rules.d'],
        help="""
Directories with rule files (``*.yaml``).

A file masks one of the same name in a directory that stands earlier: put a
file into the last directory to replace a shipped one.
"""),
]

CLI_OPTS = [
    cfg.BoolOpt(
        'once', default=False,
        help='Publish once and exit.'),
    cfg.BoolOpt(
        'dry-run', default=False,
        help='Print what would be published and why; neither ask nor change '
             'Placement.'),
    cfg.StrOpt(
        'format', default='table', choices=['table', 'json'],
        help='How --dry-run prints.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def register_cli_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_cli_opts(CLI_OPTS)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
