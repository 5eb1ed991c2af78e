# SPDX-License-Identifier: Apache-2.0
"""Rows of Nova's own: hosts and accepted live migrations; and requests."""

from nova.db.api import models as api_models
from nova.db.main import models
from nova import objects
from oslo_utils import timeutils
from oslo_utils import uuidutils

from tests.benchmarks import bulk

PROJECT = uuidutils.generate_uuid(dashed=False)

#: What the instances have; the mdev comes from the extra specs.
SIZES = {'vcpus': 4, 'memory_mb': 8192, 'root_gb': 40}
MDEV = {'resources:VGPU': '1'}

_COMPUTE_NODE = {
    'vcpus': bulk.HOST['VCPU'],
    'memory_mb': bulk.HOST['MEMORY_MB'],
    'local_gb': bulk.HOST['DISK_GB'],
    'vcpus_used': 0,
    'memory_mb_used': 0,
    'local_gb_used': 0,
    'free_ram_mb': bulk.HOST['MEMORY_MB'],
    'free_disk_gb': bulk.HOST['DISK_GB'],
    'disk_available_least': bulk.HOST['DISK_GB'],
    'hypervisor_type': 'QEMU',
    'hypervisor_version': 8002000,
    'cpu_info': '',
    'host_ip': '192.0.2.1',
    'supported_instances': '[]',
    'metrics': '[]',
    'stats': '{}',
    'cpu_allocation_ratio': 1.0,
    'ram_allocation_ratio': 1.0,
    'disk_allocation_ratio': 1.0,
    'running_vms': 0,
    'current_workload': 0,
}


class Writer:
    """Writes hosts and migrations.

    :param cell: database's engine of the cell
    :param api: engine of the API database
    :param mapping: the cell, as Nova has it
    """

    def __init__(self, cell, api, mapping):
        self._cell = cell
        self._api = api
        self._mapping = mapping

    def write_hosts(self, trees, first=0):
        """Write hosts whose root providers are those of the trees.

        :param first: number of the first host
        """
        now = timeutils.utcnow()
        common = {'deleted': 0, 'created_at': now, 'updated_at': now}
        numbered = [
            (bulk.host_name(number), tree)
            for number, tree in enumerate(trees, first)
        ]
        bulk.insert(
            self._cell,
            models.Service,
            [
                {
                    **common,
                    'uuid': uuidutils.generate_uuid(),
                    'host': name,
                    'binary': 'nova-compute',
                    'topic': 'compute',
                    'report_count': 1,
                    'disabled': False,
                    'forced_down': False,
                    'last_seen_up': now,
                    'version': objects.service.SERVICE_VERSION,
                }
                for name, _ in numbered
            ],
        )
        bulk.insert(
            self._cell,
            models.ComputeNode,
            [
                {
                    **common,
                    **_COMPUTE_NODE,
                    'uuid': tree.root,
                    'host': name,
                    'hypervisor_hostname': name,
                    'mapped': 1,
                }
                for name, tree in numbered
            ],
        )
        bulk.insert(
            self._api,
            api_models.HostMapping,
            [
                {'host': name, 'cell_id': self._mapping.id, 'created_at': now}
                for name, _ in numbered
            ],
        )

    def write_migrations(self, moves):
        """Write the migration records that a live migration begins with."""
        now = timeutils.utcnow()
        common = {
            'deleted': 0,
            'created_at': now,
            'updated_at': now,
            'migration_type': 'live-migration',
            'status': 'accepted',
        }
        bulk.insert(
            self._cell,
            models.Instance,
            [
                {
                    'deleted': 0,
                    'created_at': now,
                    'uuid': move.instance,
                    'host': move.source,
                    'node': move.source,
                    'vm_state': 'active',
                    'project_id': PROJECT,
                    'user_id': PROJECT,
                    **SIZES,
                }
                for move in moves
            ],
        )
        bulk.insert(
            self._cell,
            models.Migration,
            [
                {
                    **common,
                    'uuid': move.migration,
                    'instance_uuid': move.instance,
                    'source_compute': move.source,
                    'source_node': move.source,
                }
                for move in moves
            ],
        )


def request(move, mapping):
    """Return the request that Nova's conductor makes of a live migration.

    See ``LiveMigrationTask._get_request_spec_for_select_destinations``.
    """
    return objects.RequestSpec(
        instance_uuid=move.instance,
        num_instances=1,
        project_id=PROJECT,
        user_id=PROJECT,
        is_bfv=False,
        security_groups=objects.SecurityGroupList(),
        image=objects.ImageMeta(properties=objects.ImageMetaProps()),
        flavor=objects.Flavor(
            id=1,
            flavorid='1',
            name='vgpu',
            extra_specs=dict(MDEV),
            swap=0,
            ephemeral_gb=0,
            rxtx_factor=1.0,
            vcpu_weight=0,
            **SIZES,
        ),
        pci_requests=objects.InstancePCIRequests(requests=[]),
        numa_topology=None,
        scheduler_hints={},
        ignore_hosts=[move.source],
        force_hosts=None,
        force_nodes=None,
        retry=None,
        limits=objects.SchedulerLimits(),
        requested_resources=[],
        request_level_params=objects.RequestLevelParams(),
        requested_destination=objects.Destination(cell=mapping),
        availability_zone=None,
        instance_group=None,
    )
