# SPDX-License-Identifier: Apache-2.0
import errno
import multiprocessing
import pathlib
import stat
import threading
from unittest import mock

import ddt
import fixtures
from oslo_concurrency import lockutils
from prometheus_client import parser
import testtools

from nova_mdev_compat.common import metrics
from nova_mdev_compat.scheduler import counters
from nova_mdev_compat.scheduler.counters import DecisionReason

NAME = 'nova_mdev_filter_decisions'


def add_many(path):
    """In a process with two threads, as a worker of nova-scheduler."""
    counter = counters.Counters(path)
    threads = [
        threading.Thread(
            target=lambda: [
                counter.add(DecisionReason.ALL_HOSTS, False) for _ in range(10)
            ]
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def hold(path, held, done):
    with lockutils.external_lock(
        f'.{path.name}.lock', lock_path=str(path.parent)
    ):
        held.set()
        done.wait()


@ddt.ddt
class CountersTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = home / 'filter.prom'
        self.logger = self.useFixture(fixtures.FakeLogger())

    def samples(self):
        """Return values by labels, as a reader of Prometheus sees them."""
        (family,) = parser.text_string_to_metric_families(
            self.path.read_text()
        )
        self.assertEqual((NAME, 'counter'), (family.name, family.type))
        return {
            (sample.labels['result'], sample.labels['reason']): sample.value
            for sample in family.samples
        }

    def counted(self):
        return {key: value for key, value in self.samples().items() if value}

    def test_all_are_there_from_the_start(self):
        counters.Counters(str(self.path))
        expected = {
            (result, reason)
            for result, reasons in {
                'accepted': ['all_hosts', 'some_hosts'],
                'refused': [
                    'device',
                    'capacity',
                    'not_migratable',
                    'undetermined',
                ],
                'permissive': [
                    'device',
                    'capacity',
                    'not_migratable',
                    'undetermined',
                ],
                'unknown': ['source', 'targets', 'placement', 'database'],
            }.items()
            for reason in reasons
        }
        self.assertEqual(dict.fromkeys(expected, 0.0), self.samples())
        # The node exporter has a user of its own.
        self.assertEqual(0o644, stat.S_IMODE(self.path.stat().st_mode))

    @ddt.data(
        (DecisionReason.SOME_HOSTS, False, ('accepted', 'some_hosts')),
        (DecisionReason.SOME_HOSTS, True, ('accepted', 'some_hosts')),
        (DecisionReason.DEVICE, False, ('refused', 'device')),
        (DecisionReason.DEVICE, True, ('permissive', 'device')),
        (DecisionReason.SOURCE, False, ('unknown', 'source')),
        (DecisionReason.SOURCE, True, ('unknown', 'source')),
    )
    @ddt.unpack
    def test_add(self, reason, permissive, expected):
        counters.Counters(str(self.path)).add(reason, permissive)
        self.assertEqual({expected: 1}, self.counted())

    def test_each_reason_has_a_result(self):
        counter = counters.Counters(str(self.path))
        for reason in DecisionReason:
            counter.add(reason, False)
        self.assertEqual(
            {reason.value: 1 for reason in DecisionReason},
            {reason: value for (_, reason), value in self.counted().items()},
        )

    def test_a_restart_goes_on_counting(self):
        for _ in range(2):
            counters.Counters(str(self.path)).add(
                DecisionReason.TARGETS, False
            )
        self.assertEqual({('unknown', 'targets'): 2}, self.counted())

    def test_workers_share_the_file(self):
        workers = [
            multiprocessing.get_context('fork').Process(
                target=add_many, args=(str(self.path),)
            )
            for _ in range(3)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual([0] * 3, [worker.exitcode for worker in workers])
        self.assertEqual({('accepted', 'all_hosts'): 60}, self.counted())

    @ddt.data(
        '{',
        f'{NAME}_total{{result="accepted"}} 1\n',
        f'{NAME}_total{{result="accepted",reason="all_hosts"}} NaN\n',
        f'{NAME}_total{{result="accepted",reason="all_hosts"}} -1\n',
        f'{NAME}_total{{result="accepted",reason="all_hosts"}} x\n',
        '\0',
        '#' * (metrics.MAX_SIZE + 1),
    )
    def test_a_broken_file_is_written_anew(self, content):
        self.path.write_text(content)
        counter = counters.Counters(str(self.path))
        counter.add(DecisionReason.DEVICE, False)
        self.assertEqual({('refused', 'device'): 1}, self.counted())
        self.assertEqual(
            1,
            self.logger.output.count('Decisions are counted from 0'),
        )

    def test_what_no_release_counts_is_dropped(self):
        self.path.write_text(
            f'{NAME}_total{{result="accepted",reason="all_hosts"}} 7\n'
            f'{NAME}_total{{result="odd",reason="device"}} 7\n'
        )
        counters.Counters(str(self.path))
        self.assertEqual({('accepted', 'all_hosts'): 7}, self.counted())

    def test_nothing_is_written_without_the_option(self):
        counters.Counters(None).add(DecisionReason.DEVICE, False)
        self.assertEqual([], list(self.path.parent.iterdir()))

    def test_without_library(self):
        with mock.patch.object(metrics, 'AVAILABLE', False):
            counters.Counters(str(self.path)).add(DecisionReason.DEVICE, False)
        self.assertEqual([], list(self.path.parent.iterdir()))
        self.assertEqual(
            'Decisions are not counted: [mdev_compat]metrics_file needs '
            'prometheus_client: install nova-mdev-compat with the extra '
            "'metrics'\n",
            self.logger.output,
        )

    def test_unwritable(self):
        """A decision goes on."""
        self.path.mkdir()
        counters.Counters(str(self.path)).add(DecisionReason.DEVICE, False)
        self.assertIn(
            f'A decision is not counted: [mdev_compat]metrics_file '
            f'{self.path}: Is a directory\n',
            self.logger.output,
        )

    def test_unreadable(self):
        """What it holds is not lost for that.

        Mocked is the fault: root, as whom tests may run, can read any file.
        """
        counter = counters.Counters(str(self.path))
        counter.add(DecisionReason.DEVICE, False)
        error = PermissionError(errno.EACCES, 'Denied', str(self.path))
        with mock.patch.object(pathlib.Path, 'open', side_effect=error):
            counter.add(DecisionReason.DEVICE, False)
        self.assertEqual(
            'A decision is not counted: [mdev_compat]metrics_file '
            f'{self.path}: Denied\n',
            self.logger.output,
        )
        self.assertEqual({('refused', 'device'): 1}, self.counted())

    def test_locked(self):
        """Waits a bounded time for another process."""
        counter = counters.Counters(str(self.path))
        fork = multiprocessing.get_context('fork')
        held, done = fork.Event(), fork.Event()
        other = fork.Process(target=hold, args=(self.path, held, done))
        other.start()
        self.addCleanup(other.join)
        self.addCleanup(done.set)
        held.wait()
        with mock.patch.object(counters, 'LOCK_TIMEOUT', 0.05):
            counter.add(DecisionReason.DEVICE, False)
        done.set()
        other.join()
        self.assertIn('another process holds', self.logger.output)
        self.assertEqual({}, self.counted())
        counter.add(DecisionReason.DEVICE, False)
        self.assertEqual({('refused', 'device'): 1}, self.counted())
