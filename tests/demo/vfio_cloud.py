# SPDX-License-Identifier: Apache-2.0
"""As cloud.py, with vGPUs that are virtual functions, beside a host with mdevs."""

import json

from nova_mdev_compat.core import traits
from tests.demo import cloud
from tests.functional import fakehost
from tests.functional import vfio_base
from tests import hardware


def board(bus=0x81, vgpu_type='11', functions=4, **kwargs):
    return vfio_base.board(bus, types=(vgpu_type,) * functions, **kwargs)


#: Nova's weigher prefers hosts with few free devices, so without the filter it
#: begins with two hosts that refuse.
HOSTS = {
    cloud.SOURCE: [board(version='535.54.03')],
    'gpu-2': [board(vgpu_type='12', functions=1)],
    'gpu-3': [board()],
    'gpu-4': [board(version='525.60.13', functions=2)],
    'gpu-5': [board(product='2236'), board(0x82)],
}
MDEV_HOST = 'gpu-6'
MDEV_BOARD = hardware.Board(0)


class Cloud(cloud.Narrated, vfio_base.VfioTestCase):
    """Hosts with virtual functions, and one with mdevs of the same type."""

    # Any board of the class will do, as operators have it who need not care.
    PCI_ALIAS = [
        json.dumps(
            {
                'name': 'a40-8q',
                'device_type': 'type-VF',
                'resource_class': vfio_base.CLASS,
                'live_migratable': 'yes',
            }
        )
    ]

    def live_migrate(self):
        self.write_rules(cloud.RULES)
        for name, boards in HOSTS.items():
            self.tell(
                f'starting nova-compute on {name}; its collector publishes'
            )
            self.start_host(name, *boards)
        self.tell(
            f'starting nova-compute on {MDEV_HOST}, which has mdevs; its '
            'collector publishes'
        )
        self.start_mdev_host()
        source = self.described(cloud.SOURCE, HOSTS[cloud.SOURCE][0].address)
        self.story.devices += [
            cloud.device(
                name, one.address, self.described(name, one.address), source
            )
            for name, boards in HOSTS.items()
            for one in boards
        ]
        uuid = self._get_provider_uuid_by_name(
            f'{MDEV_HOST}_{MDEV_BOARD.device}'
        )
        self.story.devices.append(
            cloud.device(
                MDEV_HOST,
                MDEV_BOARD.device,
                traits.describe(self._get_provider_traits(uuid)),
                source,
            )
        )
        self.boot_and_move()

    def start_mdev_host(self):
        self.flags(enabled_mdev_types=['nvidia-11'], group='devices')
        self.start_compute(
            hostname=MDEV_HOST,
            libvirt_version=vfio_base.LIBVIRT,
            qemu_version=vfio_base.QEMU,
            pci_info=fakehost.pci_info([MDEV_BOARD]),
        )
        self.run_collector(
            MDEV_HOST,
            '[devices]\nenabled_mdev_types = nvidia-11\n',
            [MDEV_BOARD],
        )

    def described(self, host, address):
        return traits.describe(
            self._get_provider_traits(self.provider(host, address))
        )

    def device_of(self, server, host):
        (address,) = self.functions_of(server)
        return next(
            one.address for one in HOSTS[host] if address in one.functions()
        )
