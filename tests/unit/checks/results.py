# SPDX-License-Identifier: Apache-2.0
"""Results of checks as values: oslo.upgradecheck's cannot be compared."""

SUCCESS, WARNING, FAILURE = range(3)

# Details of results, which the tests of the real command also expect.
ADD = (
    'add "available_filters = nova_mdev_compat.filters.all_filters" to '
    "[filter_scheduler]; it includes Nova's own filters"
)
ENABLE = (
    'MdevCompatFilter is not enabled: add it to '
    '[filter_scheduler]enabled_filters'
)
NO_SUCH_FILTER = (
    'nova-scheduler does not start: no entry of '
    '[filter_scheduler]available_filters provides {}'
)
CANNOT_LOAD = (
    'nova-scheduler cannot load [filter_scheduler]available_filters = {}: {}'
)
REFUSES_NOTHING = (
    'the filter refuses nothing: [mdev_compat]mode is permissive; set it to '
    'enforcing once the log shows what you expect'
)
TOO_OLD = (
    'Nova {} does not live-migrate mdevs: 29 (2024.1) is the first release '
    'that does'
)
NO_COLLECTOR = (
    'no collector has published on {}: start nova-mdev-collector there'
)
NO_IDENTITY = (
    'no complete identity is published for 1 device ({}): run '
    'nova-mdev-collector dry-run there (a device that was removed keeps its '
    'provider, and accepts nothing)'
)
NO_HOST = (
    'no host has mdevs: Placement has no provider of an mdev-capable device; '
    'check [devices]enabled_mdev_types on the compute hosts, and '
    "nova-compute's log"
)
OLDER = '{}, the schema of {}, is older: upgrade nova-mdev-compat there'
NEWER = '{}, the schema of {}, is newer: upgrade nova-mdev-compat here'
UNREADABLE = (
    '{} cannot be read, and a device with one is unknown: upgrade '
    'nova-mdev-compat here if a newer collector wrote it; otherwise restart '
    'nova-mdev-collector there, which removes it'
)
LACKS = (
    '[mdev_compat]resource_classes lacks {}: the filter ignores instances with '
    'these; add them to nova.conf of every nova-scheduler'
)
UNUSED = 'no device has {} of [mdev_compat]resource_classes'
NO_INVENTORY = (
    '[mdev_compat]resource_classes cannot be checked: no device that a '
    'collector has published has an inventory'
)
OLD_PLACEMENT = (
    'Placement supports microversions up to {}, and 1.39 (Yoga) is needed: '
    'upgrade Placement'
)
HOSTS_DECIDED = (
    '[filter_scheduler]pci_in_placement is off here: of {} with virtual '
    'functions the filter refuses each one with a board that does not accept. '
    'Turn it on here and on all hosts of nova-api, nova-scheduler and '
    'nova-conductor, once all compute hosts have [pci]report_in_placement'
)
POST_COPY = (
    '[libvirt]live_migration_permit_post_copy is on here, and VFIO devices '
    'cannot be migrated with post-copy: turn it off on the compute hosts with '
    'virtual functions'
)
NOT_MIGRATABLE = (
    '[pci]alias {}: not live_migratable: yes. If it is for vGPUs, add that '
    'here and on all hosts of nova-api and nova-compute; until then their live '
    'migrations are refused. An instance keeps what the alias was when it was '
    'booted or resized'
)
NO_FUNCTIONS = (
    '[pci]alias {}: live_migratable, and no collector has published virtual '
    'functions: set [pci]report_in_placement on the compute hosts that have '
    'its devices, and see nova-mdev-collector dry-run there'
)
NO_CLASS = (
    '[pci]alias {}: no compute host has reported devices of {}: set '
    '[pci]report_in_placement there, or correct the class'
)
NO_BOARD = (
    '[pci]alias {}: no collector has published {}: start nova-mdev-collector '
    'there, or see its dry-run'
)
ELSEWHERE = (
    'managed and live_migratable of [pci]device_spec are not visible here: '
    'nova-mdev-collector status reports them on each compute host'
)


def plain(results):
    return [(int(result.code), result.details) for result in results]
