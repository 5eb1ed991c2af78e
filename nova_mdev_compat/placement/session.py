# SPDX-License-Identifier: Apache-2.0
"""Placement through keystoneauth, as the [placement] section says."""

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from oslo_config import cfg

from nova_mdev_compat.conf import placement as placement_options
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.placement import client


def placement(conf: cfg.ConfigOpts) -> client.Placement:
    """Return Placement as the [placement] section says.

    :raises exceptions.BadInput: the section is incomplete
    """
    group = placement_options.NAME
    if not conf[group].auth_type and not conf[group].auth_section:
        raise exceptions.BadInput(
            '[placement]auth_type is not set: give nova.conf, or another '
            'file with a [placement] section, as --config-file'
        )
    try:
        auth = loading.load_auth_from_conf_options(conf, group)
        session = loading.load_session_from_conf_options(
            conf, group, auth=auth
        )
        adapter = loading.load_adapter_from_conf_options(
            conf, group, session=session, auth=auth
        )
    except (
        ks_exceptions.OptionError,
        ks_exceptions.MissingRequiredOptions,
        ks_exceptions.NoMatchingPlugin,
    ) as exc:
        raise exceptions.BadInput(f'[placement]: {exc}') from exc
    return client.Placement(client.through(adapter))
