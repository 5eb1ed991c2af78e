# SPDX-License-Identifier: Apache-2.0
"""All checks, as oslo.upgradecheck runs them, in Nova's environment."""

from collections.abc import Callable, Iterable, Iterator, Sequence
import functools
import importlib.metadata
import logging
import sys
import traceback

from nova.compute import pci_placement_translator
from nova import conf as nova_conf
from nova.objects import instance_pci_requests as pci_requests
from nova.scheduler import filters as nova_filters
from nova import version as nova_version
from oslo_config import cfg
from oslo_upgradecheck import upgradecheck
from oslo_upgradecheck.upgradecheck import Code
from oslo_upgradecheck.upgradecheck import Result

from nova_mdev_compat.checks import filter_enabled
from nova_mdev_compat.checks import placement_api
from nova_mdev_compat.checks import virtual_functions
from nova_mdev_compat.conf import errors
from nova_mdev_compat.conf import loading
from nova_mdev_compat.conf import mdev_compat as options
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import inventory
from nova_mdev_compat.fleet import model
from nova_mdev_compat.placement import client
from nova_mdev_compat.placement import providers

NAME = 'nova-mdev-compat-status'

DESCRIPTION = """\
"nova-mdev-compat-status upgrade check" checks that MdevCompatFilter, Placement
and the collectors work together. Run it on the host of a nova-scheduler, in
Nova's environment. It changes nothing."""

# argparse fills this into one paragraph; the manual page has more room.
EPILOG = """\
Without --config-file it reads the files that Nova's own commands read.
"--json" after "upgrade check" prints JSON. The exit status is 0 if all checks
succeed, 1 if there is a warning, 2 if there is a failure or a file is wrong,
and 255 after an unexpected error."""

#: What our provider of a board with virtual functions has.
VFIO = traits.encode_fact(
    identity.FRAMEWORK, identity.canonical(identity.VFIO)
)

_Check = Callable[['Checks'], Iterable[Result]]


def worst(results: Iterable[Result]) -> Result:
    """Return results as one, with the details of all, the worst first.

    It is a success if there are no results.
    """
    ordered = sorted(results, key=lambda result: -result.code)
    details = [result.details for result in ordered if result.details]
    code = max((result.code for result in ordered), default=Code.SUCCESS)
    return Result(code, '; '.join(details) or None)


