# SPDX-License-Identifier: Apache-2.0
"""libvirt's events, as nothing but a reason to look again.

A parent's counts change without an event, a reloaded driver shows as an
UPDATE only, and one new mdev gives an UPDATE of every other: so an event
never says what is, it only wakes a service.
"""

from collections.abc import Callable, Collection
import contextlib
import threading

import libvirt
from oslo_log import log as logging
import tenacity

from nova_mdev_compat.host import node_devices

LOG = logging.getLogger(__name__)

#: A connection that is silent for INTERVAL * COUNT seconds is broken.
KEEPALIVE_INTERVAL = 5
KEEPALIVE_COUNT = 3
MAX_WAIT = 60

#: By default, all that changes which mdevs there are, and who has them.
DEVICE_EVENTS = (
    libvirt.VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE,
    libvirt.VIR_NODE_DEVICE_EVENT_ID_UPDATE,
)
DOMAIN_EVENTS = (
    libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
    # Of a domain that runs: hot-plug, and hot-unplug.
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
)


class Watcher:
    """Calls back whenever something about devices or domains may be new.

    It keeps a read-only connection of its own; when that breaks (libvirtd
    was restarted) it calls back, connects again, and calls back again.

    :param uri: connection URI
    :param wake: called from another thread, often, with a word on why
    :param domain_events: libvirt's ids of the events of domains that count
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
        """Begin to watch, in threads that end with the process."""
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
            sleep=self._sleep,
            stop=tenacity.stop_when_event_set(self._stopped),
            before_sleep=self._say,
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
        """Return a connection, as what has to be undone to end it.

        Callbacks keep a connection, and its socket, for as long as they are
        registered, even after it broke: each restart of libvirtd would leave
        one behind.
        """
        with contextlib.ExitStack() as stack:
            connection = libvirt.openReadOnly(self._uri)
            stack.callback(_undo, connection.close)
            self._keep_alive(connection)
            connection.registerCloseCallback(
                lambda *_: self._closed.set(), None
            )
            stack.callback(_undo, connection.unregisterCloseCallback)
            for event in self._device_events:
                stack.callback(
                    _undo,
                    connection.nodeDeviceEventDeregisterAny,
                    connection.nodeDeviceEventRegisterAny(
                        None, event, self._device, None
                    ),
                )
            for event in self._domain_events:
                stack.callback(
                    _undo,
                    connection.domainEventDeregisterAny,
                    connection.domainEventRegisterAny(
                        None, event, self._domain, None
                    ),
                )
            return stack.pop_all()

    def _device(
        self, _connection: object, device: libvirt.virNodeDevice, *_: object
    ) -> None:
        self._wake(f'node device {device.name()}')

    def _domain(
        self, _connection: object, domain: libvirt.virDomain, *_: object
    ) -> None:
        self._wake(f'domain {domain.UUIDString()}')

    def _keep_alive(self, connection: libvirt.virConnect) -> None:
        try:
            connection.setKeepAlive(KEEPALIVE_INTERVAL, KEEPALIVE_COUNT)
        except libvirt.libvirtError as exc:
            # Drivers without a daemon have nothing to keep alive.
            if exc.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
                raise

    def _sleep(self, seconds: float) -> None:
        self._stopped.wait(seconds)

    def _say(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        LOG.warning('No events from libvirt at %s: %s', self._uri, error)


def _undo(function: Callable[..., object], *args: object) -> None:
    with contextlib.suppress(libvirt.libvirtError):
        function(*args)
