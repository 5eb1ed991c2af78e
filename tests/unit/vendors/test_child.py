# SPDX-License-Identifier: Apache-2.0

import itertools
import logging
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time
import types

import ddt
import fixtures
import testtools

from nova_mdev_compat.vendors import child
from tests.unit import packages

#: Seconds that a question may take: longer than any test.
LONG = 100
DEADLINE = 60
#: A question to itself, of a process that is killed meanwhile.
ASKER = """
import sys
sys.path[:] = {path!r}
from nova_mdev_compat.vendors import child
child.Child('a_plugin_lib', {timeout}).ask({question!r})
"""
#: Starts another process, writes both process ids to a file, and hangs; without
#: a file it answers.
HANG = """
import os, pathlib, subprocess, time

def answer(path):
    if path:
        other = subprocess.Popen(['sleep', '1000'])
        part = pathlib.Path(path + '.part')
        part.write_text(f'{os.getpid()} {other.pid}')
        part.rename(path)
    yield 'first'
    if path:
        time.sleep(1000)
"""


def is_gone(pid):
    """Tell whether a process has ended, also where nobody waits for it."""
    try:
        status = pathlib.Path(f'/proc/{pid}/stat').read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(')')[2].split()[0] == 'Z'


class ChildTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.packages = self.useFixture(packages.Packages())
        self.pids = self.packages.home / 'pids'

    def child(self, text, timeout=LONG):
        """Return a child with a module of this text."""
        self.packages.write('lib', text)
        return child.Child('a_plugin_lib', timeout)

    def child_with(self, body):
        """Return a child with a function answer() that has this body."""
        return self.child(
            'import os, sys\n\ndef answer(question):\n'
            + textwrap.indent(textwrap.dedent(body), '    ')
        )

    def answers(self, body, question=None):
        return self.child_with(body).ask(question)

    def set_clock(self, now):
        """Replace the clock of the process that asks.

        :param now: returns seconds
        """
        clock = types.SimpleNamespace(monotonic=now)
        self.useFixture(
            fixtures.MonkeyPatch('nova_mdev_compat.vendors.child.time', clock)
        )

    def wait_for(self, condition, why):
        end = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > end:
                self.fail(why)
            time.sleep(0.02)


@ddt.ddt
class AnswerTest(ChildTestCase):
    def test_items(self):
        question = {'board': ['0000:81:00.0'], 'text': 'ä \udcff\n', 'n': None}
        self.assertEqual(
            child.Answers((question, 'ä', [1.5, None], {}), None),
            self.answers(
                "yield question\nyield 'ä'\nyield [1.5, None]\nyield {}",
                question,
            ),
        )

    def test_nothing(self):
        self.assertEqual(child.Answers((), None), self.answers('return []'))

    def test_each_time_anew(self):
        asked = self.child_with('yield os.getpid()')
        (first,), (second,) = asked.ask(None).items, asked.ask(None).items
        self.assertEqual(3, len({first, second, os.getpid()}))
        self.assertTrue(is_gone(first))

    def test_module_that_was_upgraded(self):
        asked = self.child_with('yield "old"')
        self.assertEqual(('old',), asked.ask(None).items)
        self.child_with('yield "newer"')
        self.assertEqual(('newer',), asked.ask(None).items)

    @ddt.named_data(
        ['print', 'print("[1]", flush=True)'],
        ['stdout', 'os.write(1, b"[1]\\n")'],
        ['another_process', 'os.system("echo [1]")'],
        ['stderr', 'os.write(2, b"[1]\\n")'],
        ['more_than_a_pipe_holds', 'os.write(1, b"[1]\\n" * 100000)'],
        ['reads', 'sys.stdin.read()'],
    )
    @ddt.unpack
    def test_output_is_not_an_answer(self, noise):
        self.assertEqual(
            child.Answers((2,), None),
            self.answers(f'{noise}\nyield 2\n{noise}'),
        )

    def test_output_is_logged(self):
        log = self.useFixture(
            fixtures.FakeLogger(
                'nova_mdev_compat.vendors.child', level=logging.DEBUG
            )
        )
        self.answers('print("Xid 79")\nyield 2')
        self.assertIn('Xid 79', log.output)

    def test_neither_environment_nor_directory_counts(self):
        """Only what this process itself would load."""
        trap = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name in ('json', 'ctypes', 'a_plugin_lib', 'sitecustomize'):
            (trap / f'{name}.py').write_text('raise RuntimeError("a trap")')
        asked = self.child_with('yield os.getcwd()')
        self.useFixture(fixtures.EnvironmentVariable('PYTHONPATH', str(trap)))
        self.useFixture(fixtures.EnvironmentVariable('PYTHONHOME', str(trap)))
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(trap)
        # "python -m" puts this there.
        self.useFixture(fixtures.MonkeyPatch('sys.path', ['', *sys.path]))
        self.assertEqual(child.Answers(('/',), None), asked.ask(None))

    def test_other_variables_do(self):
        """A loader's, for example."""
        self.useFixture(
            fixtures.EnvironmentVariable('LD_LIBRARY_PATH', '/opt/lib')
        )
        self.assertEqual(
            ('/opt/lib',),
            self.answers('yield os.environ["LD_LIBRARY_PATH"]').items,
        )

    def test_session(self):
        """SIGHUP to the collector's group does not reach it."""
        (session,) = self.answers('yield os.getsid(0)').items
        self.assertNotEqual(os.getsid(0), session)