class Checks(upgradecheck.UpgradeCommands):
    """Whether filter, Placement and collectors work together."""

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._placement_answers = False

    @functools.cached_property
    def _placement(self) -> client.Placement:
        return client.from_options(self._conf)

    @functools.cached_property
    def _cloud(self) -> model.Cloud:
        return inventory.read(self._placement)

    @functools.cached_property
    def _carried(self) -> frozenset[str]:
        return self._placement.carried_traits()

    @functools.cached_property
    def _others(self) -> placement_api.HostsByTrait:
        """Hosts that publish in another schema, by its trait."""
        return {
            name: {
                root
                for _, root in self._placement.lineage_at(f'required={name}')
            }
            for name in traits.other_schemas(self._carried)
        }

    def _filter(self) -> Iterator[Result]:
        group = self._conf.filter_scheduler
        available, broken = filter_enabled.load(
            group.available_filters,
            nova_filters.HostFilterHandler().get_matching_classes,
        )
        yield from filter_enabled.version(nova_version.version_string())
        yield from filter_enabled.filters(
            group.enabled_filters, available, broken
        )
        yield from filter_enabled.mode(self._conf.mdev_compat.mode)
        yield from filter_enabled.counters(self._conf.mdev_compat.metrics_file)

    def _answers(self) -> Iterable[Result]:
        try:
            results = list(placement_api.answers(self._placement))
        except client.PlacementError as exc:
            results = [Result(Code.FAILURE, str(exc))]
        self._placement_answers = not results
        return results

    def _hosts(self) -> Iterable[Result]:
        return placement_api.hosts(self._cloud, self._others)

    def _schema(self) -> Iterable[Result]:
        return placement_api.schema(self._cloud, self._others, self._carried)

    def _classes(self) -> Iterable[Result]:
        # The option is about mdevs.
        if self._boards and all(
            providers.is_address(parent.name)
            for _, parent in self._cloud.parents()
        ):
            return ()
        return placement_api.resource_classes(
            placement_api.classes_in_use(self._placement, self._cloud),
            self._conf.mdev_compat.resource_classes,
        )

    @functools.cached_property
    def _boards(self) -> list[client.Provider]:
        """Our providers of boards with virtual functions."""
        if VFIO not in self._carried:
            return []
        return [
            item
            for item in self._placement.providers_at(f'required={VFIO}')
            if providers.is_ours(item.name)
        ]

    def _functions(self) -> Iterator[Result]:
        names = {host.uuid: host.name for host in self._cloud.hosts}
        hosts = {names.get(item.root, item.root) for item in self._boards}
        if not hasattr(pci_requests.InstancePCIRequest, 'is_live_migratable'):
            yield from virtual_functions.not_supported(
                hosts, nova_version.version_string()
            )
            return
        in_placement = self._conf.filter_scheduler.pci_in_placement
        yield from virtual_functions.placement_options(hosts, in_placement)
        yield from virtual_functions.post_copy(
            hosts, self._conf.libvirt.live_migration_permit_post_copy
        )
        aliases = virtual_functions.aliases(
            self._conf.pci.alias, pci_placement_translator.get_resource_class
        )
        if hosts:
            yield from virtual_functions.migratable(
                aliases, virtual_functions.vendors(self._carried)
            )
        marked = [alias for alias in aliases if alias.live_migratable]
        yield from virtual_functions.published(marked, hosts)
        if marked and hosts and in_placement:
            yield from virtual_functions.reported(
                marked,
                self._placement.resource_classes(),
                lambda name: self._placement.providers_at(
                    f'resources={name}:1'
                ),
                {item.uuid for item in self._boards},
            )
        yield from virtual_functions.elsewhere(hosts)

    def _run(self, check: _Check) -> Result:
        return worst(check(self))

    def _run_with_placement(self, check: _Check) -> Result:
        if not self._placement_answers:
            return Result(
                Code.FAILURE,
                'not checked, because the check "Placement" failed',
            )
        try:
            return self._run(check)
        except client.PlacementError as exc:
            return Result(Code.FAILURE, f'not checked: {exc}')

    _upgrade_checks = (
        ('Filter', (_run, {'check': _filter})),
        ('Placement', (_run, {'check': _answers})),
        ('Hosts have published', (_run_with_placement, {'check': _hosts})),
        ('Schema of traits', (_run_with_placement, {'check': _schema})),
        ('Resource classes', (_run_with_placement, {'check': _classes})),
        ('Virtual functions', (_run_with_placement, {'check': _functions})),
    )


def configure(argv: Sequence[str]) -> cfg.ConfigOpts:
    """Return Nova's configuration, with our options and the command.

    :raises oslo_config.cfg.Error: it cannot be read
    :raises exceptions.BadInput: an option of ours has a wrong value, or a
        file is not in UTF-8
    """
    conf: cfg.ConfigOpts = nova_conf.CONF
    loading.without_shell_completion(conf)
    options.register_opts(conf)
    upgradecheck.register_cli_options(conf, Checks(conf))
    loading.read(
        conf,
        argv,
        project='nova',
        prog=NAME,
        version=importlib.metadata.version('nova-mdev-compat'),
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    # keystoneauth waits for ever.
    conf.set_default('timeout', 60, group='placement')
    loading.check_values(conf, options.GROUP, options.OPTS)
    # Where oslo.upgradecheck looks for --json.
    upgradecheck.CONF = conf
    return conf


def main(argv: Sequence[str]) -> int:
    """Run the checks and return the exit status."""
    # The results have all that matters of what Nova and libraries log.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        return int(configure(argv).command.action_fn())
    except SystemExit as exc:
        # argparse prints what is wrong with an argument; 0 is for --help.
        return exceptions.BadInput.exit_status if exc.code else 0
    except cfg.Error as exc:
        return _fail(errors.describe(exc))
    except exceptions.Failure as exc:
        return _fail(str(exc))
    except Exception:
        # As in other projects' commands; no result has this code.
        traceback.print_exc()
        return 255


def _fail(message: str) -> int:
    print(f'{NAME}: {message}', file=sys.stderr)
    return exceptions.BadInput.exit_status
