# SPDX-License-Identifier: Apache-2.0
"""Faults while the service runs: it recovers, and loses nothing true.

Placement is real; the faults are injected before it. The same providers carry
foreign traits, which must stay.
"""

import itertools
import shutil
import signal
import time

import ddt

from tests.functional import collector_base
from tests.functional import placement_server
from tests.functional import service_base
from tests.functional import test_service
from tests import waiting

ACCEPT, OTHER = test_service.ACCEPT, test_service.OTHER
FOREIGN = {'CUSTOM_GOLD', 'HW_GPU_API_VULKAN'}


@ddt.ddt
class FaultTest(service_base.ServiceTestCase):
    def setUp(self):
        super().setUp()
        for uuid, name in itertools.product(
            (self.root, *self.boards), FOREIGN
        ):
            self.placement.add_trait(uuid, name)

    def carried(self, pattern):
        return all(
            pattern in names and names >= FOREIGN for names in self.published()
        )

    def change(self):
        """Change the devices, so that what is published is untrue."""
        self.devices(
            collector_base.device(0, product='2236'),
            collector_base.device(1, product='2236'),
        )

    @ddt.named_data(
        ('500', lambda *_: '500 Internal Server Error'),
        ('503', lambda *_: '503 Service Unavailable'),
        # As from Keystone's middleware, which is not here.
        ('expired_token', lambda *_: '401 Unauthorized'),
        ('timeout', lambda *_: time.sleep(3)),
        ('response_cut_in_half', lambda *_: placement_server.CUT),
    )
    def test_placement(self, fault):
        """Placement has a fault for a while, and recovers."""
        self.nova += '[placement]\ntimeout = 2\n'
        self.start_and_wait()
        before = self.published()
        self.placement.before = fault
        self.change()
        asked = len(self.placement.requests)
        began = time.monotonic()
        self.wait_for(
            lambda: len(self.placement.requests) > asked + 2, 'no retry'
        )
        # Not a busy loop: at most a few requests a second.
        requests = len(self.placement.requests) - asked
        self.assertLess(requests / (time.monotonic() - began), 20)
        self.assertEqual(before, self.published())
        self.placement.before = None
        self.wait_for(lambda: self.carried(OTHER), 'it does not recover')

    def test_connection_refused(self):
        """Placement stops, and starts again on its port."""
        self.start_and_wait()
        before = self.published()
        self.placement.stop()
        self.change()
        self.wait_for(lambda: 'does not answer' in self.said(), 'not noticed')
        self.placement.before = lambda *_: '503 Not yet'
        self.placement.serve()
        self.assertEqual(before, self.published())
        self.placement.before = None
        self.wait_for(lambda: self.carried(OTHER), 'it does not recover')

    def test_ten_conflicts_in_a_row(self):
        """nova-compute writes to the same provider before the collector."""
        count = itertools.count(1)

        def compete(method, path):
            if method != 'PUT' or not path.startswith('/resource_providers/'):
                return
            number = next(count)
            if number > 10:
                return
            self.placement.before = None
            self.placement.add_trait(
                path.split('/')[2], f'CUSTOM_OTHER_{number}'
            )
            self.placement.before = compete

        self.placement.before = compete
        self.start_and_wait()
        self.assertTrue(self.carried(ACCEPT))
        everything = set().union(*self.published())
        self.assertLessEqual(
            {f'CUSTOM_OTHER_{number}' for number in range(1, 11)}, everything
        )
        self.assertNotIn('Conflict', self.said())
        self.assertNotIn(' WARNING ', self.said())
        self.assertNotIn(' ERROR ', self.said())

    def test_sysfs_vanishes_while_being_read(self):
        """A device's directory appears and vanishes all the time."""
        board = self.home / 'sys/devices/pci0000:80/0000:81:00.0'
        board.mkdir(parents=True)
        self.start_and_wait()
        passes = self.trees()
        end = time.monotonic() + waiting.DEADLINE
        while self.trees() < passes + 5:
            self.assertLess(time.monotonic(), end, self.said())
            self.is_ready()
            for name in ('subsystem_vendor', 'subsystem_device'):
                (board / name).write_text('0x10de\n')
            shutil.rmtree(board)
            board.mkdir()
            # With eventlet, Placement's threads run only now.
            time.sleep(0)
        self.assertTrue(self.carried(ACCEPT))
        self.assertNotIn('this is a bug', self.said())

    def test_killed_at_every_step(self):
        """SIGKILL before each request; no published pattern is ever untrue."""
        self.start_and_wait()
        self.end(self.service)
        self.change()
        for step in range(1, 40):
            if self.kill_at(step):
                break
            for names in self.published():
                self.assertLessEqual(FOREIGN, names)
                if any('_PARENT_10DE_2236' in name for name in names):
                    self.assertNotIn(ACCEPT, names)
        self.assertGreater(step, 5)
        self.wait_for(lambda: self.carried(OTHER), 'it does not recover')
        self.assertFalse(self.carried(ACCEPT))

    def kill_at(self, step):
        """Kill the service before its nth request; return if it sent fewer."""
        count = itertools.count(1)
        killed = []

        def kill(*_):
            if next(count) == step:
                killed.append(step)
                self.end(self.service, signal.SIGKILL)

        self.placement.before = kill
        self.start()
        self.wait_for(lambda: killed or self.carried(OTHER), 'neither')
        self.placement.before = None
        self.end(self.service)
        return not killed
