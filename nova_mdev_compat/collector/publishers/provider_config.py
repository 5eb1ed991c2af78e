# SPDX-License-Identifier: Apache-2.0
"""Write what is to be said into a file of Nova's, without credentials.

nova-compute merges the files of ``[compute]provider_config_location`` into
its providers when it starts (``nova/compute/provider_config.py``). It only
ever adds traits: one that is gone from the file stays in Placement.
"""

import pathlib

from oslo_config import cfg
from oslo_log import log as logging
import yaml

from nova_mdev_compat.collector import publication
from nova_mdev_compat.collector.publishers import base
from nova_mdev_compat import exceptions
from nova_mdev_compat import files

LOG = logging.getLogger(__name__)

HEADER = '# Written by nova-mdev-collector; changes are lost.\n'
SCHEMA_VERSION = '1.0'


class WriteError(exceptions.Failure):
    """The file cannot be written, or read."""


class ProviderConfigPublisher(base.Publisher):
    """Writes one provider.yaml; nova-compute has to be restarted to see it."""

    def __init__(self, conf: cfg.ConfigOpts):
        self._path = pathlib.Path(conf.collector.provider_config_file)
        if self._path.suffix != '.yaml':
            raise exceptions.BadInput(
                f'[collector]provider_config_file: {self._path} must end in '
                '.yaml, or Nova does not read it')

    def publish(self, host: publication.Host) -> base.Summary:
        """Write the file, if it says anything else."""
        wanted = publication.combine(host.parents)
        providers = {host.name: wanted.root} | {
            f'{host.name}_{name}': names
            for name, names in sorted(wanted.parents.items())}
        return self._replace({name: sorted(names)
                              for name, names in providers.items()})

    def withdraw(self, name: str) -> base.Summary:
        """Write a file that names no provider."""
        return self._replace({})

    def _replace(self, providers: dict[str, list[str]]) -> base.Summary:
        text = HEADER + yaml.safe_dump({
            'meta': {'schema_version': SCHEMA_VERSION},
            'providers': [{'identification': {'name': name},
                           'traits': {'additional': names}}
                          for name, names in providers.items()]})
        summary = base.Summary(published=providers)
        try:
            # As bytes: what was there before may not even be text.
            if (self._path.is_file()
                    and self._path.read_bytes() == text.encode()):
                summary.unchanged = len(providers)
                return summary
            files.replace(self._path, text)
        except OSError as exc:
            raise WriteError(f'{self._path}: {exc.strerror}') from exc
        summary.changed = list(providers)
        LOG.warning('%s has changed: restart nova-compute to publish it',
                    self._path)
        return summary
