# SPDX-License-Identifier: Apache-2.0
"""What "make cloud" has started is ended, and nothing else."""

import json
import pathlib
import subprocess
import sys

import fixtures
import psutil
import testtools

from tests.cloud import process

SLEEP = [sys.executable, '-c', 'import time; time.sleep(600)']
#: Does not heed SIGTERM, and says once that it does not.
STUBBORN = [
    sys.executable,
    '-c',
    'import signal, time\n'
    'signal.signal(signal.SIGTERM, signal.SIG_IGN)\n'
    'print("ready", flush=True); time.sleep(600)',
]


class ForgetTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        home = self.useFixture(fixtures.TempDir()).path
        self.path = pathlib.Path(home) / 'pids.json'

    def start(self, argv=SLEEP):
        one = subprocess.Popen(argv, stdout=subprocess.PIPE)
        self.addCleanup(one.stdout.close)
        self.addCleanup(one.wait)
        self.addCleanup(one.kill)
        return one

    def write(self, *some):
        self.path.write_text(json.dumps(some))

    def test_what_was_left_is_ended(self):
        one = self.start()
        self.write([one.pid, psutil.Process(one.pid).create_time()])
        self.assertEqual(1, process.forget(self.path))
        self.assertFalse(psutil.pid_exists(one.pid))
        self.assertFalse(self.path.exists())

    def test_another_has_its_id_by_now(self):
        one = self.start()
        self.write([one.pid, psutil.Process(one.pid).create_time() - 60])
        self.assertEqual(0, process.forget(self.path))
        self.assertIsNone(one.poll())

    def test_nothing_was_left(self):
        self.assertEqual(0, process.forget(self.path))

    def test_remembered(self):
        one = self.start()
        process.remember(self.path)
        self.assertIn(
            one.pid, [pid for pid, _ in json.loads(self.path.read_text())]
        )

    def test_one_that_does_not_want_to(self):
        one = self.start(STUBBORN)
        self.assertEqual(b'ready\n', one.stdout.readline())
        self.assertEqual([], process.end([psutil.Process(one.pid)], 0.5))
        self.assertFalse(psutil.pid_exists(one.pid))


class ProcessTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.home / 'log').mkdir()

    def test_one_that_ends_by_itself(self):
        one = process.Process(
            'liar',
            [sys.executable, '-c', 'raise SystemExit("no reason")'],
            self.home,
        )
        one.start()
        error = self.assertRaises(
            process.Failure, process.wait_for, lambda: not one.check(), 'end'
        )
        self.assertIn('liar has ended with 1', str(error))
        self.assertIn('no reason', str(error))

    def test_one_that_was_killed(self):
        one = process.Process('victim', SLEEP, self.home)
        one.start()
        one.kill()
        self.assertFalse(psutil.pid_exists(one.pid))
        self.assertIs(one, one.check())

    def test_a_command_that_fails(self):
        error = self.assertRaises(
            process.Failure,
            process.command,
            'setup',
            [sys.executable, '-c', 'raise SystemExit("why not")'],
            self.home,
        )
        self.assertIn('why not', str(error))

    def test_nothing_of_ours_is_in_its_environment(self):
        self.useFixture(fixtures.EnvironmentVariable('OS_CLOUD', 'real'))
        self.useFixture(fixtures.EnvironmentVariable('PYTHONPATH', '/x'))
        found = process.environment({'OS_USERNAME': 'admin'})
        self.assertEqual(
            ['OS_USERNAME'],
            [name for name in found if name.startswith(('OS_', 'PYTHON'))],
        )

    def test_too_late(self):
        error = self.assertRaises(
            process.Failure,
            process.wait_for,
            lambda: False,
            'come',
            deadline=0.1,
            pause=0.05,
        )
        self.assertEqual('did not come within 0.1 s', str(error))
