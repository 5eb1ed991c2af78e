# SPDX-License-Identifier: Apache-2.0

import logging
import pathlib
import queue
import threading

import fixtures
import testtools

from nova_mdev_compat.host import vfio_watcher
from tests import vfio_tree
from tests import waiting


class VfioWatcherTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        vfio_tree.write(self.root, vfio_tree.VfioBoard(types=('558', '0')))
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.reasons = queue.Queue()
        self.watcher = vfio_watcher.VfioWatcher(
            str(self.root), 0.01, self.reasons.put
        )
        self.addCleanup(self.watcher.stop)

    def replace_devices(self, replacement):
        devices = self.root / 'bus/pci/devices'
        devices.rename(self.root / 'kept')
        if replacement is not None:
            devices.write_text(replacement)

    def test_change(self):
        """Nothing at the start, and once for each change."""
        self.watcher.start()
        for vgpu_type in ('558', '559'):
            vfio_tree.set_type(self.root, '0000:81:00.5', vgpu_type)
            self.assertEqual(
                'virtual functions 0000:81:00.5',
                self.reasons.get(timeout=waiting.DEADLINE),
            )
        self.assertTrue(self.reasons.empty())

    def test_functions_appear_and_vanish(self):
        self.assertEqual(['0000:81:00.4', '0000:81:00.5'], self.watcher.look())
        self.replace_devices(None)
        self.assertEqual(['0000:81:00.4', '0000:81:00.5'], self.watcher.look())
        self.assertEqual([], self.watcher.look())
        self.assertEqual('', self.log.output)

    def test_error(self):
        """It is logged once, and what was seen before counts later."""
        self.watcher.look()
        self.replace_devices('a file')
        for _ in range(3):
            self.assertEqual([], self.watcher.look())
        self.assertEqual(
            'Changes of virtual functions are not noticed at once: '
            'NotADirectoryError: [Errno 20] Not a directory: '
            f"'{self.root}/bus/pci/devices'\n",
            self.log.output,
        )
        (self.root / 'bus/pci/devices').unlink()
        (self.root / 'kept').rename(self.root / 'bus/pci/devices')
        vfio_tree.set_type(self.root, '0000:81:00.4', '0')
        self.assertEqual(['0000:81:00.4'], self.watcher.look())

    def test_error_does_not_end_the_thread(self):
        self.replace_devices('a file')
        self.watcher.start()
        waiting.wait_for(lambda: self.log.output, 'not logged')
        (self.root / 'bus/pci/devices').unlink()
        (self.root / 'kept').rename(self.root / 'bus/pci/devices')
        self.assertIn(
            '0000:81:00.4', self.reasons.get(timeout=waiting.DEADLINE)
        )

    def test_stop(self):
        before = set(threading.enumerate())
        self.watcher.start()
        (thread,) = set(threading.enumerate()) - before
        self.watcher.stop()
        thread.join(waiting.DEADLINE)
        self.assertFalse(thread.is_alive())
