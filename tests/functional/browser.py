# SPDX-License-Identifier: Apache-2.0
"""A real browser without a window: Chromium, by its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/, in JSON with a NUL after
each message, on two pipes that Chromium has as its descriptors 3 and 4.
"""

import base64
import fcntl
import io
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import time

import fixtures
from PIL import Image

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
OPTIONS = (
    '--headless',
    '--remote-debugging-pipe',
    '--disable-gpu',
    # There is none for the superuser, nor in most containers; all that is
    # ever opened are pages of ours.
    '--no-sandbox',
    # It would be in /dev/shm, which in containers is small.
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--disable-extensions',
    '--disable-component-update',
    '--disable-background-networking',
    '--force-device-scale-factor=1',
)
#: As tests.waiting has it; this file is run as a program, too.
DEADLINE = 120
#: What the page itself, or the browser about it, has to say.
COMPLAINTS = (
    'Runtime.consoleAPICalled',
    'Runtime.exceptionThrown',
    'Log.entryAdded',
    'Page.javascriptDialogOpening',
)


class Browser(fixtures.Fixture):
    """Opens pages, one at a time, and says what became of them.

    :ivar events: what the browser has reported of the page, in order
    """

    def _setUp(self):
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.events = []
        self._received = b''
        self._number = 0
        self._session = None
        self._start()
        self.addCleanup(self._end)
        target = self.call('Target.createTarget', url='about:blank')
        self._session = self.call(
            'Target.attachToTarget', flatten=True, **target
        )['sessionId']
        for domain in ('Page', 'Network', 'Runtime', 'Log'):
            self.call(f'{domain}.enable')

    def _start(self):
        theirs_in, self._commands = os.pipe()
        self._replies, theirs_out = os.pipe()
        command = [_executable(), *OPTIONS, f'--user-data-dir={self.home}']
        with (self.home / 'stderr').open('wb') as stderr:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    __file__,
                    str(theirs_in),
                    str(theirs_out),
                    *command,
                ],
                pass_fds=(theirs_in, theirs_out),
                env={**os.environ, 'HOME': str(self.home)},
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                start_new_session=True,
            )
        os.close(theirs_in)
        os.close(theirs_out)

    def _end(self):
        self._session = None
        try:
            self.call('Browser.close')
            self._process.wait(DEADLINE)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            os.close(self._commands)
            os.close(self._replies)

    # The protocol

    def call(self, method, **params):
        """Call a method; return its result."""
        self._number += 1
        message = {'id': self._number, 'method': method, 'params': params}
        if self._session:
            message['sessionId'] = self._session
        data = json.dumps(message).encode() + b'\0'
        while data:
            data = data[os.write(self._commands, data) :]
        reply = self._until(lambda got: got.get('id') == self._number)
        if 'error' in reply:
            raise AssertionError(f'{method}: {reply["error"]}')
        return reply['result']

    def _until(self, wanted):
        """Return the next message that is wanted; keep events."""
        deadline = time.monotonic() + DEADLINE
        while True:
            message = self._receive(deadline)
            if 'method' in message:
                self.events.append(message)
            if wanted(message):
                return message

    def _receive(self, deadline):
        while b'\0' not in self._received:
            ready, _, _ = select.select(
                [self._replies], [], [], max(0, deadline - time.monotonic())
            )
            data = os.read(self._replies, 1 << 20) if ready else b''
            if not data:
                raise AssertionError(
                    'Chromium does not answer: '
                    + (self.home / 'stderr').read_text(errors='replace')
                )
            self._received += data
        message, _, self._received = self._received.partition(b'\0')
        return json.loads(message)

    # Pages

    def open(self, path, width=1280, height=900):
        """Open a file in a window of this size, and wait until it is there."""
        self.resize(width, height)
        self.events.clear()
        self.call('Page.navigate', url=path.as_uri())
        if not self._reported('Page.loadEventFired'):
            self._until(lambda got: got.get('method') == 'Page.loadEventFired')
        self.evaluate('document.fonts.ready.then(() => true)')

    def resize(self, width, height=900):
        self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def prefer(self, scheme):
        """Have a reader who likes pages 'dark', or 'light'."""
        self.call(
            'Emulation.setEmulatedMedia',
            features=[{'name': 'prefers-color-scheme', 'value': scheme}],
        )

    def evaluate(self, expression):
        """Return what a JavaScript expression is, as JSON has it."""
        found = self.call(
            'Runtime.evaluate',
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        if 'exceptionDetails' in found:
            raise AssertionError(found['exceptionDetails'])
        return found['result'].get('value')

    def point_at(self, x, y):
        """Move the mouse there."""
        self.call('Input.dispatchMouseEvent', type='mouseMoved', x=x, y=y)

    def screenshot(self):
        """Return what is to be seen, as an image."""
        found = self.call('Page.captureScreenshot', format='png')
        return Image.open(io.BytesIO(base64.b64decode(found['data']))).convert(
            'RGB'
        )

    def accessible(self):
        """Return role and name of what a screen reader is told of."""
        return [
            (node['role']['value'], node['name']['value'])
            for node in self.call('Accessibility.getFullAXTree')['nodes']
            if 'role' in node and 'name' in node
        ]

    def requests(self):
        """Return the URLs that the page asked for, itself among them."""
        return [
            event['params']['request']['url']
            for event in self._reported('Network.requestWillBeSent')
        ]

    def complaints(self):
        return [event['params'] for event in self._reported(*COMPLAINTS)]

    def _reported(self, *methods):
        return [event for event in self.events if event['method'] in methods]


def _executable():
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise AssertionError(
        f'no browser: none of {", ".join(NAMES)} is in PATH; "bindep test" '
        'names the package'
    )


def main(read, write, *command):
    """Become Chromium, whose pipes have fixed numbers."""
    pipes = [
        fcntl.fcntl(int(pipe), fcntl.F_DUPFD_CLOEXEC, 10)
        for pipe in (read, write)
    ]
    for number, pipe in enumerate(pipes, 3):
        os.dup2(pipe, number)
    os.execv(command[0], command)  # noqa: S606 - no shell is meant


if __name__ == '__main__':
    main(*sys.argv[1:])
