# SPDX-License-Identifier: Apache-2.0
"""[collector]: options of nova-mdev-collector."""

import sys
import sysconfig

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'collector', title='Collector', help='Options of nova-mdev-collector.'
)

# Where a distribution's package puts data, and where pip does, which on
# Debian is not the same.
_PREFIXES = dict.fromkeys((sys.prefix, sysconfig.get_path('data')))
SHIPPED_RULES = [
    f'{prefix}/share/nova-mdev-compat/rules.d' for prefix in _PREFIXES
]
SITE_RULES = '/etc/nova-mdev-compat/rules.d'

OPTS = [
    cfg.StrOpt(
        'libvirt_uri',
        default='qemu:///system',
        help="""
Connection URI of this host's libvirt.

The connection is read-only, so the user that runs the collector needs no
more than access to libvirt's read-only socket.
""",
    ),
    cfg.IntOpt(
        'libvirt_timeout',
        default=30,
        min=1,
        max=600,
        help='For how many seconds libvirt may be silent before a pass is '
        'given up.',
    ),
    cfg.StrOpt(
        'sysfs_root',
        default='/sys',
        help='Where sysfs is mounted; facts that libvirt lacks come from '
        'there.',
    ),
    cfg.StrOpt(
        'os_release_file',
        default='/etc/os-release',
        help="""
File with the name and version of the host's operating system, os-release(5).

In a container this is the container's own. Mount the host's into it, and name
it here; the fact ``os`` would otherwise be that of the image. Mount the file
itself: /etc/os-release is often a link to /usr/lib/os-release.
""",
    ),
    cfg.StrOpt(
        'hypervisor_hostname',
        sample_default='<what libvirt says>',
        help="""
Name of this host's compute node, and of its resource provider.

Set it only where ``openstack hypervisor list`` shows something else than
libvirt's own name of the host (``virsh hostname``).
""",
    ),
    cfg.StrOpt(
        'compute_id_file',
        sample_default='<compute_id beside nova.conf or in its state_path>',
        help="""
File in which nova-compute keeps the UUID of its compute node.

With it the host's resource provider is found by its UUID, and a host that was
renamed is noticed. Where there is none, or it cannot be read, the host is
found by its name.
""",
    ),
    cfg.ListOpt(
        'rules_dirs',
        default=[*SHIPPED_RULES, SITE_RULES],
        sample_default=['/usr/share/nova-mdev-compat/rules.d', SITE_RULES],
        help="""
Directories with rule files (``*.yaml``).

A file masks one of the same name in a directory that stands earlier: put a
file into the last directory to replace a shipped one.
""",
    ),
    cfg.ListOpt(
        'vendor_plugins',
        default=['*'],
        help="""
Vendor plugins that are asked about this host's devices.

They give facts that only a vendor's driver knows, and may say themselves what
a device accepts. ``*`` stands for all that are installed. A plugin that does
not load ends the collector: name the others here to go on without it.
""",
    ),
    cfg.IntOpt(
        'vendor_timeout',
        default=30,
        min=1,
        max=600,
        help='For how many seconds a vendor plugin may be silent before its '
        'devices count as unreadable in a pass.',
    ),
    cfg.StrOpt(
        'publisher',
        default='placement',
        help="""
Where the traits go.

``placement`` writes them to Placement, with the user of the [placement]
section. ``provider_config`` needs no credentials: it writes a file that
nova-compute reads when it starts. nova-compute only ever adds what the file
says, so this publisher refuses, with exit status 2, every change that would
have to take something back: a new driver, a type or a board that is gone.
Others come as plugins in the namespace ``nova_mdev_compat.publishers``.
""",
    ),
    cfg.StrOpt(
        'provider_config_file',
        default='/etc/nova/provider_config/nova-mdev-compat.yaml',
        help="""
The file that the publisher ``provider_config`` writes.

Its directory is nova-compute's ``[compute]provider_config_location``.
""",
    ),
    cfg.IntOpt(
        'interval',
        default=60,
        min=1,
        max=3600,
        help="""
Seconds between two looks at everything.

Changes that libvirt reports are looked at within a second or two; this is for
those that it does not, and for resource providers that nova-compute made
anew. Each host is up to a tenth early or late, so that a whole cloud does not
ask at once.
""",
    ),
    cfg.IntOpt(
        'acceptance_max_age',
        default=600,
        min=0,
        max=86400,
        help="""
For how many seconds a device that cannot be read keeps what it accepts.

What was read last stays published that long where libvirt, sysfs or a
vendor's driver fails. Then the device accepts nothing until it can be read
again, and the log says so. What is read and contradicts what is published,
such as another driver version, takes it back at once. 0 takes it back at the
first failure.
""",
    ),
    cfg.StrOpt(
        'state_file',
        default='/var/lib/nova-mdev-compat/state.json',
        help='Where the service leaves word of its last pass, for '
        '``nova-mdev-collector status``.',
    ),
    cfg.StrOpt(
        'devices_file',
        default='/var/lib/nova-mdev-compat/devices.json',
        help="""
Where the service leaves word of what this host's devices are and accept.

nova-mdev-guard and nova-mdev-annotator read it, which can ask neither libvirt
nor Placement for that.
""",
    ),
    cfg.IntOpt(
        'devices_max_age',
        default=600,
        min=1,
        max=86400,
        help="""
For how many seconds what is left in ``devices_file`` counts.

It is written after every look at everything, so it is that old only where
that has failed for as long. Keep it at several times ``interval``.
""",
    ),
    cfg.StrOpt(
        'metrics_file',
        sample_default='/var/lib/prometheus/node-exporter/'
        'nova-mdev-collector.prom',
        help="""
File for the textfile collector of Prometheus' node exporter.

Written after every pass; none is written where this is not set. It needs the
extra ``metrics``.
""",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
