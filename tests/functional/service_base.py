# SPDX-License-Identifier: Apache-2.0
"""The service as a process, watched through systemd's protocol."""

import contextlib
import json
import os
import signal
import socket
import subprocess

from tests.functional import collector_base
from tests import waiting


class ServiceTestCase(collector_base.CollectorTestCase):
    """Starts the real command as a service."""

    def setUp(self):
        super().setUp()
        self.options['interval'] = '1'
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.notified.close)
        self.notified.bind(f'{self.home}/notify')
        self.notified.setblocking(False)
        self.heard = set()

    def start(self):
        """Start the service; it ends with the test."""
        self.log = self.enterContext((self.home / 'log').open('a+'))
        self.service = subprocess.Popen(
            [collector_base.COMMAND, *self.write_config()],
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
            env={**os.environ, 'NOTIFY_SOCKET': f'{self.home}/notify'},
        )
        self.addCleanup(self.end, self.service)

    def end(self, service, with_signal=signal.SIGKILL):
        """End a service and its children; return its status."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(service.pid, with_signal)
        return service.wait(waiting.DEADLINE)

    def wait_for(self, condition, why):
        """Wait until a condition is true; return its value."""

        def holds():
            self.is_ready()  # receives the notifications, as systemd does
            return condition()

        return waiting.wait_for(holds, lambda: f'{why}\n{self.said()[-3000:]}')

    def said(self):
        """Return what was logged."""
        return (self.home / 'log').read_text()

    def state(self):
        """Return the state file, as soon as the service has written it."""
        path = self.home / 'state.json'
        return self.wait_for(
            lambda: json.loads(path.read_text()), 'no state file'
        )

    def status(self, *args, status=0):
        """Return what the command "status" prints.

        It runs until it ends with this status: with such a short interval, a
        busy machine may miss some passes.
        """
        config = self.write_config()
        command = [collector_base.COMMAND, *config, 'status', *args]

        def shown():
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=waiting.DEADLINE,
                check=False,
            )
            return done.returncode == status and done.stdout

        return self.wait_for(shown, f'the status is not {status}')

    def is_ready(self):
        """Return whether the service has sent READY to systemd."""
        while True:
            try:
                self.heard.add(self.notified.recv(1000).decode())
            except BlockingIOError:
                return 'READY=1' in self.heard

    def start_and_wait(self):
        self.start()
        self.wait_for(self.is_ready, 'it did not become ready')

    def passes(self, count=2):
        """Wait for so many further passes.

        Every pass begins with a request for the tree.
        """
        before = self.trees()
        self.wait_for(lambda: self.trees() > before + count, 'no further pass')

    def trees(self):
        return list(self.placement.requests).count(
            ('GET', '/resource_providers')
        )

    def writes(self):
        requests = list(self.placement.requests)
        return [path for method, path in requests if method == 'PUT']