@ddt.ddt
class TroubleTest(ChildTestCase):
    def assert_trouble(self, regex, found, items=('first',)):
        self.assertEqual(items, found.items)
        self.assertRegex(found.trouble, f'^{regex}$')

    @ddt.named_data(
        [
            'raises',
            'raise ValueError("no board")',
            'ended with status 1; it printed: ValueError: no board',
        ],
        ['exits', 'sys.exit(3)', 'ended with status 3'],
        ['exits_at_once', 'os._exit(4)', 'ended with status 4'],
        [
            'no_json',
            'yield object()',
            'ended with status 1; it printed: TypeError: .*',
        ],
        [
            'segfault',
            'import ctypes; ctypes.string_at(0)',
            'was terminated by SIGSEGV',
        ],
        ['aborts', 'os.abort()', 'was terminated by SIGABRT'],
        ['killed', 'os.kill(os.getpid(), 9)', 'was terminated by SIGKILL'],
        [
            'real_time_signal',
            'os.kill(os.getpid(), 40)',
            'was terminated by signal 40',
        ],
        [
            'noise_not_in_utf_8',
            'os.write(2, b"free(): \\xff\\n\\n"); os.abort()',
            'was terminated by SIGABRT; it printed: free\\(\\): \ufffd',
        ],
        [
            'long_noise',
            'print("x" * 10**6, flush=True); os.abort()',
            'was terminated by SIGABRT; it printed: x{200}',
        ],
    )
    @ddt.unpack
    def test_ending(self, body, regex):
        """What it has answered before counts."""
        self.assert_trouble(regex, self.answers(f'yield "first"\n{body}'))

    @ddt.named_data(
        [
            'missing',
            'import a_library_that_is_not_there',
            'ended with status 1; it printed: ModuleNotFoundError: No module '
            "named 'a_library_that_is_not_there'",
        ],
        ['empty', '', 'ended with status 1; it printed: AttributeError: .*'],
    )
    @ddt.unpack
    def test_module(self, text, regex):
        self.assert_trouble(regex, self.child(text).ask(None), ())

    @ddt.named_data(
        ['half', b'"first"\n[1', r"answered with invalid JSON: b'\[1'"],
        [
            'text',
            b'"first"\nnvml: hello\n2\n',
            "answered with invalid JSON: b'nvml: .*",
        ],
        ['bytes', b'"first"\n\xff\n', 'answered with invalid JSON: .*'],
        [
            'deep',
            b'"first"\n' + b'[' * 10**6 + b'\n',
            'answered with invalid JSON: .*',
        ],
    )
    @ddt.unpack
    def test_no_answer(self, text, regex):
        """Something writes to where only answers go."""
        self.assert_trouble(
            regex,
            self.answers(f"""
            for number in range(3, 20):
                try:
                    os.write(number, {text[:20]!r} + {text[20:21]!r}
                             * {len(text[20:])})
                except OSError:
                    pass
            return []
            """),
        )

    def test_too_much(self):
        found = self.answers("""
            yield 'first'
            while True:
                yield 'x' * 100000
            """)
        self.assertEqual('first', found.items[0])
        self.assertEqual(
            'answered more than 1048576 bytes and was killed', found.trouble
        )

    def test_endless_output(self):
        """It does not fill the memory."""
        self.set_clock(itertools.count().__next__)
        found = self.answers("""
            yield 'first'
            while True:
                print('x' * 100)
            """)
        self.assert_trouble(
            'did not answer within 80 seconds and was killed; it printed: x+',
            found,
        )

    def test_cannot_be_started(self):
        asked = self.child('')
        self.useFixture(
            fixtures.MonkeyPatch('sys.executable', '/nowhere/python')
        )
        self.assert_trouble(
            'could not be started: .*/nowhere/python.*', asked.ask(None), ()
        )


