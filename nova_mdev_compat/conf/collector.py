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
        help='Seconds after which a pass fails if libvirt does not answer.',
    ),
    cfg.StrOpt(
        'sysfs_root',
        default='/sys',
        help='Where sysfs is mounted. Facts that libvirt lacks are read there.',
    ),
    cfg.StrOpt(
        'os_release_file',
        default='/etc/os-release',
        help="""
File with the name and version of the host's operating system,
os-release(5).

In a container this is the container's own file, and the fact ``os`` would
be that of the image. Mount the host's file into the container, and name it
here. Mount the file itself: /etc/os-release is often a link to
/usr/lib/os-release.
""",
    ),
    cfg.StrOpt(
        'hypervisor_hostname',
        sample_default='<the name that libvirt has>',
        help="""
Name of this host's compute node, and of its resource provider.

Set it only if ``openstack hypervisor list`` shows another name than libvirt
(``virsh hostname``).
""",
    ),
    cfg.StrOpt(
        'compute_id_file',
        sample_default='<compute_id beside nova.conf or in its state_path>',
        help="""
File in which nova-compute keeps the UUID of its compute node.

With it, the host's resource provider is found by its UUID, and a renamed
host is noticed. Without it, or if it cannot be read, the resource provider
is found by its name.
""",
    ),
    cfg.ListOpt(
        'rules_dirs',
        default=[*SHIPPED_RULES, SITE_RULES],
        sample_default=['/usr/share/nova-mdev-compat/rules.d', SITE_RULES],
        help="""
Directories with rule files (``*.yaml``).

A file masks one of the same name in an earlier directory. To replace a
shipped file, put one of the same name in the last directory.
""",
    ),
    cfg.ListOpt(
        'vendor_plugins',
        default=['*'],
        help="""
Vendor plugins that are asked about this host's devices.

They provide facts that only a vendor's driver knows, and may decide what a
device accepts. ``*`` means all installed plugins. If a plugin does not load,
the collector ends: to run without that plugin, name the others here.
""",
    ),
    cfg.IntOpt(
        'vendor_timeout',
        default=30,
        min=1,
        max=600,
        help='Time limit of a vendor plugin, in seconds. If it has not answered '
        'by then, its devices count as unreadable in that pass.',
    ),
    cfg.StrOpt(
        'publisher',
        default='placement',
        help="""
The publisher, which writes the traits.

``placement`` writes them to Placement, with the user of the [placement]
section. ``provider_config`` needs no credentials: it writes a file that
nova-compute reads when it starts. nova-compute only adds the traits of the
file, so this publisher refuses, with exit status 2, every change that would
remove one: a new driver, or a type or a board that is gone. Plugins in the
namespace ``nova_mdev_compat.publishers`` provide others.
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
Seconds between two complete passes.

Changes that libvirt reports are handled within a second or two. The passes
handle other changes, and resource providers that nova-compute has
recreated. Each interval varies by up to a tenth, so that hosts do not all
ask Placement at once.
""",
    ),
    cfg.IntOpt(
        'vfio_interval',
        default=5,
        min=0,
        max=3600,
        help="""
Seconds between two looks at the virtual functions of this host.

libvirt does not report that a vGPU type is written, or that another driver
is bound. The service looks for that in sysfs, and makes a pass if something
has changed. A look reads a link and a file of each virtual function;
NVIDIA's driver answers the latter. With 0, such changes wait for the next
pass.
""",
    ),
    cfg.IntOpt(
        'acceptance_max_age',
        default=600,
        min=0,
        max=86400,
        help="""
Seconds for which a device that cannot be read keeps what it accepts.

If libvirt, sysfs or a vendor's driver fails, the published patterns stay
that long. Then the device accepts nothing until it can be read again, and
the log has a warning. A fact that contradicts the published traits, such as
another driver version, removes the patterns at once. With 0, the first
failure removes them.
""",
    ),
    cfg.StrOpt(
        'state_file',
        default='/var/lib/nova-mdev-compat/state.json',
        help='File in which the service records its last pass, for '
        '``nova-mdev-collector status``.',
    ),
    cfg.StrOpt(
        'devices_file',
        default='/var/lib/nova-mdev-compat/devices.json',
        help="""
File in which the service records what this host's devices are and accept.

nova-mdev-guard and nova-mdev-annotator read it, because they cannot get
this from libvirt or Placement.
""",
    ),
    cfg.IntOpt(
        'devices_max_age',
        default=600,
        min=1,
        max=86400,
        help="""
Seconds after which ``devices_file`` is too old to be used.

The file is written after every complete pass, so it is that old only if
passes have failed for that long. Set several times ``interval``.
""",
    ),
    cfg.StrOpt(
        'metrics_file',
        sample_default='/var/lib/prometheus/node-exporter/'
        'nova-mdev-collector.prom',
        help="""
File for the textfile collector of Prometheus' node exporter.

It is written after every pass, which needs the extra ``metrics``. Without
this option, no file is written.
""",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
