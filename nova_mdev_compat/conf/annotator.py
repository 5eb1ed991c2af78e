# SPDX-License-Identifier: Apache-2.0
"""[annotator]: options of nova-mdev-annotator."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'annotator',
    title='Annotator',
    help='Options of nova-mdev-annotator. It also reads '
    '[collector]libvirt_uri, libvirt_timeout, sysfs_root, devices_file '
    'and devices_max_age. Its connection to libvirt is read-write.',
)

OPTS: list[cfg.Opt] = [
    cfg.IntOpt(
        'interval',
        default=60,
        min=1,
        max=3600,
        help="""
Seconds between two complete passes.

Changes that libvirt reports are handled within a second or two. The passes
handle changes that the collector finds, and domains that could not be
written. Each interval varies by up to a tenth.
""",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
