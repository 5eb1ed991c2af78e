# SPDX-License-Identifier: Apache-2.0
"""Read and write the metadata of libvirt's domains.

Writing takes a read-write connection, which is as powerful as root on the
host. So only this module opens one, and only to write.
"""

from collections.abc import Callable, Iterator
import contextlib
import enum
from typing import TypeVar

import libvirt
from lxml import etree

from nova_mdev_compat.common import time_limit
from nova_mdev_compat.daemons.updates import CONFIG
from nova_mdev_compat.daemons.updates import DomainState
from nova_mdev_compat.daemons.updates import DomainUpdate
from nova_mdev_compat.daemons.updates import LIVE
from nova_mdev_compat.host import node_devices
from nova_mdev_compat.late_check import domain_xml

_Answer = TypeVar('_Answer')

_FLAGS = {
    LIVE: libvirt.VIR_DOMAIN_AFFECT_LIVE,
    CONFIG: libvirt.VIR_DOMAIN_AFFECT_CONFIG,
}


#: Errors of libvirt's QEMU driver for a call that has to wait for the end of a
#: job: after half a minute, or at once if too many calls wait already
#: (``virDomainObjBeginJobInternal`` of its ``virdomainjob.c``).
_HAS_TO_WAIT = (
    libvirt.VIR_ERR_OPERATION_TIMEOUT,
    libvirt.VIR_ERR_OPERATION_FAILED,
)
#: Its error for a job query about an incoming domain
#: (``qemuDomainGetJobStatsInternal`` of its ``qemu_driver.c``).
_INCOMING = libvirt.VIR_ERR_OPERATION_UNSUPPORTED
#: The state of a starting or incoming domain while QEMU starts.
_STARTING = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP]


class LibvirtTimeout(node_devices.LibvirtError):
    """libvirt does not answer."""


class LibvirtDomainError(node_devices.LibvirtError):
    """libvirt returns an error for one domain; the message names it."""


class WriteResult(enum.Enum):
    """The result of writing a domain's metadata."""

    WRITTEN = 'written'
    BUSY = 'busy'
    GONE = 'gone'


class LibvirtDomain:
    """One domain.

    :param ask: calls libvirt with a time limit
    """

    def __init__(self, domain: libvirt.virDomain, ask: time_limit.TimeLimit):
        self._domain = domain
        self._ask = ask
        self.name: str = domain.name()

    def read(self) -> DomainState | None:
        """Return its state, None if it is gone.

        :raises LibvirtDomainError: libvirt returns an error, or the
            description cannot be used
        :raises LibvirtTimeout: libvirt does not answer
        """

        def parse(flags: int) -> domain_xml.Domain:
            return domain_xml.parse(self._domain.XMLDesc(flags).encode())

        def read() -> DomainState:
            inactive = libvirt.VIR_DOMAIN_XML_INACTIVE
            return DomainState(
                self.name,
                self._domain.UUIDString(),
                parse(0) if self._domain.isActive() else None,
                parse(inactive) if self._domain.isPersistent() else None,
            )

        return self._call(read, None)

    def write(self, update: DomainUpdate) -> WriteResult:
        """Write a domain's metadata.

        :raises LibvirtDomainError: libvirt returns an error
        :raises LibvirtTimeout: libvirt does not answer
        """
        return self._call(lambda: self._write(update), WriteResult.GONE)

    def _write(self, update: DomainUpdate) -> WriteResult:
        # libvirt waits half a minute for the end of a job, such as a
        # migration, and the other domains would wait, too.
        if update.domain.live is not None and self._is_busy():
            return WriteResult.BUSY
        try:
            self._domain.setMetadata(
                libvirt.VIR_DOMAIN_METADATA_ELEMENT,
                bare(update.element()),
                domain_xml.KEY,
                domain_xml.NAMESPACE,
                sum(_FLAGS[where] for where in update.where),
            )
        except libvirt.libvirtError as exc:
            # A job has begun since.
            if exc.get_error_code() in _HAS_TO_WAIT:
                return WriteResult.BUSY
            raise
        return WriteResult.WRITTEN

    def _is_busy(self) -> bool:
        """Return whether the domain starts, is incoming or has a job."""
        # The state is available at once; the job only when QEMU has started,
        # which takes minutes if the guest is large.
        if self._domain.state() == _STARTING:
            return True
        try:
            return bool(
                self._domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE
            )
        except libvirt.libvirtError as exc:
            code = exc.get_error_code()
            # This driver has no jobs.
            if code == libvirt.VIR_ERR_NO_SUPPORT:
                return False
            if code in (*_HAS_TO_WAIT, _INCOMING):
                return True
            raise

    def _call(self, question: Callable[[], _Answer], gone: _Answer) -> _Answer:
        """Call libvirt with a time limit; return ``gone`` if this is."""

        def ask() -> _Answer:
            try:
                return question()
            except libvirt.libvirtError as exc:
                if self._is_gone(exc):
                    return gone
                raise

        try:
            return self._ask.ask(ask)
        except libvirt.libvirtError as exc:
            raise LibvirtDomainError(
                f'domain {self.name}: {exc.get_error_message()}'
            ) from exc
        except domain_xml.DomainError as exc:
            raise LibvirtDomainError(f'domain {self.name}: {exc}') from exc
        except LibvirtTimeout as exc:
            raise LibvirtTimeout(f'domain {self.name}: {exc}') from exc

    def _is_gone(self, error: libvirt.libvirtError) -> bool:
        """Return whether an error is because the domain has ended."""
        code = error.get_error_code()
        if code != libvirt.VIR_ERR_OPERATION_INVALID:
            return bool(code == libvirt.VIR_ERR_NO_DOMAIN)
        try:
            return not self._domain.isActive()
        except libvirt.libvirtError as exc:
            return bool(exc.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN)


