# SPDX-License-Identifier: Apache-2.0
"""Write the desired traits into a file that Nova reads, without credentials.

nova-compute merges the files of ``[compute]provider_config_location`` into
its providers when it starts (``nova/compute/provider_config.py``). It only
adds traits (``ResourceTracker._merge_provider_configs``): a trait that is no
longer in the file stays in Placement. So the publisher cannot remove a trait,
and refuses a change that requires it.
"""

from collections.abc import Iterable, Mapping
import pathlib

from oslo_config import cfg
from oslo_log import log as logging
import yaml

from nova_mdev_compat.common import files
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.placement import providers
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication.publishers import Publisher
from nova_mdev_compat.publication.publishers import Summary

LOG = logging.getLogger(__name__)

HEADER = '# Written by nova-mdev-collector; changes are lost.\n'
SCHEMA_VERSION = '1.0'


class WriteError(exceptions.Failure):
    """The file cannot be written or read."""


class CannotTakeBack(exceptions.BadInput):
    """A published trait is no longer true and cannot be removed."""


class ProviderConfigPublisher(Publisher):
    """Writes one provider.yaml, which nova-compute reads when it starts.

    If a provider would lose a trait, the file is renamed, so that nova-compute
    no longer reads it, and nothing is written until an operator has removed
    the traits and run ``withdraw``.
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._path = pathlib.Path(conf.collector.provider_config_file)
        if self._path.suffix != '.yaml':
            raise exceptions.BadInput(
                f'[collector]provider_config_file: {self._path} must end in '
                '.yaml, or Nova does not read it'
            )
        # Nova reads only *.yaml.
        self._refused = self._path.with_name(f'{self._path.name}.refused')

    def publish(self, host: host_traits.HostSnapshot) -> Summary:
        """Write the file if its content differs.

        :raises CannotTakeBack: a provider would lose traits
        :raises WriteError: the file cannot be written or read
        """
        before = self._written()
        current = [
            item.with_fallback(
                before.get(f'{host.name}_{item.parent.name}', ())
            )
            for item in host.parents
            if not providers.is_address(item.parent.name)
        ]
        desired = host_traits.build_host_traits(current)
        by_name = {host.name: desired.root} | {
            f'{host.name}_{name}': names
            for name, names in sorted(desired.parents.items())
        }
        for name, names in before.items():
            if not names <= by_name.get(name, frozenset()):
                raise self._refused_change()
        summary = self._replace(by_name)
        # Nova adds traits to its own providers only, and replaces those of PCI
        # devices.
        summary.absent = [
            item.parent.name
            for item in host.parents
            if providers.is_address(item.parent.name)
        ]
        summary.unread = [item for item in current if item.failure]
        return summary

    def withdraw(self, name: str) -> Summary:
        """Write a file without providers, and allow changes again."""
        summary = self._replace({})
        try:
            self._refused.unlink(missing_ok=True)
        except OSError as exc:
            raise WriteError(f'{self._refused}: {exc.strerror}') from exc
        LOG.warning(
            'nova-compute never removes traits: those that it added stay in '
            'Placement until an operator removes them'
        )
        return summary

    def withhold(self, name: str) -> Summary:
        """Refuse to publish if the file names any provider.

        :raises CannotTakeBack: its traits stay in Placement
        """
        if self._written():
            raise self._refused_change()
        return Summary()

    def _refused_change(self) -> CannotTakeBack:
        """Rename the file; return the error that says what to do.

        :raises WriteError: it cannot be renamed
        """
        try:
            self._path.rename(self._refused)
        except OSError as exc:
            raise WriteError(f'{self._refused}: {exc.strerror}') from exc
        return self._cannot_take_back()

    def _cannot_take_back(self) -> CannotTakeBack:
        return CannotTakeBack(
            'the publisher provider_config cannot take back what is no longer '
            'true, because nova-compute only adds traits; what it may have '
            f"added is in {self._refused}. Remove these traits from this host's "
            "resource providers, run 'nova-mdev-collector withdraw', and start "
            'the collector again; or use the publisher placement'
        )

    def _written(self) -> dict[str, frozenset[str]]:
        """Return the traits that the file names, by provider name.

        There are none if another program has written it.

        :raises CannotTakeBack: an earlier change was refused
        :raises WriteError: the file cannot be read
        """
        if self._refused.exists():
            raise self._cannot_take_back()
        try:
            found = yaml.safe_load(self._path.read_bytes())
            return {
                str(item['identification']['name']): frozenset(
                    map(str, item['traits']['additional'])
                )
                for item in found['providers']
            }
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise WriteError(f'{self._path}: {exc.strerror}') from exc
        except (yaml.YAMLError, ValueError, LookupError, TypeError):
            return {}

    def _replace(self, providers: Mapping[str, Iterable[str]]) -> Summary:
        published = {name: sorted(of) for name, of in providers.items()}
        text = HEADER + yaml.safe_dump(
            {
                'meta': {'schema_version': SCHEMA_VERSION},
                'providers': [
                    {
                        'identification': {'name': name},
                        'traits': {'additional': names},
                    }
                    for name, names in published.items()
                ],
            }
        )
        path = self._path
        try:
            # As bytes: the old content may not be text.
            if path.is_file() and path.read_bytes() == text.encode():
                return Summary(unchanged=len(published), published=published)
            files.replace(path, text)
        except OSError as exc:
            raise WriteError(f'{path}: {exc.strerror}') from exc
        LOG.warning('%s has changed: restart nova-compute to publish it', path)
        return Summary(changed=list(published), published=published)
