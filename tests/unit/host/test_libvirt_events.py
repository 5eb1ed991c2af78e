# SPDX-License-Identifier: Apache-2.0
"""Events that wake the service.

libvirt's test driver fires no events for node devices, and making an mdev
takes a device that can: so these come from a stand-in for the connection, as
a real libvirt fired them. tests/functional/test_libvirtd.py has the rest.
"""

import pathlib
import re
import threading
import time
from unittest import mock

import ddt
import libvirt
import testtools

from nova_mdev_compat.daemons import loop
from nova_mdev_compat.host import libvirt_events

CAPTURED = pathlib.Path(__file__).parents[2] / 'data/libvirt-11.3/events.txt'
EVENT = re.compile(r'^\S+ (UPDATE|LIFECYCLE (\w+) detail=(\d+)) (\S+)$')
DEADLINE = 30


def captured():
    """Yield event ID, arguments after it, and device of each event."""
    actions = ['CREATED', 'DELETED', 'DEFINED', 'UNDEFINED']
    for line in CAPTURED.read_text().splitlines():
        match = EVENT.match(line)
        if match is None:
            continue
        what, action, detail, name = match.groups()
        if what == 'UPDATE':
            yield libvirt.VIR_NODE_DEVICE_EVENT_ID_UPDATE, (), name
        else:
            yield (
                libvirt.VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE,
                (actions.index(action), int(detail)),
                name,
            )


class Connection:
    """Replaces virConnect, and fires events for a test."""

    def __init__(self, refuses=None):
        self.callbacks = {}
        self.closed = threading.Event()
        self._refuses = refuses

    def _register(self, key, callback):
        if key == self._refuses:
            raise libvirt.libvirtError('refused')
        self.callbacks[key] = callback
        return key

    def registerCloseCallback(self, callback, _opaque):
        self._register('close', callback)

    def unregisterCloseCallback(self):
        del self.callbacks['close']

    def nodeDeviceEventRegisterAny(self, _device, event, callback, _opaque):
        return self._register(('device', event), callback)

    def domainEventRegisterAny(self, _domain, event, callback, _opaque):
        return self._register(('domain', event), callback)

    def _deregister(self, key):
        del self.callbacks[key]

    nodeDeviceEventDeregisterAny = _deregister
    domainEventDeregisterAny = _deregister

    def setKeepAlive(self, _interval, _count):
        pass

    def close(self):
        # The real one stays open while a callback is registered.
        if not self.callbacks:
            self.closed.set()

    def fire(self, event, details, name):
        device = mock.Mock(spec=['name'])  # nothing else may be asked
        device.name.return_value = name
        self.callbacks['device', event](self, device, *details, None)

    def break_off(self):
        self.callbacks['close'](
            self, libvirt.VIR_CONNECT_CLOSE_REASON_EOF, None
        )


