# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-annotator."""

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.conf import annotator as annotator_options
from nova_mdev_compat.conf import collector as collector_options
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.daemons import annotator
from nova_mdev_compat.daemons import command
from nova_mdev_compat.daemons import updates

LOG = logging.getLogger(__name__)

DESCRIPTION = """\
Write into the metadata of this compute host's running domains which devices
their mdevs and virtual functions are on, for nova-mdev-guard on the host to
which they migrate."""

# argparse fills this into one paragraph; the manual page has more room.
EPILOG = """\
Try "nova-mdev-annotator --config-dir /etc/nova-mdev-compat dry-run" first: it
prints what would be written, and only reads. Options other than --format go
before the command. The exit status is 0 on success, 1 if libvirt does not
answer or refuses an operation on a domain, and 2 if options have to be
corrected."""


def dry_run(conf: cfg.ConfigOpts) -> int:
    summary = annotator.Annotator(conf.collector).annotate(write=False)
    print(
        updates.as_json(summary.updates)
        if conf.format == 'json'
        else updates.as_table(summary.updates)
    )
    summary.check()
    return 0


def once(conf: cfg.ConfigOpts) -> int:
    summary = annotator.Annotator(conf.collector).annotate()
    for text in summary.unknown():
        LOG.warning('%s', text)
    if summary.busy:
        LOG.warning(
            'Domains not written, because they have a job: %s',
            annotator.join_some(summary.busy),
        )
    LOG.info('Domains written: %d', summary.written)
    summary.check()
    return 0


def run_service(conf: cfg.ConfigOpts) -> int:
    annotator.run(conf)
    return 0


def remove(conf: cfg.ConfigOpts) -> int:
    summary = annotator.Annotator(conf.collector).remove()
    LOG.info('Annotations removed: %d', summary.written)
    summary.check()
    if summary.busy:
        raise exceptions.Failure(
            f'domains with a job: {annotator.join_some(summary.busy)}; run it '
            'again when the jobs have ended'
        )
    return 0


COMMAND = command.ServiceCommand(
    'nova-mdev-annotator',
    DESCRIPTION,
    EPILOG,
    (annotator_options, collector_options),
    (
        command.SubCommand(
            'run',
            'run the service: annotate domains, and keep them up to date',
            run_service,
        ),
        command.SubCommand(
            'once', 'annotate the running domains once and exit', once
        ),
        command.SubCommand(
            'dry-run',
            'print what would be written to each domain; change nothing',
            dry_run,
            formats=True,
        ),
        command.SubCommand(
            'remove',
            'remove the annotations from all domains, running or defined; '
            'stop the service first',
            remove,
        ),
    ),
)

#: The entry point.
main = COMMAND.main
