# SPDX-License-Identifier: Apache-2.0
"""[guard]: options of nova-mdev-guard.

It reads three of the collector's as well.
"""

from oslo_config import cfg

from nova_mdev_compat.conf import collector
from nova_mdev_compat.conf import policy

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
        default=policy.ENFORCING,
        choices=[
            (
                policy.ENFORCING,
                'a domain with an mdev that this host does '
                'not accept is refused',
            ),
            (
                policy.PERMISSIVE,
                'nothing is refused; the system log says what would be',
            ),
            (policy.OFF, 'nothing is checked'),
        ],
        help="""
What the guard does with its answer.

The guard finds this option even if another line or another file is wrong. A
change applies from the next migration on; nothing has to be restarted. To
switch the guard off in an emergency, set ``off``.
""",
    ),
    cfg.StrOpt(
        'unknown',
        default=policy.REJECT,
        choices=[
            (policy.REJECT, 'unknown is refused'),
            (
                policy.ALLOW,
                'unknown is let through, with a warning in the system log',
            ),
        ],
        help="""
What happens if there is no answer.

That is: the domain does not say what its mdevs come from; the collector's file
about this host's devices is missing, old, or of another version; an mdev of
the domain is not there; or libvirt gives no domain. A domain that libvirt
cannot have written is always refused, and so is every domain while a
configuration file is wrong.
""",
    ),
    cfg.IntOpt(
        'time_limit',
        default=TIME_LIMIT,
        min=1,
        max=60,
        help="""
After how many seconds the guard gives up.

libvirt waits for it. What the guard does not know by then is treated as
``unknown`` says. If the guard cannot even do that, it ends two seconds later,
and the migration with it.
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
