# SPDX-License-Identifier: Apache-2.0
"""The service as processes, a parent and a worker, and systemd's view."""

import os
import pathlib
import signal

import fixtures

from tests.functional import service_base
from tests import waiting


class ProcessTest(service_base.ServiceTestCase):
    def setUp(self):
        super().setUp()
        self.options['interval'] = '3600'

    def workers(self):
        return [
            int(child)
            for path in pathlib.Path(f'/proc/{self.service.pid}/task').glob(
                '*/children'
            )
            for child in path.read_text().split()
        ]

    def is_gone(self, pid):
        try:
            status = pathlib.Path(f'/proc/{pid}/stat').read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        return status.rpartition(')')[2].split()[0] == 'Z'

    def test_parent_is_killed(self):
        """No worker goes on without it."""
        self.start_and_wait()
        (worker,) = self.workers()
        self.service.kill()
        self.wait_for(lambda: self.is_gone(worker), 'the worker goes on')

    def test_worker_is_killed(self):
        """Another takes its place and publishes."""
        self.start_and_wait()
        (worker,) = self.workers()
        count = self.trees()
        os.kill(worker, signal.SIGKILL)
        self.wait_for(lambda: self.trees() > count, 'no other worker')

    def test_longer_watchdog(self):
        """A service that sleeps for an hour is not taken for dead."""
        self.useFixture(
            fixtures.EnvironmentVariable('WATCHDOG_USEC', '600000000')
        )
        self.start_and_wait()
        self.assertIn('WATCHDOG_USEC=10800000000', self.heard)
        self.service.terminate()
        self.assertEqual(0, self.service.wait(waiting.DEADLINE))
        self.is_ready()
        self.assertIn('STOPPING=1', self.heard)
