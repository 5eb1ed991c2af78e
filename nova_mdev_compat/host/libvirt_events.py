# SPDX-License-Identifier: Apache-2.0
"""libvirt's events, which wake a service.

A service reads everything again when it wakes, because events are incomplete:
the counts of a parent change without an event, a reloaded driver is only an
UPDATE, and a new mdev causes an UPDATE of every other mdev.
"""

from collections.abc import Callable, Collection
import contextlib
import threading

import libvirt
from oslo_log import log as logging
import tenacity

from nova_mdev_compat.host import node_devices

LOG = logging.getLogger(__name__)

#: A connection without an answer for INTERVAL * COUNT seconds is broken.
KEEPALIVE_INTERVAL = 5
KEEPALIVE_COUNT = 3
#: Seconds between two attempts to connect, at most.
MAX_WAIT = 60

#: The defaults: all events that change which mdevs exist and who uses them.
DEVICE_EVENTS = (
    libvirt.VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE,
    libvirt.VIR_NODE_DEVICE_EVENT_ID_UPDATE,
)
DOMAIN_EVENTS = (
    libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
    # Hot-plug and hot-unplug of a running domain.
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
)


class LibvirtWatcher:
    """Calls back when devices or domains may have changed.

    It has a read-only connection of its own. When the connection breaks, for
    example because libvirtd restarts, it calls back, connects again, and
    calls back again.

    :param uri: connection URI
    :param wake: called from another thread, often, with the reason
    :param domain_events: libvirt's ids of the domain events to watch
    :param device_events: likewise, of node devices
    """

    def __init__(
        self,
        uri: str,
        wake: Callable[[str], None],
        domain_events: Collection[int] = DOMAIN_EVENTS,
        device_events: Collection[int] = DEVICE_EVENTS,
    ):
        self._uri = uri
        self._wake = wake
        self._domain_events = domain_events
        self._device_events = device_events
        self._closed = threading.Event()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Watch, in threads that end with the process."""
        libvirt.virEventRegisterDefaultImpl()
        node_devices.quiet()
        for target in (self._pump, self._watch):
            threading.Thread(
                target=target, daemon=True, name=f'libvirt{target.__name__}'
            ).start()

    def stop(self) -> None:
        self._stopped.set()
        self._closed.set()

    def _pump(self) -> None:
        while not self._stopped.is_set():
            libvirt.virEventRunDefaultImpl()

    def _watch(self) -> None:
        retry = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(libvirt.libvirtError),
            wait=tenacity.wait_random_exponential(multiplier=1, max=MAX_WAIT),
            sleep=tenacity.sleep_using_event(self._stopped),
            stop=tenacity.stop_when_event_set(self._stopped),
            before_sleep=self._log_failure,
        )
        while not self._stopped.is_set():
            self._closed.clear()
            try:
                connection = retry(self._connect)
            except tenacity.RetryError:
                return
            with connection:
                LOG.info('Listening to libvirt at %s', self._uri)
                self._wake('connected to libvirt')
                self._closed.wait()
            self._wake('libvirt closed the connection')

    def _connect(self) -> contextlib.ExitStack:
        """Connect; the context that is returned ends the connection.

        Registered callbacks keep a connection and its socket open, even a
        broken one. Without deregistration, each restart of libvirtd would
        leak a connection.
        """

        def on_device_event(
            _connection: object, device: libvirt.virNodeDevice, *_: object
        ) -> None:
            self._wake(f'node device {device.name()}')

        def on_domain_event(
            _connection: object, domain: libvirt.virDomain, *_: object
        ) -> None:
            self._wake(f'domain {domain.UUIDString()}')

        with contextlib.ExitStack() as stack:
            connection = libvirt.openReadOnly(self._uri)
            stack.callback(_call_quietly, connection.close)
            try:
                connection.setKeepAlive(KEEPALIVE_INTERVAL, KEEPALIVE_COUNT)
            except libvirt.libvirtError as exc:
                # Drivers without a daemon do not support it.
                if exc.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
                    raise
            connection.registerCloseCallback(
                lambda *_: self._closed.set(), None
            )
            stack.callback(_call_quietly, connection.unregisterCloseCallback)
            for event in self._device_events:
                stack.callback(
                    _call_quietly,
                    connection.nodeDeviceEventDeregisterAny,
                    connection.nodeDeviceEventRegisterAny(
                        None, event, on_device_event, None
                    ),
                )
            for event in self._domain_events:
                stack.callback(
                    _call_quietly,
                    connection.domainEventDeregisterAny,
                    connection.domainEventRegisterAny(
                        None, event, on_domain_event, None
                    ),
                )
            return stack.pop_all()

    def _log_failure(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        LOG.warning('No events from libvirt at %s: %s', self._uri, error)


def _call_quietly(function: Callable[..., object], *args: object) -> None:
    with contextlib.suppress(libvirt.libvirtError):
        function(*args)
