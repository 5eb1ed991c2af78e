# SPDX-License-Identifier: Apache-2.0
"""The service and a real libvirtd: events, restarts, hangs.

libvirt has no devices here that could make mdevs, so what this host publishes
is its root provider alone, as one without any. It is enough to see when
passes are made, and that nothing is lost in those that fail.
"""

import json
import os
import pathlib
import signal
import time

from nova_mdev_compat import traits
from tests.functional import libvirtd
from tests.functional import service_base

#: For how long nothing happens when nothing will.
QUIET = 2.5


class LibvirtdTest(service_base.ServiceTestCase):

    def setUp(self):
        super().setUp()
        self.libvirtd = self.useFixture(libvirtd.Libvirtd())
        # Nothing but what libvirt does can cause a pass.
        self.options |= {'libvirt_uri': self.libvirtd.uri(),
                         'libvirt_timeout': '2', 'interval': '3600'}
        for uuid in (self.root, *self.boards):
            self.placement.add_trait(uuid, 'CUSTOM_GOLD')
        self.start_and_wait()
        self.listening(times=1)
        self.settle()
        self.before = self.published()
        gold = {'CUSTOM_GOLD'}
        self.assertEqual([gold | {traits.SCHEMA, traits.HOST}, gold, gold],
                         self.before)
        self.addCleanup(self.assert_nothing_lost)

    def assert_nothing_lost(self):
        self.assertEqual(self.before, self.published())

    def listening(self, times):
        """Wait until the service has so often begun to listen."""
        self.wait_for(lambda: self.read_log().count('Listening') == times,
                      f'it does not listen for the {times}. time')

    def read_log(self):
        return (self.home / 'log').read_text()

    def settle(self):
        """Wait until no more passes are made."""
        end = time.monotonic() + service_base.DEADLINE
        count, since = self.trees(), time.monotonic()
        while time.monotonic() < since + QUIET:
            self.assertLess(time.monotonic(), end, 'passes without end')
            if self.trees() != count:
                count, since = self.trees(), time.monotonic()
            time.sleep(0.05)

    def state(self):
        return json.loads((self.home / 'state.json').read_text())

    def failed(self, *words, times=1):
        """Wait for so many failures in a row, the last for this reason."""
        def is_so():
            state = self.state()
            return state['failures'] >= times and all(
                word in state['error'] for word in words)

        self.wait_for(is_so, f'no failure with {words}')

    def recovered(self):
        self.wait_for(lambda: not self.state()['failures'], 'no good pass')

    def worker(self, what):
        """Return how many of something the worker process has."""
        (child,) = [child for path in pathlib.Path(
            f'/proc/{self.service.pid}/task').glob('*/children')
            for child in path.read_text().split()]
        return len(os.listdir(f'/proc/{child}/{what}'))

    def assert_event_wakes(self):
        count = self.trees()
        self.libvirtd.define()
        self.wait_for(lambda: self.trees() > count, 'the event woke nobody')

    def test_event(self):
        """An event on a read-only connection causes a pass."""
        self.assert_event_wakes()

    def test_burst(self):
        """Forty events cause a few passes."""
        count = self.trees()
        self.libvirtd.define(20)
        self.settle()
        self.assertIn(self.trees() - count, range(1, 10))

    def test_killed_and_started_again(self):
        """Noticed at once, said, and overcome; nothing piles up."""
        files, threads = self.worker('fd'), self.worker('task')
        for times in (2, 3):
            self.libvirtd.kill()
            self.failed('libvirt at', 'whether the daemon runs')
            self.run_collector('status', status=1)
            self.libvirtd.start()
            self.recovered()
            self.listening(times)
            self.settle()
            self.run_collector('status')
            self.assert_event_wakes()
            self.settle()
        self.assertEqual((files, threads),
                         (self.worker('fd'), self.worker('task')))

    def test_hanging(self):
        """Passes are given up; no more than one call is ever stuck."""
        threads = self.worker('task')
        with self.libvirtd.hanging():
            os.kill(self.service.pid, signal.SIGHUP)
            self.failed('has not answered for 2 seconds')
            self.failed('still has not answered', times=3)
            self.assertEqual(threads + 1, self.worker('task'))
            self.run_collector('status', status=1)
        self.recovered()
        self.settle()
        self.assertEqual(threads, self.worker('task'))
        self.assert_event_wakes()

    def test_hanging_for_long(self):
        """The connection is given up, too, and made anew afterwards."""
        with self.libvirtd.hanging():
            # Nothing but its silence tells the service.
            self.failed('has not answered for 2 seconds')
        self.recovered()
        self.listening(times=2)
        self.assert_event_wakes()

    def test_ends_while_it_hangs(self):
        with self.libvirtd.hanging():
            os.kill(self.service.pid, signal.SIGHUP)
            self.failed('has not answered for 2 seconds')
            self.service.terminate()
            self.assertEqual(0, self.service.wait(service_base.DEADLINE))