@ddt.ddt
class WatcherTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.connections = []
        self.woken = []
        self.more = threading.Condition()
        for name, replacement in (
            ('openReadOnly', self.open),
            ('virEventRegisterDefaultImpl', lambda: None),
            ('virEventRunDefaultImpl', lambda: time.sleep(0.01)),
        ):
            patch = mock.patch.object(libvirt, name, replacement)
            patch.start()
            self.addCleanup(patch.stop)
        self.to_open = iter(())
        self.watcher = libvirt_events.LibvirtWatcher(
            'qemu:///system', self.wake
        )
        self.addCleanup(self.watcher.stop)

    def open(self, _uri):
        connection = next(self.to_open, None) or Connection()
        self.connections.append(connection)
        return connection

    def wake(self, why):
        with self.more:
            self.woken.append(why)
            self.more.notify_all()

    def start(self):
        self.watcher.start()
        self.wait_for('connected to libvirt')

    def wait_for(self, why, times=1):
        with self.more:
            self.assertTrue(
                self.more.wait_for(
                    lambda: self.woken.count(why) >= times, DEADLINE
                ),
                self.woken,
            )

    def test_every_event_wakes(self):
        """Whatever it reports: the service reads everything again."""
        self.start()
        count = 0
        for count, (event, details, name) in enumerate(captured(), 1):
            self.connections[0].fire(event, details, name)
            self.assertEqual(f'node device {name}', self.woken[-1])
            self.assertEqual(1 + count, len(self.woken))
        self.assertGreater(count, 50)

    def fire_domain(self, event, *details):
        """Fire an event of a domain, with what libvirt gives beside it."""
        domain = mock.Mock(spec=['UUIDString'])  # nothing else may be asked
        domain.UUIDString.return_value = 'an-uuid'
        connection = self.connections[0]
        connection.callbacks['domain', event](
            connection, domain, *details, None
        )

    @ddt.data(
        (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, 0, 0),
        (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, 'hostdev0'),
        (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, 'hostdev0'),
    )
    def test_domain_wakes(self, event):
        """A hot-plugged mdev changes which types are in use."""
        self.start()
        self.fire_domain(*event)
        self.assertEqual('domain an-uuid', self.woken[-1])

    def test_other_events(self):
        """Only what was asked for is registered, and all of it undone."""
        event = libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE
        self.watcher = libvirt_events.LibvirtWatcher(
            'qemu:///system', self.wake, [event], ()
        )
        self.addCleanup(self.watcher.stop)
        self.start()
        self.assertEqual(
            {'close', ('domain', event)}, set(self.connections[0].callbacks)
        )
        self.fire_domain(event, libvirt.VIR_DOMAIN_METADATA_ELEMENT, 'a:b')
        self.assertEqual('domain an-uuid', self.woken[-1])
        self.watcher.stop()
        self.assertTrue(self.connections[0].closed.wait(DEADLINE))
        self.assertEqual({}, self.connections[0].callbacks)

    def test_broken_connection(self):
        """It wakes, is closed for good, and another is made."""
        self.start()
        self.connections[0].break_off()
        self.wait_for('connected to libvirt', times=2)
        self.assertIn('libvirt closed the connection', self.woken)
        self.assertTrue(self.connections[0].closed.wait(DEADLINE))
        self.connections[1].fire(*next(captured()))
        self.assertIn('node device', self.woken[-1])

    def test_refused_callback(self):
        """The half-made connection does not stay open."""
        self.to_open = iter(
            [Connection(('domain', libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE))]
        )
        self.start()
        self.assertEqual(2, len(self.connections))
        self.assertTrue(self.connections[0].closed.is_set())

    def test_stop(self):
        before = threading.active_count()
        self.start()
        self.watcher.stop()
        self.assertTrue(self.connections[0].closed.wait(DEADLINE))
        end = time.monotonic() + DEADLINE
        while threading.active_count() > before:
            self.assertLess(time.monotonic(), end, threading.enumerate())
            time.sleep(0.01)


class WakeupTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.wakeup = loop.Wakeup()

    def elapsed(self, seconds):
        start = time.monotonic()
        self.wakeup.sleep(seconds)
        return time.monotonic() - start

    def test_time_is_up(self):
        self.assertGreaterEqual(self.elapsed(0.05), 0.05)

    def test_many_events_are_one(self):
        for event, _, name in captured():
            self.wakeup.set(f'{event} {name}')
        self.assertLess(self.elapsed(3600), 3000)
        self.assertGreaterEqual(self.elapsed(0.05), 0.05)

    def test_set_while_awake(self):
        """An event while the loop runs causes another run."""
        self.wakeup.set('first')
        self.wakeup.sleep(3600)
        self.wakeup.set('second')
        self.assertLess(self.elapsed(3600), 3000)

    def test_set_from_another_thread(self):
        timer = threading.Timer(0.05, self.wakeup.set, ['later'])
        timer.start()
        self.addCleanup(timer.cancel)
        self.assertLess(self.elapsed(3600), 3000)

    def test_burst_without_end(self):
        """The loop waits for its end, but not for ever."""
        self.patch(loop, 'SETTLE', 0.05)
        self.patch(loop, 'MAX_SETTLE', 0.2)
        done = threading.Event()

        def set_again():
            while not done.wait(loop.SETTLE / 10):
                self.wakeup.set('again')

        thread = threading.Thread(target=set_again, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(done.set)
        took = self.elapsed(3600)
        self.assertGreaterEqual(took, loop.MAX_SETTLE)
        self.assertLess(took, 3000)
