# SPDX-License-Identifier: Apache-2.0

import threading

import ddt
import testtools

from nova_mdev_compat.common import time_limit
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.host import node_devices

#: Seconds: longer than a test, and short enough to wait for.
LONG, SHORT = 600, 0.05


@ddt.ddt
class AnswerTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.limited = time_limit.TimeLimit('the oracle', LONG)

    @ddt.data('yes', 0, False, None, ())
    def test_answer(self, answer):
        self.assertIs(answer, self.limited.ask(lambda: answer))

    def test_it_is_asked_in_another_thread(self):
        """One that does not keep the process from ending."""
        thread = self.limited.ask(threading.current_thread)
        self.assertIsNot(threading.current_thread(), thread)
        self.assertEqual(('the oracle', True), (thread.name, thread.daemon))

    @ddt.data(
        ValueError('no'),
        exceptions.BadInput('no'),
        SystemExit(0),
        KeyboardInterrupt(),
        GeneratorExit(),
    )
    def test_an_exception_passes(self, error):
        def ask():
            raise error

        self.assertIs(
            error, self.assertRaises(type(error), self.limited.ask, ask)
        )
        self.assertEqual('yes', self.limited.ask(lambda: 'yes'))

    def test_one_question_after_another(self):
        """The thread of the last one may still be about to end."""
        end = threading.Event()
        self.addCleanup(end.set)

        class EndsLate(threading.Thread):
            def run(self):
                super().run()
                end.wait()

        self.patch(threading, 'Thread', EndsLate)
        answers = [self.limited.ask(lambda n=n: n) for n in range(3)]
        self.assertEqual([0, 1, 2], answers)


@ddt.ddt
class TimeoutTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.limited = time_limit.TimeLimit('the oracle', SHORT)
        self.end = threading.Event()
        self.addCleanup(self.end.set)
        self.begun = threading.Event()
        self.asked = []

    def ask(self, answer):
        """Ask what answers only after the end."""
        self.asked.append(answer)
        self.thread = threading.current_thread()
        self.begun.set()
        self.end.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def refuse(self, question=lambda: 'never asked'):
        error = self.assertRaises(
            exceptions.Failure, self.limited.ask, question
        )
        # The internal timeout is not part of the traceback.
        self.assertIsNone(error.__cause__)
        self.assertTrue(error.__suppress_context__ or not error.__context__)
        return str(error)

    def time_out(self, answer='late'):
        self.assertEqual(
            'the oracle has not answered for 0.05 seconds',
            self.refuse(lambda: self.ask(answer)),
        )
        self.begun.wait()

    def test_no_second_question_before_the_first_is_answered(self):
        self.time_out()
        for _ in range(3):
            self.assertEqual(
                'the oracle still has not answered an earlier question',
                self.refuse(lambda: self.ask('second')),
            )
        self.assertEqual(['late'], self.asked)

    @ddt.data('late', None, ValueError('late'))
    def test_recovery(self, answer):
        """A late answer is ignored."""
        self.time_out(answer)
        self.end.set()
        self.thread.join()
        # That it is answered counts here, not how soon.
        self.limited._limit = LONG
        self.assertEqual('new', self.limited.ask(lambda: 'new'))

    def test_others_are_not_affected(self):
        self.time_out()
        other = time_limit.TimeLimit('another oracle', LONG)
        self.assertEqual('yes', other.ask(lambda: 'yes'))

    def test_the_kind_of_failure(self):
        self.limited = time_limit.TimeLimit(
            'libvirt', SHORT, node_devices.LibvirtError
        )
        for expected in (
            'libvirt has not answered for 0.05 seconds',
            'libvirt still has not answered an earlier question',
        ):
            error = self.assertRaises(
                node_devices.LibvirtError, self.limited.ask, self.end.wait
            )
            self.assertEqual(expected, str(error))
