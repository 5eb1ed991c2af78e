# SPDX-License-Identifier: Apache-2.0
"""The service notices virtual functions of which nothing sends an event."""

import json
import shutil
import time

from tests.functional import service_base
from tests import vfio_tree

#: What changes is published within this time, in seconds.
IN_TIME = 10


class VirtualFunctionsTest(service_base.ServiceTestCase):
    """A host with a board of each framework; passes an hour apart."""

    def setUp(self):
        super().setUp()
        self.options['interval'] = '3600'
        self.sysfs = self.home / 'sys'
        vfio_tree.write(self.sysfs, vfio_tree.VfioBoard())
        spec = json.dumps(
            {
                'address': '0000:81:00.*',
                'vendor_id': '10de',
                'managed': 'no',
                'live_migratable': 'yes',
            }
        )
        self.nova += (
            f'[pci]\ndevice_spec = {spec}\nreport_in_placement = true\n'
        )
        self.placement.create_provider('host1_0000:81:00.0', self.root)

    def is_published(self, vgpu_type, accepts):
        """Return whether the board is published with this type."""
        found = {
            item['name']: item['uuid']
            for item in self.placement.ask('GET', '/resource_providers')[
                'resource_providers'
            ]
        }
        uuid = found.get('host1_0000:81:00.0_mdev_compat')
        traits = self.placement.traits(uuid) if uuid else set()
        return accepts == any('_ACCEPT_' in name for name in traits) and (
            not accepts or f'CUSTOM_MDEV_TYPE_NVIDIA_{vgpu_type}' in traits
        )

    def start_and_listen(self):
        """Start the service, and wait until libvirt wakes it no more."""
        self.start_and_wait()
        self.wait_for(
            lambda: 'Listening to libvirt' in self.said(), 'not listening'
        )
        self.wait_for(lambda: self.is_published(558, True), 'not published')
        time.sleep(2)

    def change(self, vgpu_type, accepts, change):
        """Change something; return how long it takes to be published."""
        start = time.monotonic()
        change()
        self.wait_for(
            lambda: self.is_published(vgpu_type, accepts), 'not noticed'
        )
        return time.monotonic() - start

    def test_in_time(self):
        self.start_and_listen()
        first, second = vfio_tree.VfioBoard().functions()

        def write_types():
            for address in (first, second):
                vfio_tree.set_type(self.sysfs, address, '559')

        def bind_plain_driver():
            vfio_tree.bind(self.sysfs, second, 'vfio-pci')
            # It is the driver's.
            directory = self.sysfs / 'bus/pci/devices' / second / 'nvidia'
            shutil.rmtree(directory)

        taken = [
            self.change(559, True, write_types),
            self.change(559, False, bind_plain_driver),
        ]
        self.assertLess(max(taken), IN_TIME)

    def test_errors_do_not_end_the_service(self):
        self.options['vfio_interval'] = '1'
        self.start_and_listen()
        devices = self.sysfs / 'bus/pci/devices'
        devices.rename(self.home / 'devices')
        devices.write_text('not a directory')
        self.wait_for(lambda: 'not noticed at once' in self.said(), 'no log')
        time.sleep(2)
        self.assertEqual(1, self.said().count('not noticed at once'))
        devices.unlink()
        (self.home / 'devices').rename(devices)
        address = vfio_tree.VfioBoard().functions()[0]
        self.change(
            559, False, lambda: vfio_tree.set_type(self.sysfs, address, '0')
        )

    def test_off(self):
        """Without it, such a change waits for the next pass."""
        self.options['vfio_interval'] = '0'
        self.start_and_listen()
        passes = self.trees()
        for address in vfio_tree.VfioBoard().functions():
            vfio_tree.set_type(self.sysfs, address, '0')
        time.sleep(6)
        self.assertEqual(passes, self.trees())