def bare(element: str | None) -> str | None:
    """Return a metadata element without its namespace.

    libvirt adds the namespace, with our prefix, to all elements without one,
    and refuses an element that has the prefix (``virXMLInjectNamespace`` of
    its ``virxml.c``).
    """
    if element is None:
        return None
    root = etree.fromstring(element)
    for item in root.iter():
        item.tag = etree.QName(item).localname
    etree.cleanup_namespaces(root)
    return str(etree.tostring(root, encoding='unicode'))


class LibvirtHost:
    """The domains of this host.

    :param uri: connection URI
    :param limit: how many seconds a call may take
    :ivar name: libvirt's name of the host, empty before the first connection
    """

    def __init__(self, uri: str, limit: float):
        self._uri = uri
        self._ask = time_limit.TimeLimit(
            f'libvirt at {uri}', limit, LibvirtTimeout
        )
        self.name = ''

    @contextlib.contextmanager
    def domains(
        self, *, write: bool, running: bool
    ) -> Iterator[list[LibvirtDomain]]:
        """Return domains, while a connection is open.

        :param write: open a read-write connection
        :param running: return only domains that run
        :raises node_devices.LibvirtError: no connection, or no answer
        """
        node_devices.quiet()
        connect = libvirt.open if write else libvirt.openReadOnly
        flags = libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE if running else 0

        def close(connection: libvirt.virConnect) -> None:
            # One that does not answer or broke ends when it is unreferenced.
            with contextlib.suppress(libvirt.libvirtError, LibvirtTimeout):
                self._ask.ask(connection.close)

        with contextlib.ExitStack() as stack:
            try:
                connection = self._ask.ask(lambda: connect(self._uri))
                stack.callback(close, connection)
                self.name = self._ask.ask(connection.getHostname)
                found = self._ask.ask(lambda: connection.listAllDomains(flags))
            except libvirt.libvirtError as exc:
                raise node_devices.LibvirtError(
                    f'libvirt at {self._uri}: {exc.get_error_message()}: see '
                    '[collector]libvirt_uri, whether the daemon runs, and '
                    'whether this user may use its '
                    f'{"read-write" if write else "read-only"} socket',
                ) from exc
            yield [LibvirtDomain(domain, self._ask) for domain in found]
