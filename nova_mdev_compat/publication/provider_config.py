# SPDX-License-Identifier: Apache-2.0
"""Write the desired traits into a file of Nova's, without credentials.

nova-compute merges the files of ``[compute]provider_config_location`` into
its providers when it starts (``nova/compute/provider_config.py``). It only
adds traits (``ResourceTracker._merge_provider_configs``): a trait that is no
longer in the file stays in Placement. So the publisher cannot remove a
trait, and refuses a change that would have to.
"""

import pathlib
from typing import NoReturn

from oslo_config import cfg
from oslo_log import log as logging
import yaml

from nova_mdev_compat.common import files
from nova_mdev_compat.core import exceptions
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

    If a provider would lose a trait, the file is renamed, so that
    nova-compute no longer reads it, and nothing is written until an operator
    has removed the traits and called ``withdraw``.
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._path = pathlib.Path(conf.collector.provider_config_file)
        if self._path.suffix != '.yaml':
            raise exceptions.BadInput(
                f'[collector]provider_config_file: {self._path} must end in '
                '.yaml, or Nova does not read it'
            )
        #: Nova reads only *.yaml.
        self._refused = self._path.with_name(f'{self._path.name}.refused')

    def publish(self, host: host_traits.HostSnapshot) -> Summary:
        """Write the file, if its content differs.

        :raises CannotTakeBack: a provider would lose traits
        :raises WriteError: the file cannot be written, or read
        """
        before = self._written()
        if self._refused.exists():
            raise CannotTakeBack(self._what_to_do())
        current = [
            item.with_fallback(
                before.get(f'{host.name}_{item.parent.name}', ())
            )
            for item in host.parents
        ]
        desired = host_traits.build_host_traits(current)
        providers = {host.name: desired.root} | {
            f'{host.name}_{name}': names
            for name, names in sorted(desired.parents.items())
        }
        for name, names in before.items():
            if not names <= providers.get(name, frozenset()):
                self._refuse()
        summary = self._replace(
            {name: sorted(names) for name, names in providers.items()}
        )
        summary.unread = [item for item in current if item.failure]
        return summary

    def withdraw(self, name: str) -> Summary:
        """Write a file without providers; forget what was refused."""
        summary = self._replace({})
        try:
            self._refused.unlink(missing_ok=True)
        except OSError as exc:
            raise WriteError(f'{self._refused}: {exc.strerror}') from exc
        LOG.warning(
            'nova-compute never removes traits: those that it added '
            'stay in Placement until somebody removes them'
        )
        return summary

    def withhold(self, name: str) -> Summary:
        """Refuse to publish if the file has any provider.

        :raises CannotTakeBack: its traits stay in Placement
        """
        if self._refused.exists():
            raise CannotTakeBack(self._what_to_do())
        if self._written():
            self._refuse()
        return Summary()

    def _refuse(self) -> NoReturn:
        try:
            self._path.rename(self._refused)
        except OSError as exc:
            raise WriteError(f'{self._refused}: {exc.strerror}') from exc
        raise CannotTakeBack(self._what_to_do())

    def _what_to_do(self) -> str:
        return (
            'the publisher provider_config cannot take back what is no longer '
            'true, because nova-compute only adds traits; what it may have '
            f'added is in {self._refused}. Remove these traits from '
            "this host's resource providers, run 'nova-mdev-collector "
            "withdraw', and start the collector again; or use the publisher "
            'placement'
        )

    def _written(self) -> dict[str, frozenset[str]]:
        """Return the traits that the file names, by provider name.

        There are none if another program has written it.
        """
        try:
            found = yaml.safe_load(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise WriteError(f'{self._path}: {exc.strerror}') from exc
        except (yaml.YAMLError, ValueError):
            return {}
        try:
            return {
                str(item['identification']['name']): frozenset(
                    map(str, item['traits']['additional'])
                )
                for item in found['providers']
            }
        except (LookupError, TypeError, AttributeError):
            return {}

    def _replace(self, providers: dict[str, list[str]]) -> Summary:
        text = HEADER + yaml.safe_dump(
            {
                'meta': {'schema_version': SCHEMA_VERSION},
                'providers': [
                    {
                        'identification': {'name': name},
                        'traits': {'additional': names},
                    }
                    for name, names in providers.items()
                ],
            }
        )
        summary = Summary(published=providers)
        try:
            # As bytes: the old content may not be text.
            if (
                self._path.is_file()
                and self._path.read_bytes() == text.encode()
            ):
                summary.unchanged = len(providers)
                return summary
            files.replace(self._path, text)
        except OSError as exc:
            raise WriteError(f'{self._path}: {exc.strerror}') from exc
        summary.changed = list(providers)
        LOG.warning(
            '%s has changed: restart nova-compute to publish it', self._path
        )
        return summary
