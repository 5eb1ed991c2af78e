# SPDX-License-Identifier: Apache-2.0
"""Passes in which domains end, have jobs, fail, or libvirt does not answer."""

import itertools
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
        """Call a function just before a method of libvirt's domains."""
        real = getattr(libvirt.virDomain, method)

        def call(domain, *args):
            do(domain)
            return real(domain, *args)

        self.patch(libvirt.virDomain, method, call)

    @ddt.idata(
        itertools.product(
            (
                *('isActive', 'XMLDesc', 'isPersistent'),
                *('state', 'jobInfo', 'setMetadata'),
            ),
            (True, False),
        )
    )
    @ddt.unpack
    def test_vanishes(self, method, persistent):
        """The others are annotated, and nothing has failed."""
        self.domain('short', persistent=persistent)
        other = self.domain('other')

        def end(domain):
            if domain.name() == 'short':
                self.end(domain)

        self.before(method, end)
        summary = self.annotate()
        self.assertEqual(([], []), (summary.failures, summary.busy))
        self.assertEqual(self.known_mdevs(), self.annotated(other))

    @ddt.data('XMLDesc', 'setMetadata')
    def test_stops(self, method):
        """It is still defined, and is corrected in the next pass."""
        domain = self.domain()
        self.before(method, lambda _: domain.isActive() and domain.destroy())
        self.assertEqual(0, self.annotate().written)
        self.assertEqual((None, None), self.both_annotated(domain))

    @ddt.data('XMLDesc', 'jobInfo', 'setMetadata')
    def test_one_fails(self, method):
        """The failure names it; the others are annotated."""
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
            self.assertEqual(self.known_mdevs(), self.annotated(domain))

    def set_job(self, job):
        """Give the domain "busy" a job.

        A stand-in: the test driver has no jobs, and those that a real libvirt
        can do without a guest are too short.
        """
        self.patch(
            libvirt.virDomain,
            'jobInfo',
            lambda domain: [
                job if domain.name() == 'busy' else libvirt.VIR_DOMAIN_JOB_NONE
            ],
        )

    @ddt.data(libvirt.VIR_DOMAIN_JOB_BOUNDED, libvirt.VIR_DOMAIN_JOB_UNBOUNDED)
    def test_job(self, job):
        """A domain with a job is skipped until the job has ended."""
        busy, other = self.domain('busy'), self.domain('other')
        self.set_job(job)
        self.assertEqual(['busy'], self.annotate().busy)
        self.assertEqual(['busy'], self.annotate().busy)
        self.assertEqual(['other'], self.writes)
        self.assertIsNone(self.annotated(busy))
        self.assertEqual(self.known_mdevs(), self.annotated(other))
        self.set_job(libvirt.VIR_DOMAIN_JOB_NONE)
        self.assertEqual([], self.annotate().busy)
        self.assertEqual(self.known_mdevs(), self.annotated(busy))

    def test_job_of_a_domain_that_is_right(self):
        """It does not count as busy."""
        self.domain('busy')
        self.annotate()
        self.set_job(libvirt.VIR_DOMAIN_JOB_BOUNDED)
        self.assertEqual([], self.annotate().busy)

    @ddt.data(
        # It arrives; libvirt has waited for a job; too many calls wait.
        ('jobInfo', libvirt.VIR_ERR_OPERATION_UNSUPPORTED),
        ('jobInfo', libvirt.VIR_ERR_OPERATION_TIMEOUT),
        ('jobInfo', libvirt.VIR_ERR_OPERATION_FAILED),
        ('setMetadata', libvirt.VIR_ERR_OPERATION_TIMEOUT),
        ('setMetadata', libvirt.VIR_ERR_OPERATION_FAILED),
    )
    @ddt.unpack
    def test_busy(self, method, code):
        """A stand-in, as above."""
        busy, other = self.domain('busy'), self.domain('other')

        def refuse(domain):
            if domain.name() == 'busy':
                raise error('busy', code)

        self.before(method, refuse)
        self.assertEqual(['busy'], self.annotate().busy)
        self.assertIsNone(self.annotated(busy))
        self.assertEqual(self.known_mdevs(), self.annotated(other))

    def test_starts(self):
        """Its job is not queried: libvirt would wait."""
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

    @ddt.data('XMLDesc', 'setMetadata')
    def test_no_answer(self, method):
        """The pass ends; libvirt gets no further call before this ends."""
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
        """The message names a few."""
        summary = annotator.DomainsSummary(failures=list('1234567'))
        failure = self.assertRaises(exceptions.Failure, summary.check)
        self.assertEqual('1; 2; 3; 4; 5 and 2 more', str(failure))


def error(text, code):
    """Return an error as libvirt raises it."""
    result = libvirt.libvirtError(text)
    rest = (text, 2, text, None, None, -1, -1)
    result.err = (code, libvirt.VIR_FROM_NONE, *rest)
    return result
