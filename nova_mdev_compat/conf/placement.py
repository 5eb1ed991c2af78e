# SPDX-License-Identifier: Apache-2.0
"""[placement]: how to reach Placement, as in nova.conf."""

import itertools

from keystoneauth1 import loading
from oslo_config import cfg

NAME = 'placement'

GROUP = cfg.OptGroup(
    NAME,
    title='Placement',
    help='How to reach Placement, with the options of the section of this '
    'name in nova.conf. The user needs the right to create traits and '
    "to set those of resource providers: the role that Placement's "
    'policy asks for, service or admin.',
)


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(GROUP)
    loading.register_auth_conf_options(conf, NAME)
    loading.register_session_conf_options(conf, NAME)
    loading.register_adapter_conf_options(conf, NAME)
    conf.set_default('service_type', 'placement', group=NAME)
    # keystoneauth has no time limit by default.
    conf.set_default('timeout', 60, group=NAME)
    conf.set_default('valid_interfaces', ['internal', 'public'], group=NAME)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    options = itertools.chain(
        loading.get_auth_common_conf_options(),
        loading.get_auth_plugin_conf_options('v3password'),
        loading.get_session_conf_options(),
        loading.get_adapter_conf_options(),
    )
    unique = {option.dest: option for option in options}
    return [(GROUP, list(unique.values()))]
