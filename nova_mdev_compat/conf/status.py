# SPDX-License-Identifier: Apache-2.0
"""Options of nova-mdev-compat-status, beside those of Nova's commands."""

from oslo_config import cfg

CLI_OPTS = [
    cfg.MultiStrOpt(
        'scheduler-conf',
        default=[],
        metavar='PATH',
        help='nova.conf of another nova-scheduler, or a directory of its '
        '*.conf files, to compare with the one of this host. Can be '
        'given several times; fetch the files by whatever means.',
    ),
]


def register_cli_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_cli_opts(CLI_OPTS)