class HangTest(ChildTestCase):
    def setUp(self):
        super().setUp()
        # The time is over when the child hangs.
        self.set_clock(lambda: 1000 if self.pids.exists() else 0)

    def two(self):
        return map(int, self.pids.read_text().split())

    def test_killed_with_all_its_processes(self):
        asked = self.child(HANG)
        self.assertEqual(
            child.Answers(
                ('first',), 'did not answer within 80 seconds and was killed'
            ),
            asked.ask(str(self.pids)),
        )
        first, second = self.two()
        self.assertTrue(is_gone(first))
        self.wait_for(lambda: is_gone(second), 'it goes on')
        self.assertEqual(child.Answers(('first',), None), asked.ask(None))

    def test_does_not_end(self):
        """As one in an uninterruptible call does not."""
        asked = self.child(HANG, timeout=2.5)
        with fixtures.MonkeyPatch('os.killpg', lambda *args: None):
            found = asked.ask(str(self.pids))
        pid, _ = self.two()
        self.addCleanup(lambda: is_gone(pid) or os.killpg(pid, 9))
        self.assertEqual(
            child.Answers(
                ('first',),
                'did not answer within 2 seconds, was killed, and '
                f'has not ended: it hangs in the kernel (process {pid})',
            ),
            found,
        )

        before = self.pids.stat()
        for _ in range(2):
            self.assertEqual(
                child.Answers(
                    (),
                    f'of an earlier question, process {pid}, was killed and '
                    'has not ended: it hangs in the kernel; no other process '
                    'starts before it ends',
                ),
                asked.ask(str(self.pids)),
            )
        self.assertEqual(before, self.pids.stat())

        os.killpg(pid, signal.SIGKILL)
        self.wait_for(lambda: is_gone(pid), 'it goes on')
        self.assertEqual(child.Answers(('first',), None), asked.ask(None))
        # And it was waited for.
        self.assertFalse(os.path.exists(f'/proc/{pid}'))

    def test_whoever_asks_is_killed(self):
        """A service that ends leaves none behind."""
        self.packages.write('lib', HANG)
        text = ASKER.format(
            path=sys.path, timeout=LONG * 10, question=str(self.pids)
        )
        process = subprocess.Popen([sys.executable, '-c', text])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.wait_for(self.pids.exists, 'it does not ask')
        pid, other = self.two()
        self.addCleanup(os.kill, other, signal.SIGKILL)
        self.assertFalse(is_gone(pid))
        process.kill()
        self.wait_for(lambda: is_gone(pid), 'it goes on')

    def test_whoever_asks_was_killed_before(self):
        """The child notices when it starts."""
        main = child.child_main.__file__
        done = subprocess.run(
            [sys.executable, '-I', main, '{"parent": 1000000000}'],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(
            (1, 'the process that asked is gone\n'),
            (done.returncode, done.stderr),
        )
