# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-collector."""

from collections.abc import Sequence
import sys

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.collector import host as collector_host
from nova_mdev_compat.collector import publisher
from nova_mdev_compat.collector import report
from nova_mdev_compat.conf import collector as collector_options
from nova_mdev_compat.conf import devices as devices_options
from nova_mdev_compat.conf import placement as placement_options
from nova_mdev_compat import exceptions
from nova_mdev_compat import version

LOG = logging.getLogger(__name__)

DESCRIPTION = """\
Publish in Placement what the mdev-capable devices of this compute host are,
and which instances' mdevs they accept in a live migration."""

# argparse fills this into one paragraph; the manual page has more room.
EPILOG = """\
Try "nova-mdev-collector --config-file /etc/nova/nova.conf --dry-run" first:
it prints what would be published, and why. Replace --dry-run by --once to
publish. The exit status is 0 when that is done, 1 when something does not
answer (libvirt, Placement), and 2 when something has to be put right
(options, rule files, a device); whenever it is not 0, what was published
before stays in Placement."""


def new_config() -> cfg.ConfigOpts:
    """Return the command's options, all registered and none read."""
    conf = cfg.ConfigOpts()
    logging.register_options(conf)
    # For whoever runs it by hand; systemd takes it to the journal.
    conf.set_default('use_stderr', True)
    collector_options.register_cli_opts(conf)
    collector_options.register_opts(conf)
    devices_options.register_opts(conf)
    placement_options.register_opts(conf)
    return conf


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    conf = new_config()
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        conf(args, project='nova-mdev-compat', prog='nova-mdev-collector',
             version=version.string(), description=DESCRIPTION,
             epilog=EPILOG)
        _set_up_logging(conf)
        return run(conf)
    except cfg.Error as exc:
        return _fail(f'configuration: {exc}', exceptions.BadInput.exit_status)
    except exceptions.Failure as exc:
        return _fail(str(exc), exc.exit_status)


def _set_up_logging(conf: cfg.ConfigOpts) -> None:
    try:
        logging.setup(conf, 'nova-mdev-compat')
    except OSError as exc:
        raise exceptions.BadInput(
            f'the log file {exc.filename}: {exc.strerror}; set log_file or '
            'log_dir after nova.conf, in a --config-file of your own') from exc


def run(conf: cfg.ConfigOpts) -> int:
    """Do what the options say.

    :raises exceptions.Failure: it cannot be done
    """
    if conf.once == conf.dry_run:
        raise exceptions.BadInput('say either --once or --dry-run')
    if conf.dry_run:
        found = collector_host.read(conf)
        print(report.as_json(found) if conf.format == 'json'
              else report.as_table(found))
        return 0
    placement = collector_host.placement(conf)
    found = collector_host.read(conf)
    for item in found.parents:
        if not item.accepts:
            LOG.warning('%s accepts nothing: %s', item.parent.name, item.note)
    summary = publisher.publish(placement, found.name, found.parents)
    LOG.info('%s: %d providers changed, %d unchanged; without a provider: '
             '%s; gone but still with a provider: %s', found.name,
             len(summary.changed), summary.unchanged,
             ', '.join(summary.absent) or 'none',
             ', '.join(summary.silenced) or 'none')
    return 0


def _fail(message: str, status: int) -> int:
    print(f'nova-mdev-collector: {message}', file=sys.stderr)
    return status
