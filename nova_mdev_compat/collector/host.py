# SPDX-License-Identifier: Apache-2.0
"""One pass over this host: read everything, decide, publish."""

from collections.abc import Mapping
import dataclasses

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.collector import nodedev
from nova_mdev_compat.collector import parents as par
from nova_mdev_compat.collector import publication
from nova_mdev_compat.collector import sysfs
from nova_mdev_compat.collector import system
from nova_mdev_compat.collector import xml
from nova_mdev_compat.conf import devices
from nova_mdev_compat.conf import placement as placement_options
from nova_mdev_compat import exceptions
from nova_mdev_compat import placement as pl
from nova_mdev_compat.rules import loader

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Host:
    """What was found on this host.

    :ivar name: hypervisor hostname
    """

    name: str
    parents: tuple[publication.ParentTraits, ...]


def read(conf: cfg.ConfigOpts) -> Host:
    """Return what this host is and accepts.

    :raises exceptions.BadInput: rules, nova.conf or a device are wrong
    :raises exceptions.Failure: libvirt or sysfs cannot be read
    """
    rules = loader.load(conf.collector.rules_dirs)
    types = devices.read(conf)
    for mdev_type in types.ignored:
        LOG.warning('nova.conf: mdev type %s is enabled without '
                    '[mdev_%s]device_addresses, and %s is the default '
                    'already; Nova ignores it', mdev_type, mdev_type,
                    types.default)
    found = nodedev.read(conf.collector.libvirt_uri)
    tree = sysfs.Sysfs(conf.collector.sysfs_root)
    shared = system.facts()

    def facts_of(device: xml.ParentDevice) -> Mapping[str, str]:
        return {**shared, **tree.facts(device)}

    parents = par.build(found.parents, found.mdevs, found.used, types,
                        facts_of, tree.subsystem)
    name = conf.collector.hypervisor_hostname or found.hostname
    return Host(name, tuple(publication.describe(parent, rules)
                            for parent in parents))


def placement(conf: cfg.ConfigOpts) -> pl.Placement:
    """Return Placement as the [placement] section says.

    :raises exceptions.BadInput: the section is incomplete
    """
    group = placement_options.NAME
    if not conf[group].auth_type and not conf[group].auth_section:
        raise exceptions.BadInput(
            '[placement]auth_type is not set: give nova.conf, or another '
            'file with a [placement] section, as --config-file')
    try:
        auth = loading.load_auth_from_conf_options(conf, group)
        session = loading.load_session_from_conf_options(
            conf, group, auth=auth)
        adapter = loading.load_adapter_from_conf_options(
            conf, group, session=session, auth=auth)
    except (ks_exceptions.OptionError,
            ks_exceptions.MissingRequiredOptions,
            ks_exceptions.NoMatchingPlugin) as exc:
        raise exceptions.BadInput(f'[placement]: {exc}') from exc

    def send(method: str, url: str, body: object) -> pl.Response:
        headers = {'Accept': 'application/json'}
        response: pl.Response = adapter.request(
            url, method, json=body, headers=headers, raise_exc=False,
            microversion=pl.MICROVERSION)
        return response

    return pl.Placement(send)
