# SPDX-License-Identifier: Apache-2.0
"""The reconcile loop, run after run, and what wakes it.

The events are real ones of libvirt's test driver, in this process.
"""

import threading
from unittest import mock

import fixtures
import libvirt
from oslo_config import fixture as config_fixture

from nova_mdev_compat.daemons import annotator
from nova_mdev_compat.daemons import domains
from nova_mdev_compat.late_check import domain_xml
from tests.unit.daemons.annotator import base

DEADLINE = 30


class LoopTest(base.AnnotatorTestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=20))
        self.told = []
        self.loop = annotator.AnnotatorLoop(self.conf, self.told.append)

    def run_once(self):
        """Run once; return the seconds to sleep, and the notifications."""
        self.told.clear()
        return self.loop.run_once(), list(self.told)

    def refuse(self, error):
        """Make every run raise an error until the end of the with."""
        return mock.patch.object(
            annotator.Annotator, 'annotate', side_effect=error
        )

    def assert_about(self, expected, seconds):
        """The jitter is up to a tenth."""
        self.assertLessEqual(abs(seconds - expected), expected * 0.1001)

    def test_good(self):
        """READY is sent once, WATCHDOG after every run."""
        self.domain()
        status = 'STATUS=1 domain with annotated devices'
        pause, told = self.run_once()
        self.assert_about(60, pause)
        self.assertEqual(['READY=1', 'WATCHDOG=1', status], told)
        self.assertEqual(['WATCHDOG=1', status], self.run_once()[1])
        self.assertIn(
            f'domain vm: mdev {self.uuids[0]}: 10de:2230', self.log.output
        )

    def test_bad_at_first(self):
        with self.refuse(domains.LibvirtTimeout('nobody\nanswers')):
            pauses = []
            for _ in range(8):
                pause, told = self.run_once()
                pauses.append(pause)
                self.assertEqual(['WATCHDOG=1', 'STATUS=nobody answers'], told)
        for expected, pause in zip(
            (2, 4, 8, 16, 32, 60, 60, 60), pauses, strict=True
        ):
            self.assert_about(expected, pause)
        self.assertIn('READY=1', self.run_once()[1])
        self.assertIn('Succeeded again, after 8 failures', self.log.output)
        self.assert_about(60, self.run_once()[0])

    def test_one_domain_fails(self):
        """The run has failed, but the other domain is annotated."""
        domain = self.domain()
        self.domain(
            'bad',
            metadata='<a:b xmlns:a="a:b">' + 'x' * (5 * 2**20) + '</a:b>',
        )
        pause, told = self.run_once()
        self.assert_about(2, pause)
        self.assertNotIn('READY=1', told)
        self.assertIn('STATUS=domain bad: its XML has more than 4 MiB', told)
        self.assertIn('domain bad: its XML has more', self.log.output)
        self.assertEqual(self.known_mdevs(), self.annotated(domain))

    def test_bug(self):
        """The service goes on, and the log has the traceback."""
        with self.refuse(ZeroDivisionError('oops')):
            pause, told = self.run_once()
        self.assert_about(2, pause)
        self.assertIn('STATUS=ZeroDivisionError: oops', told)
        self.assertIn('this is a bug', self.log.output)
        self.assertIn('READY=1', self.run_once()[1])

    def test_unknown(self):
        """It is not a failure; the log has it once, each status has it."""
        self.domain()
        (self.home / 'devices.json').unlink()
        for _ in range(3):
            pause, told = self.run_once()
            self.assert_about(60, pause)
            self.assertIn('is not there', told[-1])
        words = f'mdev {self.uuids[0]} of domain vm: {self.home}/devices.json'
        self.assertEqual(1, self.log.output.count(words))
        self.write_devices_file()
        self.assertNotIn('is not there', self.run_once()[1][-1])

    def test_busy(self):
        """It is tried again soon, and is not a failure.

        A stand-in: the test driver has no jobs.
        """
        self.domain()
        with mock.patch.object(
            libvirt.virDomain,
            'jobInfo',
            return_value=[libvirt.VIR_DOMAIN_JOB_BOUNDED],
        ):
            pause, told = self.run_once()
        self.assert_about(5, pause)
        self.assertIn('READY=1', told)
        self.assert_about(60, self.run_once()[0])


class ServiceTest(base.AnnotatorTestCase):
    """The interval is an hour, so only events cause a run."""

    def setUp(self):
        super().setUp()
        self.useFixture(config_fixture.Config(self.conf)).config(
            group='annotator', interval=3600
        )
        self.told = []
        self.more = threading.Condition()
        self.service = annotator.AnnotatorService(0, self.conf, self.tell)
        self.thread = threading.Thread(target=self.service.run)
        self.thread.start()
        self.addCleanup(self.thread.join)
        self.addCleanup(self.service.terminate)
        # The second is because it has connected to hear events.
        self.wait_for(lambda: self.told.count('WATCHDOG=1') >= 2)

    def tell(self, what):
        with self.more:
            self.told.append(what)
            self.more.notify_all()

    def wait_for(self, condition):
        with self.more:
            self.assertTrue(self.more.wait_for(condition, DEADLINE), self.told)

    def wait_for_right(self, domain, mdevs):
        self.wait_for(lambda: self.both_annotated(domain) == (mdevs, mdevs))

    def test_start_and_removed_annotation(self):
        """One write corrects it; the event of this write causes none."""
        domain = self.domain()
        self.wait_for_right(domain, self.known_mdevs())
        self.assertEqual(['vm'], self.writes)
        for count in (2, 3):
            domain.setMetadata(
                libvirt.VIR_DOMAIN_METADATA_ELEMENT,
                None,
                domain_xml.KEY,
                domain_xml.NAMESPACE,
                libvirt.VIR_DOMAIN_AFFECT_LIVE,
            )
            self.wait_for_right(domain, self.known_mdevs())
            # Ours, and the service's.
            self.assertEqual(1 + 2 * (count - 1), len(self.writes))
        # Whatever the writes have caused has been done when another domain,
        # which came after them, is.
        other = self.domain('other')
        self.wait_for_right(other, self.known_mdevs())
        self.assertEqual(['vm'] * 5 + ['other'], self.writes)

    def test_reload(self):
        """It reads the devices file that the collector has written since."""
        domain = self.domain()
        self.wait_for_right(domain, self.known_mdevs())
        parent = next(iter(self.known))
        self.known[parent] = base.device(self.identities[1])
        self.write_devices_file()
        self.service.reload()
        self.wait_for(
            lambda: self.annotated(domain)[0].identity.parent == '10DE_2231'
        )

    def test_terminate(self):
        self.service.terminate()
        self.thread.join(DEADLINE)
        self.assertFalse(self.thread.is_alive())
        self.assertIn('STOPPING=1', self.told)
