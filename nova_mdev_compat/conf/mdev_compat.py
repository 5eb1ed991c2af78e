# SPDX-License-Identifier: Apache-2.0
"""[mdev_compat]: options of the scheduler filter, in nova.conf."""

from oslo_config import cfg

from nova_mdev_compat.conf import policy

ENFORCING = policy.ENFORCING
PERMISSIVE = policy.PERMISSIVE
REJECT = policy.REJECT
ALLOW = policy.ALLOW

GROUP = cfg.OptGroup(
    'mdev_compat',
    title='Compatibility of mediated devices',
    help='Options of MdevCompatFilter. They belong into nova.conf of every '
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
                'hosts and devices that do not accept the '
                "instance's mdevs are refused",
            ),
            (PERMISSIVE, 'nothing is refused; the log says what would be'),
        ],
        help="""
What the filter does with its answer.

Start with ``permissive`` and read the scheduler's log for some days: every
line that says "No host accepts" is a migration that ``enforcing`` would have
ended with "No valid host".
""",
    ),
    cfg.StrOpt(
        'unknown',
        default=REJECT,
        mutable=True,
        choices=[
            (REJECT, 'unknown is refused'),
            (ALLOW, 'unknown is let through, with a warning'),
        ],
        help="""
What happens where there is no answer.

That is: no collector has published on the source or the target in the schema
that this version reads, Placement does not answer, or the database does not.
A host whose collector has published and which declares nothing that fits is
not unknown, but refused.
""",
    ),
    cfg.ListOpt(
        'resource_classes',
        default=['VGPU'],
        mutable=True,
        help="""
Resource classes that stand for mdevs.

``VGPU``, and every ``[mdev_<type>]mdev_class`` that a compute host has in
its nova.conf. The filter lets instances with other resources pass without
looking at them.
""",
    ),
    cfg.IntOpt(
        'cache_ttl',
        default=10,
        min=0,
        max=3600,
        help="""
For how many seconds answers from Placement are used again.

It makes a drain of a host cheap: its instances ask the same questions. It
also is how long a collector's news may take to be heard. 0 asks every time.
""",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
