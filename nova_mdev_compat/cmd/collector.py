# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-collector."""

from collections.abc import Callable, Sequence
import pathlib
import sys
import time

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.collector import host as collector_host
from nova_mdev_compat.collector import publishers
from nova_mdev_compat.collector import report
from nova_mdev_compat.collector import service
from nova_mdev_compat.collector import state as collector_state
from nova_mdev_compat.conf import collector as collector_options
from nova_mdev_compat.conf import nova as nova_options
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
it prints what would be published, and why. With --once it publishes and ends;
without a command it is a service that publishes and keeps it right. The exit
status is 0 when that is done, 1 when something does not answer (libvirt,
Placement), and 2 when something has to be put right (options, rule files, a
device); whenever it is not 0, what was published before stays in
Placement."""


def new_config() -> cfg.ConfigOpts:
    """Return the command's options, all registered and none read."""
    conf = cfg.ConfigOpts()
    logging.register_options(conf)
    # For whoever runs it by hand; systemd takes it to the journal.
    conf.set_default('use_stderr', True)
    collector_options.register_cli_opts(conf)
    collector_options.register_opts(conf)
    nova_options.register_opts(conf)
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
        _check_values(conf)
        _set_up_logging(conf)
        return run(conf)
    except SystemExit as exc:
        # oslo.config prints what is wrong with an argument, and ends with 1
        # where argparse would end with 2; with 0, after --help.
        return exceptions.BadInput.exit_status if exc.code else 0
    except cfg.Error as exc:
        return _fail(f'configuration: {exc}', exceptions.BadInput.exit_status)
    except exceptions.Failure as exc:
        return _fail(str(exc), exc.exit_status)


def _check_values(conf: cfg.ConfigOpts) -> None:
    """Read every option of ours: oslo.config looks at a value only then."""
    for option in collector_options.OPTS:
        getattr(conf.collector, option.dest)


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
    command: str = conf.command
    if command != 'run' and (conf.once or conf.dry_run):
        raise exceptions.BadInput(
            f'--once and --dry-run do not go with {command}')
    if conf.once and conf.dry_run:
        raise exceptions.BadInput('say either --once or --dry-run')
    if conf.once:
        command = 'once'
    elif conf.dry_run:
        command = 'dry-run'
    return _COMMANDS[command](conf)


def _dry_run(conf: cfg.ConfigOpts) -> int:
    found = collector_host.Reader(conf).read()
    print(report.as_json(found) if conf.format == 'json'
          else report.as_table(found))
    return 0


def _once(conf: cfg.ConfigOpts) -> int:
    publisher = publishers.load(conf)
    found = collector_host.Reader(conf).read()
    for item in found.parents:
        if not item.accepts:
            LOG.warning('%s accepts nothing: %s', item.parent.name,
                        item.why_nothing)
    LOG.info('%s: %s', found.name, publisher.publish(found))
    return 0


def _service(conf: cfg.ConfigOpts) -> int:
    service.run(conf)
    return 0


def _withdraw(conf: cfg.ConfigOpts) -> int:
    publisher = publishers.load(conf)
    name = collector_host.name(conf)
    LOG.info('%s: withdrawn: %s', name, publisher.withdraw(name))
    return 0


def _status(conf: cfg.ConfigOpts) -> int:
    found = collector_state.read(pathlib.Path(conf.collector.state_file))
    trouble = found.trouble(time.time())
    print(report.state_as_json(found, trouble) if conf.format == 'json'
          else report.state_as_table(found, trouble))
    return 1 if trouble else 0


_COMMANDS: dict[str, Callable[[cfg.ConfigOpts], int]] = {
    'run': _service, 'once': _once, 'dry-run': _dry_run,
    'withdraw': _withdraw, 'status': _status}


def _fail(message: str, status: int) -> int:
    print(f'nova-mdev-collector: {message}', file=sys.stderr)
    return status
