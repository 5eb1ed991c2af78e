# SPDX-License-Identifier: Apache-2.0
"""Passes in which domains end, have jobs, fail, or libvirt does not answer."""

import threading

import ddt
import libvirt

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.daemons import annotator
from nova_mdev_compat.host import node_devices
from tests.unit.daemons.annotator import base


@ddt.ddt
class TroubleTest(base.AnnotatorTestCase):
    def before(self, method, do):
        """Let something happen just before libvirt is asked something."""
        real = getattr(libvirt.virDomain, method)

        def call(domain, *args):
            do(domain)
            return real(domain, *args)

        self.patch(libvirt.virDomain, method, call)

    @ddt.data(
        *(
            (method, persistent)
            for method in (
                'isActive',
                'XMLDesc',
                'isPersistent',
                'state',
                'jobInfo',
                'setMetadata',
            )
            for persistent in (True, False)
        )
    )
    @ddt.unpack
    def test_vanishes(self, method, persistent):
        """At any time; the others are done, and nothing has failed."""
        self.domain('short', persistent=persistent)
        other = self.domain('other')

        def end(domain):
            if domain.name() == 'short':
                self.end(domain)

        self.before(method, end)
        summary = self.annotate()
        self.assertEqual(([], []), (summary.failures, summary.busy))
        self.assertEqual(self.known_mdevs(), self.says(other))

    @ddt.data('XMLDesc', 'setMetadata')
    def test_stops(self, method):
        """It is still defined; what it says then is put right next time."""
        domain = self.domain()
        self.before(method, lambda _: domain.isActive() and domain.destroy())
        self.assertEqual(0, self.annotate().written)
        self.assertEqual((None, None), self.says_both(domain))

    @ddt.data('XMLDesc', 'setMetadata')
    def test_one_fails(self, method):
        """The others do not wait for it, and it is named."""
        self.domain('bad')
        others = [self.domain(name) for name in ('a', 'z')]

        def refuse(domain):
            if domain.name() == 'bad':
                raise error('refused', libvirt.VIR_ERR_INTERNAL_ERROR)

        self.before(method, refuse)
        summary = self.annotate(failures=1)
        self.assertEqual(['domain bad: refused'], summary.failures)
        failure = self.assertRaises(exceptions.Failure, summary.check)
        self.assertEqual('domain bad: refused', str(failure))
        for domain in others:
            self.assertEqual(self.known_mdevs(), self.says(domain))

    def test_description_is_too_large(self):
        self.domain(
            'large',
            metadata='<a:b xmlns:a="a:b">' + 'x' * (5 * 2**20) + '</a:b>',
        )
        other = self.domain('other')
        summary = self.annotate(failures=1)
        self.assertEqual(
            ['domain large: its XML has more than 4 MiB'], summary.failures
        )
        self.assertEqual(self.known_mdevs(), self.says(other))

    def job(self, kind):
        """Say that the domain busy has a job.

        A stand-in: the test driver has no jobs, and none that a real libvirt
        could do without a guest takes long enough.
        """
        self.patch(
            libvirt.virDomain,
            'jobInfo',
            lambda domain: [
                kind
                if domain.name() == 'busy'
                else libvirt.VIR_DOMAIN_JOB_NONE
            ],
        )

    @ddt.data(libvirt.VIR_DOMAIN_JOB_BOUNDED, libvirt.VIR_DOMAIN_JOB_UNBOUNDED)
    def test_job(self, kind):
        """A domain with a job is passed over, and done after it."""
        busy, other = self.domain('busy'), self.domain('other')
        self.job(kind)
        self.assertEqual(['busy'], self.annotate().busy)
        self.assertEqual(['busy'], self.annotate().busy)
        self.assertEqual(['other'], self.writes)
        self.assertIsNone(self.says(busy))
        self.assertEqual(self.known_mdevs(), self.says(other))
        self.job(libvirt.VIR_DOMAIN_JOB_NONE)
        self.assertEqual([], self.annotate().busy)
        self.assertEqual(self.known_mdevs(), self.says(busy))

    def test_job_of_a_domain_that_is_right(self):
        """Nobody needs to hear of it."""
        self.domain('busy')
        self.annotate()
        self.job(libvirt.VIR_DOMAIN_JOB_BOUNDED)
        self.assertEqual([], self.annotate().busy)

    def test_job_begins_meanwhile(self):
        """libvirt has waited for its end in vain (a stand-in, as above)."""
        self.domain()

        def refuse(_):
            raise error(
                'cannot acquire state change lock',
                libvirt.VIR_ERR_OPERATION_TIMEOUT,
            )

        self.before('setMetadata', refuse)
        self.assertEqual(['vm'], self.annotate().busy)

    @ddt.data(
        (
            'jobInfo',
            libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
            'migration statistics are available only on the source host',
        ),
        (
            'jobInfo',
            libvirt.VIR_ERR_OPERATION_TIMEOUT,
            'cannot acquire state change lock',
        ),
        *(
            (
                method,
                libvirt.VIR_ERR_OPERATION_FAILED,
                'cannot acquire state change lock due to max_queued limit',
            )
            for method in ('jobInfo', 'setMetadata')
        ),
    )
    @ddt.unpack
    def test_busy(self, method, code, text):
        """It arrives, or others wait already (a stand-in, as above)."""
        busy, other = self.domain('busy'), self.domain('other')

        def refuse(domain):
            if domain.name() == 'busy':
                raise error(text, code)

        self.before(method, refuse)
        self.assertEqual(['busy'], self.annotate().busy)
        self.assertIsNone(self.says(busy))
        self.assertEqual(self.known_mdevs(), self.says(other))

    def test_starts(self):
        """It is not even asked for its job: libvirt would wait."""
        self.domain('busy')
        self.patch(
            libvirt.virDomain,
            'state',
            lambda _: [
                libvirt.VIR_DOMAIN_PAUSED,
                libvirt.VIR_DOMAIN_PAUSED_STARTING_UP,
            ],
        )
        self.patch(libvirt.virDomain, 'jobInfo', None)
        self.assertEqual(['busy'], self.annotate().busy)
        self.assertEqual([], self.writes)

    def test_jobs_cannot_be_asked_for(self):
        self.domain()

        def refuse(_):
            raise error('denied', libvirt.VIR_ERR_AUTH_FAILED)

        self.before('jobInfo', refuse)
        self.assertEqual(
            ['domain vm: denied'], self.annotate(failures=1).failures
        )
        self.assertEqual([], self.writes)

    @ddt.data('XMLDesc', 'setMetadata')
    def test_no_answer(self, method):
        """It is given up, and nobody else is asked before it has ended."""
        self.annotator = annotator.Annotator(
            self.configure(libvirt_timeout=1).collector
        )
        self.domain('a')
        self.domain('b')
        end = threading.Event()
        self.addCleanup(end.set)
        self.before(
            method, lambda domain: domain.name() == 'test' or end.wait()
        )
        (failure,) = self.annotate(failures=1).failures
        self.assertRegex(
            failure,
            '^domain [ab]: libvirt at '
            f'{base.URI} has not answered for 1 seconds$',
        )
        error = self.assertRaises(
            node_devices.LibvirtError, self.annotator.annotate
        )
        self.assertIn('still has not answered', str(error))

    def test_no_libvirt(self):
        uri = f'qemu+unix:///system?socket={self.home}/nowhere'
        self.annotator = annotator.Annotator(
            self.configure(libvirt_uri=uri).collector
        )
        for do, socket in (
            (self.annotator.annotate, 'read-write socket'),
            (self.annotator.remove, 'read-write socket'),
            (lambda: self.annotator.annotate(write=False), 'read-only socket'),
        ):
            failure = self.assertRaises(node_devices.LibvirtError, do)
            self.assertIn(uri, str(failure))
            self.assertIn(socket, str(failure))

    def test_many_failures(self):
        """What is said of them stays short."""
        summary = annotator.DomainsSummary(failures=list('1234567'))
        failure = self.assertRaises(exceptions.Failure, summary.check)
        self.assertEqual('1; 2; 3; 4; 5 and 2 more', str(failure))


def error(text, code):
    """Return an error as libvirt raises it."""
    result = libvirt.libvirtError(text)
    result.err = (
        code,
        libvirt.VIR_FROM_NONE,
        text,
        2,
        text,
        None,
        None,
        -1,
        -1,
    )
    return result
