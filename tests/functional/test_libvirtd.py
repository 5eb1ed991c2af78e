# SPDX-License-Identifier: Apache-2.0
"""The service and a real libvirtd: events, restarts, hangs.

libvirt has no devices here that can create mdevs, so this host publishes only
its root provider. That is enough to see when passes run, and that failed
passes lose nothing.
"""

import os
import pathlib
import signal
import time

from nova_mdev_compat.core import traits
from tests.functional import libvirtd
from tests.functional import service_base
from tests import waiting

#: Seconds without a pass after which no pass follows: an event causes one
#: within two seconds, or later on a busy machine.
QUIET = 4


class LibvirtdTest(service_base.ServiceTestCase):
    def setUp(self):
        super().setUp()
        self.libvirtd = self.useFixture(libvirtd.Libvirtd())
        # Nothing but what libvirt does can cause a pass.
        self.options |= {
            'libvirt_uri': self.libvirtd.uri(),
            'libvirt_timeout': '2',
            'interval': '3600',
        }
        for uuid in (self.root, *self.boards):
            self.placement.add_trait(uuid, 'CUSTOM_GOLD')
        self.start_and_wait()
        self.listening(since=0)
        self.settle()
        self.before = self.published()
        gold = {'CUSTOM_GOLD'}
        self.assertEqual(
            [gold | {traits.SCHEMA, traits.HOST}, gold, gold], self.before
        )
        self.addCleanup(self.assert_nothing_lost)

    def assert_nothing_lost(self):
        self.assertEqual(self.before, self.published())

    def listened(self):
        """Return how often the service has begun to listen."""
        return self.said().count('Listening')

    def listening(self, since):
        """Wait until it has begun to listen more often than that."""
        self.wait_for(lambda: self.listened() > since, 'it does not listen')

    def settle(self):
        """Wait until no more passes are made."""
        seen = [self.trees(), time.monotonic()]

        def is_quiet():
            if self.trees() != seen[0]:
                seen[:] = self.trees(), time.monotonic()
            return time.monotonic() > seen[1] + QUIET

        self.wait_for(is_quiet, 'passes without end')

    def failed(self, *words, times=1):
        """Wait for so many failures in a row, the last for this reason."""

        def is_so():
            state = self.state()
            return state['failures'] >= times and all(
                word in state['error'] for word in words
            )

        self.wait_for(is_so, f'no failure with {words}')

    def recovered(self):
        self.wait_for(lambda: not self.state()['failures'], 'no good pass')

    def worker(self, what):
        """Return how many of something the worker process has."""
        (child,) = [
            child
            for path in pathlib.Path(f'/proc/{self.service.pid}/task').glob(
                '*/children'
            )
            for child in path.read_text().split()
        ]
        return len(os.listdir(f'/proc/{child}/{what}'))

    def assert_has(self, files=None, threads=None):
        """Wait until the worker has so many of them.

        A call that takes long has a thread for a while.
        """

        def has():
            return (files is None or self.worker('fd') == files) and (
                threads is None or self.worker('task') == threads
            )

        self.wait_for(
            has,
            lambda: (
                f'{files} files, {threads} threads are not {self.worker("fd")}, '
                f'{self.worker("task")}'
            ),
        )

    def assert_event_wakes(self, count=1):
        before = self.trees()
        self.libvirtd.define(count)
        self.wait_for(lambda: self.trees() > before, 'the event woke nobody')

    def test_event(self):
        """An event on a read-only connection causes a pass."""
        self.assert_event_wakes()

    def test_burst(self):
        """Forty events cause a few passes."""
        count = self.trees()
        self.assert_event_wakes(20)
        self.settle()
        self.assertLess(self.trees() - count, 10)

    def test_killed_and_started_again(self):
        """The service reports it at once, and recovers; nothing leaks."""
        files, threads = self.worker('fd'), self.worker('task')
        for _ in range(2):
            listened = self.listened()
            self.libvirtd.kill()
            self.failed('libvirt at', 'whether the daemon runs')
            self.status(status=1)
            self.libvirtd.start()
            self.recovered()
            self.listening(since=listened)
            self.settle()
            self.status()
            self.assert_event_wakes()
            self.settle()
        self.assert_has(files, threads)

    def test_hanging(self):
        """Passes are given up; no more than one call is ever stuck."""
        threads = self.worker('task')
        with self.libvirtd.hanging():
            os.kill(self.service.pid, signal.SIGHUP)
            self.failed('has not answered for 2 seconds')
            self.failed('still has not answered', times=3)
            self.assert_has(threads=threads + 1)
            self.status(status=1)
        self.recovered()
        self.settle()
        self.assert_has(threads=threads)
        self.assert_event_wakes()

    def test_hanging_for_long(self):
        """The connection is given up, too, and made anew afterwards."""
        listened = self.listened()
        with self.libvirtd.hanging():
            # The service notices only the missing answers.
            self.failed('has not answered for 2 seconds')
        self.recovered()
        self.listening(since=listened)
        self.assert_event_wakes()

    def test_ends_while_it_hangs(self):
        with self.libvirtd.hanging():
            os.kill(self.service.pid, signal.SIGHUP)
            self.failed('has not answered for 2 seconds')
            self.service.terminate()
            self.assertEqual(0, self.service.wait(waiting.DEADLINE))
