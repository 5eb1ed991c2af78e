# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-annotator."""

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.conf import annotator as annotator_options
from nova_mdev_compat.conf import collector as collector_options
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.daemons.annotator import annotator
from nova_mdev_compat.daemons.annotator import report
from nova_mdev_compat.daemons.annotator import service
from nova_mdev_compat.daemons import command

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


def _dry_run(conf: cfg.ConfigOpts) -> int:
    summary = annotator.Annotator(conf.collector).annotate(write=False)
    print(
        report.as_json(summary.plans)
        if conf.format == 'json'
        else report.as_table(summary.plans)
    )
    summary.check()
    return 0


def _once(conf: cfg.ConfigOpts) -> int:
    summary = annotator.Annotator(conf.collector).annotate()
    for text in summary.unknown():
        LOG.warning('%s', text)
    if summary.busy:
        LOG.warning(
            'In the middle of a job, and passed over: %s',
            annotator.some(summary.busy),
        )
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
            'ended'
        )
    return 0


COMMAND = command.Command(
    'nova-mdev-annotator',
    DESCRIPTION,
    EPILOG,
    (annotator_options, collector_options),
    {'run': _service, 'once': _once, 'dry-run': _dry_run, 'remove': _remove},
)

#: The entry point.
main = COMMAND.main
