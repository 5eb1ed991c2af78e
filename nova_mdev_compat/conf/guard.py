# SPDX-License-Identifier: Apache-2.0
"""[guard]: options of nova-mdev-guard, which also reads some of [collector]."""

from oslo_config import cfg

from nova_mdev_compat.conf import collector
from nova_mdev_compat.conf import mdev_compat

OFF = 'off'
MODES = (mdev_compat.ENFORCING, mdev_compat.PERMISSIVE, OFF)

GROUP = cfg.OptGroup(
    'guard',
    title='The late check',
    help='Options of nova-mdev-guard, the libvirt hook that checks a domain '
    'before it arrives. They belong in a file in /etc/nova-mdev-compat '
    'whose name ends in .conf. The guard also reads '
    '[collector]devices_file, devices_max_age and sysfs_root there.',
)

#: Seconds, also for the time in which the options are read.
TIME_LIMIT = 10

OPTS = [
    cfg.StrOpt(
        'mode',
        default=mdev_compat.ENFORCING,
        choices=[
            (
                mdev_compat.ENFORCING,
                'a domain with a device that this host does not accept is '
                'refused',
            ),
            (
                mdev_compat.PERMISSIVE,
                'nothing is refused; the system log has what would be refused',
            ),
            (OFF, 'nothing is checked'),
        ],
        help="""
What the guard does with its verdict.

The guard finds this option even if another line or another file is wrong. A
change applies from the next migration on; nothing has to be restarted. To
switch the guard off in an emergency, set ``off``.
""",
    ),
    cfg.StrOpt(
        'unknown',
        default=mdev_compat.REJECT,
        choices=[
            (mdev_compat.REJECT, 'the domain is refused'),
            (
                mdev_compat.ALLOW,
                'the domain is let through, with a warning in the system log',
            ),
        ],
        help="""
What happens if the verdict is unknown.

The verdict is unknown if the domain does not name the sources of its mdevs
and virtual functions, if the collector's file about this host's devices is
missing, old, or of another version, if an mdev of the domain does not exist
here, or if libvirt gives no domain. A domain that libvirt cannot have written is always
refused, and so is every domain while a configuration file is wrong.
""",
    ),
    cfg.IntOpt(
        'time_limit',
        default=TIME_LIMIT,
        min=1,
        max=60,
        help="""
Seconds after which the guard gives up.

libvirt waits for the guard. After this time the verdict is unknown, and the
option ``unknown`` decides. If the guard hangs, it ends two seconds later,
and the migration fails.
""",
    ),
]


#: All options that the guard reads, by group.
READ = {
    GROUP.name: [option.dest for option in OPTS],
    collector.GROUP.name: ['devices_file', 'devices_max_age', 'sysfs_root'],
}


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)
    collector.register_opts(conf)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
