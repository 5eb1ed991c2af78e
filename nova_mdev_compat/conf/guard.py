# SPDX-License-Identifier: Apache-2.0
"""[guard]: options of nova-mdev-guard, as oslo.config knows them.

The guard itself reads them without it, see ``guard/options.py``.
"""

from oslo_config import cfg

from nova_mdev_compat.conf import policy
from nova_mdev_compat.late_check import options

GROUP = cfg.OptGroup(
    'guard',
    title='The late check',
    help='Options of nova-mdev-guard, the hook of libvirt that looks at a '
    'domain before it arrives. They belong into a file in '
    '/etc/nova-mdev-compat whose name ends in .conf. From there it '
    'also takes [collector]devices_file, devices_max_age and '
    'sysfs_root. No value can have a $.',
)

OPTS = [
    cfg.StrOpt(
        'mode',
        default=options.Options.mode,
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
            (policy.OFF, 'nothing is looked at'),
        ],
        help="""
What the guard does with its answer.

It is found though another line or another file is wrong.

It counts from the next migration on; nothing has to be started again. To
switch the guard off in an emergency, set ``off``.
""",
    ),
    cfg.StrOpt(
        'unknown',
        default=options.Options.unknown,
        choices=[
            (policy.REJECT, 'unknown is refused'),
            (
                policy.ALLOW,
                'unknown is let through, with a warning in the system log',
            ),
        ],
        help="""
What happens where there is no answer.

That is: the domain does not say what its mdevs come from, the collector has
left no word of this host's devices, or an old one, or one of another
version, or an mdev of the domain is not there, or libvirt has given no domain.
What libvirt would not have written is always refused, and every domain as long
as a configuration file is wrong.
""",
    ),
    cfg.IntOpt(
        'time_limit',
        default=options.Options.time_limit,
        min=options.LIMITS['time_limit'][0],
        max=options.LIMITS['time_limit'][1],
        help="""
After how many seconds the guard gives up.

libvirt waits for it. What is not known by then is treated as ``unknown`` says;
and if the guard cannot even do that, it ends two seconds later, and the
migration with it.
""",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
