# SPDX-License-Identifier: Apache-2.0
"""Keystone, Glance, Neutron and Placement: what they are told."""

import dataclasses

PASSWORD = 'secret'
REGION = 'RegionOne'


@dataclasses.dataclass(frozen=True)
class Service:
    """A service with an API.

    :ivar type: in the catalog; None for Keystone, which enters itself
    :ivar module: with the WSGI application
    :ivar path: of the API below its root
    :ivar databases: names
    :ivar configuration: file's name and text; {names} are filled in
    :ivar preparation: commands after the databases are there, {home} and
        {etc} are filled in
    :ivar environ: of the application, likewise
    """

    name: str
    type: str | None
    module: str
    path: str
    databases: tuple[str, ...]
    configuration: dict[str, str]
    preparation: tuple[str, ...]
    environ: dict[str, str]


#: What all ask Keystone with.
AUTH = """
auth_type = password
auth_url = {keystone}
username = {name}
password = {password}
project_name = service
user_domain_id = default
project_domain_id = default
region_name = {region}
"""
COMMON = (
    """
[DEFAULT]
transport_url = {broker}
debug = {debug}
state_path = {home}/{name}
[oslo_concurrency]
lock_path = {home}/{name}/lock
[keystone_authtoken]
"""
    + AUTH
    + """
service_token_roles_required = true
"""
)

KEYSTONE = Service(
    'keystone',
    None,
    'keystone.wsgi.api',
    '/v3',
    ('keystone',),
    {
        'keystone.conf': """
[DEFAULT]
max_token_size = 255
[database]
connection = {database}
[cache]
backend = dogpile.cache.memory
[fernet_tokens]
key_repository = {home}/keystone/fernet
[credential]
key_repository = {home}/keystone/credential
[identity]
# Of bcrypt, which is slow by design; nobody attacks this Keystone.
password_hash_rounds = 4
"""
    },
    (
        'keystone-manage --config-file {etc}/keystone.conf db_sync',
        'keystone-manage --config-file {etc}/keystone.conf fernet_setup '
        '--keystone-user {user} --keystone-group {group}',
        'keystone-manage --config-file {etc}/keystone.conf credential_setup '
        '--keystone-user {user} --keystone-group {group}',
        'keystone-manage --config-file {etc}/keystone.conf bootstrap '
        '--bootstrap-password {password} --bootstrap-region-id {region} '
        '--bootstrap-public-url {keystone} --bootstrap-internal-url {keystone} '
        '--bootstrap-admin-url {keystone}',
    ),
    {'OS_KEYSTONE_CONFIG_FILES': '{etc}/keystone.conf'},
)

GLANCE = Service(
    'glance',
    'image',
    'glance.wsgi.api',
    '',
    ('glance',),
    {
        'glance-api.conf': COMMON
        + """
[DEFAULT]
enabled_backends = fs:file
[database]
connection = {database}
[paste_deploy]
flavor = keystone
config_file = {prefix}/etc/glance/glance-api-paste.ini
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = {home}/glance/images
[os_glance_tasks_store]
filesystem_store_datadir = {home}/glance/tasks
[os_glance_staging_store]
filesystem_store_datadir = {home}/glance/staging
"""
    },
    ('glance-manage --config-file {etc}/glance-api.conf db_sync',),
    {
        'OS_GLANCE_CONFIG_DIR': '{etc}',
        'OS_GLANCE_CONFIG_FILES': 'glance-api.conf',
    },
)

NEUTRON = Service(
    'neutron',
    'network',
    'neutron.wsgi.api',
    '',
    ('neutron',),
    {
        'neutron.conf': COMMON
        + """
[DEFAULT]
core_plugin = ml2
service_plugins =
api_paste_config = {prefix}/etc/neutron/api-paste.ini
[database]
connection = {database}
[ml2]
type_drivers = local
tenant_network_types = local
mechanism_drivers =
"""
    },
    ('neutron-db-manage --config-file {etc}/neutron.conf upgrade head',),
    {
        'OS_NEUTRON_CONFIG_FILES': '{etc}/neutron.conf',
        'CLOUD_MODELS': 'neutron.db.models.port_forwarding',
    },
)

PLACEMENT = Service(
    'placement',
    'placement',
    'placement.wsgi.api',
    '',
    ('placement',),
    {
        'placement-policy.yaml': '{{}}\n',
        'placement.conf': COMMON
        + """
[oslo_policy]
policy_file = {etc}/placement-policy.yaml
[placement_database]
connection = {database}
""",
    },
    ('placement-manage --config-file {etc}/placement.conf db sync',),
    {'OS_PLACEMENT_CONFIG_DIR': '{etc}'},
)

NOVA = Service(
    'nova',
    'compute',
    'nova.wsgi.osapi_compute',
    '/v2.1',
    ('nova_api', 'nova_cell0', 'nova'),
    {
        'nova-policy.yaml': """
# Owners say on which host their instances begin: scenarios need both.
"compute:servers:create:requested_destination": "role:member"
""",
        'nova.conf': COMMON
        + """
[DEFAULT]
log_dir =
[api_database]
connection = {database_nova_api}
[database]
connection = {database_nova}
[placement]
"""
        + AUTH
        + """
[glance]
"""
        + AUTH
        + """
[neutron]
"""
        + AUTH
        + """
[oslo_policy]
policy_file = {etc}/nova-policy.yaml
[service_user]
send_service_user_token = true
"""
        + AUTH,
    },
    (
        'nova-manage --config-file {etc}/nova.conf api_db sync',
        'nova-manage --config-file {etc}/nova.conf cell_v2 map_cell0 '
        '--database_connection {database_nova_cell0}',
        'nova-manage --config-file {etc}/nova.conf db sync',
        'nova-manage --config-file {etc}/nova.conf cell_v2 create_cell '
        '--name cell1',
    ),
    {
        'OS_NOVA_CONFIG_FILES': '{prefix}/etc/nova/api-paste.ini;'
        '{etc}/nova.conf'
    },
)

ALL = (KEYSTONE, GLANCE, NEUTRON, PLACEMENT, NOVA)
