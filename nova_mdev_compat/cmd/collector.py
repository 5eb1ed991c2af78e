# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-collector."""

import pathlib
import time

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.conf import collector as collector_options
from nova_mdev_compat.conf import nova as nova_options
from nova_mdev_compat.conf import placement as placement_options
from nova_mdev_compat.daemons import collector
from nova_mdev_compat.daemons import command
from nova_mdev_compat.daemons import host_reader
from nova_mdev_compat.daemons import report
from nova_mdev_compat.daemons import state
from nova_mdev_compat.publication import publishers
from nova_mdev_compat.publication import snapshot

LOG = logging.getLogger(__name__)

DESCRIPTION = """\
Publish in Placement what the mdev-capable devices of this compute host are, and
which instances' mdevs they accept in a live migration."""

# argparse fills this into one paragraph; the manual page has more room.
EPILOG = """\
Try "nova-mdev-collector dry-run" first: it prints what would be published, and
why. Options other than --format go before the command. Without --config-file,
it reads what nova-compute reads: /etc/nova/nova.conf, and
/etc/nova/nova-compute.conf if there is one. Without --config-dir, it also
reads every *.conf in /etc/nova-mdev-compat. The exit status is 0 on success, 1
if libvirt or Placement does not answer, and 2 if options, rule files or a
device have to be corrected. On failure, published traits that may still be true
stay."""


def dry_run(conf: cfg.ConfigOpts) -> int:
    found = host_reader.HostReader(conf).read()
    print(
        snapshot.dump(found)
        if conf.format == 'json'
        else report.as_table(found)
    )
    found.check()
    return 0


def once(conf: cfg.ConfigOpts) -> int:
    collector.publish_once(conf)
    return 0


def run_service(conf: cfg.ConfigOpts) -> int:
    collector.run(conf)
    return 0


def withdraw(conf: cfg.ConfigOpts) -> int:
    publisher = publishers.load(conf)
    name = host_reader.name(conf)
    LOG.info('%s: withdrawn: %s', name, publisher.withdraw(name))
    return 0


def status(conf: cfg.ConfigOpts) -> int:
    found = state.read(pathlib.Path(conf.collector.state_file))
    trouble = found.trouble(time.time())
    print(
        report.state_as_json(found, trouble)
        if conf.format == 'json'
        else report.state_as_table(found, trouble)
    )
    return 1 if trouble else 0


COMMAND = command.ServiceCommand(
    'nova-mdev-collector',
    DESCRIPTION,
    EPILOG,
    (collector_options, nova_options, placement_options),
    (
        command.SubCommand(
            'run',
            'run the service: publish, and keep it up to date',
            run_service,
        ),
        command.SubCommand('once', 'publish once and exit', once),
        command.SubCommand(
            'dry-run',
            'print what would be published and why; neither ask nor change '
            'Placement',
            dry_run,
            formats=True,
        ),
        command.SubCommand(
            'status',
            'print the state of the service; the exit status is 0 if it is '
            'healthy, 1 if not, 2 if nothing is known',
            status,
            formats=True,
        ),
        command.SubCommand(
            'withdraw',
            "remove this host's traits from Placement; stop the service first",
            withdraw,
            tolerant=True,
        ),
    ),
    after=('nova', 'nova-compute'),
)

#: The entry point.
main = COMMAND.main
