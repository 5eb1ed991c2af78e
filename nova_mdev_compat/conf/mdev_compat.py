# SPDX-License-Identifier: Apache-2.0
"""[mdev_compat]: options of the scheduler filter, in nova.conf."""

from oslo_config import cfg

# Values of mode and unknown. [guard] has the same, and one more mode, off.
ENFORCING = 'enforcing'
PERMISSIVE = 'permissive'
REJECT = 'reject'
ALLOW = 'allow'

GROUP = cfg.OptGroup(
    'mdev_compat',
    title='Compatibility of mediated devices',
    help='Options of MdevCompatFilter. They belong in nova.conf of every '
    'nova-scheduler, with the same values on all of them.',
)

OPTS = [
    cfg.StrOpt(
        'mode',
        default=ENFORCING,
        mutable=True,
        choices=[
            (
                ENFORCING,
                "hosts and devices that do not accept the instance's mdevs "
                'are refused',
            ),
            (
                PERMISSIVE,
                'nothing is refused; the log has what would be refused',
            ),
        ],
        help="""
What the filter does with its verdict.

Start with ``permissive`` and read the scheduler's log for some days: every
line with "No host accepts" is a migration that ``enforcing`` would have
ended with "No valid host".
""",
    ),
    cfg.StrOpt(
        'unknown',
        default=REJECT,
        mutable=True,
        choices=[
            (REJECT, 'hosts are refused'),
            (ALLOW, 'hosts are let through, with a warning'),
        ],
        help="""
What happens if the verdict is unknown.

The verdict is unknown if no collector has published on the source or the
target in the schema that this version reads, or if Placement or the
database does not answer. A host whose collector has published, but no
pattern that accepts the source, is refused with either value.
""",
    ),
    cfg.ListOpt(
        'resource_classes',
        default=['VGPU'],
        mutable=True,
        help="""
Resource classes of mdevs.

``VGPU``, and every ``[mdev_<type>]mdev_class`` that a compute host has in
its nova.conf. Instances without any of these pass the filter unchecked.
""",
    ),
    cfg.IntOpt(
        'cache_ttl',
        default=10,
        min=0,
        max=3600,
        help="""
Seconds for which answers from Placement are reused.

It makes a drain of a host cheap, because its instances need the same
answers. A change that a collector publishes may take that long to have an
effect. With 0, Placement is asked every time.
""",
    ),
    cfg.StrOpt(
        'metrics_file',
        sample_default='/var/lib/prometheus/node-exporter/'
        'nova-mdev-filter.prom',
        help="""
File for the textfile collector of Prometheus' node exporter.

The filter counts its decisions there, by result and reason. All workers of
a nova-scheduler share the file. It needs the extra ``metrics``, and a
directory that the user of nova-scheduler may write to. Without this option,
nothing is counted.
""",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
