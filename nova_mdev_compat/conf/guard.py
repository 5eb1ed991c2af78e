# SPDX-License-Identifier: Apache-2.0
"""[guard]: options of nova-mdev-guard."""

from oslo_config import cfg

from nova_mdev_compat.conf import mdev_compat

OFF = 'off'

GROUP = cfg.OptGroup(
    'guard', title='The late check',
    help='Options of nova-mdev-guard, the hook of libvirt that looks at a '
         'domain before it arrives. It also reads [collector]devices_file, '
         'devices_max_age and sysfs_root.')

OPTS = [
    cfg.StrOpt(
        'mode', default=mdev_compat.ENFORCING,
        choices=[
            (mdev_compat.ENFORCING, 'a domain with an mdev that this host '
                                    'does not accept is refused'),
            (mdev_compat.PERMISSIVE, 'nothing is refused; the system log says '
                                     'what would be'),
            (OFF, 'nothing is looked at')],
        help="""
What the guard does with its answer.

It counts from the next migration on; nothing has to be started again. To
switch the guard off in an emergency, set ``off``.
"""),
    cfg.StrOpt(
        'unknown', default=mdev_compat.REJECT,
        choices=[
            (mdev_compat.REJECT, 'unknown is refused'),
            (mdev_compat.ALLOW, 'unknown is let through, with a warning in '
                                'the system log')],
        help="""
What happens where there is no answer.

That is: the domain does not say what its mdevs come from, the collector has
left no word of this host's devices, or an old one, or an mdev of the domain is
not there. A description that libvirt would not have written is always refused.
"""),
    cfg.IntOpt(
        'time_limit', default=10, min=1, max=60,
        help="""
After how many seconds the guard gives up.

libvirt waits for it. What is not known by then is treated as ``unknown`` says;
and if the guard cannot even do that, it ends two seconds later, and the
migration with it.
"""),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
