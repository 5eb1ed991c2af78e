# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-annotator."""

from collections.abc import Callable, Sequence
import sys

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.annotator import annotator
from nova_mdev_compat.annotator import report
from nova_mdev_compat.annotator import service
from nova_mdev_compat.collector import nodedev
from nova_mdev_compat.conf import annotator as annotator_options
from nova_mdev_compat.conf import collector as collector_options
from nova_mdev_compat import exceptions
from nova_mdev_compat import version

LOG = logging.getLogger(__name__)

DESCRIPTION = """\
Write into the metadata of this compute host's running domains what their
mdevs come from, for nova-mdev-guard on the host to which they migrate."""

# argparse fills this into one paragraph; the manual page has more room.
EPILOG = """\
Try "nova-mdev-annotator --config-dir /etc/nova-mdev-compat --dry-run" first:
it prints what would be written, and only reads. With --once it writes and
ends; without a command it is a service that writes and keeps it right. The
exit status is 0 when that is done, 1 when libvirt does not answer or refuses
something about a domain, and 2 when options have to be put right."""


def new_config() -> cfg.ConfigOpts:
    """Return the command's options, all registered and none read."""
    conf = cfg.ConfigOpts()
    logging.register_options(conf)
    # For whoever runs it by hand; systemd takes it to the journal.
    conf.set_default('use_stderr', True)
    annotator_options.register_cli_opts(conf)
    annotator_options.register_opts(conf)
    collector_options.register_opts(conf)
    return conf


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    conf = new_config()
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        conf(args, project='nova-mdev-compat', prog='nova-mdev-annotator',
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
    for group, options in ((conf.annotator, annotator_options.OPTS),
                           (conf.collector, collector_options.OPTS)):
        for option in options:
            getattr(group, option.dest)
    nodedev.check_uri(conf.collector.libvirt_uri)


def _set_up_logging(conf: cfg.ConfigOpts) -> None:
    try:
        logging.setup(conf, 'nova-mdev-compat')
    except OSError as exc:
        raise exceptions.BadInput(
            f'the log file {exc.filename}: {exc.strerror}; set log_file or '
            'log_dir in a --config-file that is read last') from exc


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
    summary = annotator.Annotator(conf.collector).annotate(write=False)
    print(report.as_json(summary.plans) if conf.format == 'json'
          else report.as_table(summary.plans))
    summary.check()
    return 0


def _once(conf: cfg.ConfigOpts) -> int:
    summary = annotator.Annotator(conf.collector).annotate()
    for text in summary.unknown():
        LOG.warning('%s', text)
    if summary.busy:
        LOG.warning('In the middle of a job, and passed over: %s',
                    annotator.some(summary.busy))
    LOG.info('Domains written: %d', summary.written)
    summary.check()
    return 0


def _service(conf: cfg.ConfigOpts) -> int:
    service.run(conf)
    return 0


def _remove(conf: cfg.ConfigOpts) -> int:
    summary = annotator.Annotator(conf.collector).remove()
    LOG.info('Annotations removed: %d', summary.written)
    summary.check()
    if summary.busy:
        raise exceptions.Failure(
            'in the middle of a job, and so not done: '
            f'{annotator.some(summary.busy)}; run it again when that has '
            'ended')
    return 0


_COMMANDS: dict[str, Callable[[cfg.ConfigOpts], int]] = {
    'run': _service, 'once': _once, 'dry-run': _dry_run, 'remove': _remove}


def _fail(message: str, status: int) -> int:
    print(f'nova-mdev-annotator: {message}', file=sys.stderr)
    return status
