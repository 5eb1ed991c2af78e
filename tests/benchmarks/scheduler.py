# SPDX-License-Identifier: Apache-2.0
"""The scheduler's side: host states, requests and filters, as Nova has them.

What is replaced is said in doc/source/contributor/benchmarks.rst.
"""

import logging
import os

from nova import conf as nova_conf
from nova import objects
from nova.scheduler import host_manager
from oslo_utils import timeutils
from oslo_utils import uuidutils

from nova_mdev_compat.scheduler import compat_filter
from nova_mdev_compat.scheduler import nova_request

CONF = nova_conf.CONF
CELL = uuidutils.generate_uuid()

_SIZES = {
    'vcpus': 128,
    'vcpus_used': 16,
    'memory_mb': 1048576,
    'memory_mb_used': 65536,
    'free_ram_mb': 983040,
    'local_gb': 4000,
    'local_gb_used': 400,
    'free_disk_gb': 3600,
    'disk_available_least': 3600,
    'cpu_allocation_ratio': 4.0,
    'ram_allocation_ratio': 1.0,
    'disk_allocation_ratio': 1.0,
}


def configure(migration):
    """Make this a scheduler that logs at INFO, to nowhere.

    :param migration: UUID of the only migration that any instance has; the
        filter's questions to the database are answered with it
    """
    logging.basicConfig(level=logging.INFO, filename=os.devnull)
    CONF([], project='nova', default_config_files=[])
    CONF.set_override('service_down_time', 86400)  # here nobody reports
    objects.register_all()
    nova_request.newest_migration = lambda spec_obj: migration


def our_filter(placement, migration, cached):
    """Return the filter with another way to Placement.

    :param migration: UUID of the only live migration of any instance
    :param cached: it may use an answer twice
    """
    CONF.set_override('cache_ttl', 3600 if cached else 0, 'mdev_compat')
    return compat_filter.MdevCompatFilter(
        placement, lambda spec_obj: [migration]
    )


def host_state(number, uuid):
    """Return a host as nova-scheduler holds it.

    :param uuid: of its compute node, and so of its root provider
    """
    name, now = f'compute-{number:05}.example.org', timeutils.utcnow()
    service = objects.Service(
        id=number,
        uuid=uuidutils.generate_uuid(),
        host=name,
        binary='nova-compute',
        topic='compute',
        report_count=1000,
        disabled=False,
        forced_down=False,
        availability_zone='nova',
        created_at=now,
        updated_at=now,
        last_seen_up=now,
    )
    compute = objects.ComputeNode(
        id=number,
        uuid=uuid,
        host=name,
        hypervisor_hostname=name,
        hypervisor_type='QEMU',
        hypervisor_version=8002000,
        cpu_info='',
        host_ip='192.0.2.1',
        stats={},
        metrics='[]',
        numa_topology=None,
        supported_hv_specs=[],
        pci_device_pools=objects.PciDevicePoolList(),
        updated_at=now,
        **_SIZES,
    )
    state = host_manager.HostState(name, name, CELL)
    state.update(compute, dict(service), [], {})
    return state


def give(hosts, candidates):
    """Give each host its allocation candidates, as the scheduler does."""
    for host, some in zip(hosts, candidates, strict=True):
        host.allocation_candidates = some


def boot():
    """Return a request for a new instance, without PCI devices."""
    return objects.RequestSpec(
        instance_uuid=uuidutils.generate_uuid(),
        num_instances=1,
        pci_requests=objects.InstancePCIRequests(requests=[]),
        numa_topology=None,
        scheduler_hints={},
        ignore_hosts=None,
        force_hosts=None,
        force_nodes=None,
        retry=None,
        limits=None,
        requested_destination=None,
        requested_resources=[],
        availability_zone=None,
        instance_group=None,
    )


def live_migration():
    """Return the request of a live migration without a given target."""
    spec = boot()
    spec.ignore_hosts = ['source.example.org']
    spec.requested_destination = objects.Destination(
        cell=objects.CellMapping(uuid=CELL)
    )
    return spec
