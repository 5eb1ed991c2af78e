# SPDX-License-Identifier: Apache-2.0
"""oslo.messaging's transport within a process, for hundreds of servers.

Its own listeners look twenty times a second whether a message has come. With
a hundred hosts that keeps a process busier than Nova does.
"""

import threading
import weakref

import fixtures

# Before oslo.messaging, which imports eventlet, and Nova's tests mind that.
import nova.tests.functional  # noqa: F401
from oslo_messaging._drivers import base
from oslo_messaging._drivers import impl_fake


class Listener(impl_fake.FakeListener):
    """Sleeps until there is a message for it.

    :ivar arrived: there may be one
    """

    everybody = weakref.WeakSet()

    def __init__(self, exchange_manager, targets, pool=None):
        super().__init__(exchange_manager, targets, pool)
        self.arrived = threading.Event()
        self.everybody.add(self)

    @base.batch_poll_helper
    def poll(self, timeout=None):
        while not self._stopped.is_set():
            # Before looking: what comes after that is not slept through.
            self.arrived.clear()
            message = self._look()
            if message is not None or not self.arrived.wait(timeout):
                return message
        return None

    def _look(self):
        for target in self._targets:
            exchange = self._exchange_manager.get_exchange(target.exchange)
            message = exchange.poll(target, self._pool)
            if message[1] is not None:
                return impl_fake.FakeIncomingMessage(*message)
        return None

    def stop(self):
        super().stop()
        self.arrived.set()

    def hears(self, topic, server):
        """Tell whether messages to a topic, or a server of it, come here."""
        return any(
            target.topic == topic and server in (None, target.server)
            for target in self._targets
        )


class Exchange(impl_fake.FakeExchange):
    """Wakes those for whom a message is."""

    def deliver_message(
        self, topic, ctxt, message, server=None, fanout=False, reply_q=None
    ):
        super().deliver_message(topic, ctxt, message, server, fanout, reply_q)
        for listener in list(Listener.everybody):
            if listener.hears(topic, None if fanout else server):
                listener.arrived.set()


class QuietTransport(fixtures.Fixture):
    """Uses it for what is started from now on."""

    def _setUp(self):
        for name, replacement in (
            ('FakeListener', Listener),
            ('FakeExchange', Exchange),
        ):
            self.useFixture(
                fixtures.MonkeyPatch(
                    f'oslo_messaging._drivers.impl_fake.{name}', replacement
                )
            )
