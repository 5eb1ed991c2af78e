# SPDX-License-Identifier: Apache-2.0
"""libvirt's domains, and what their metadata says of their mdevs.

Writing takes a read-write connection, and whoever has that is as good as root
on the host: so nothing else of this project opens one, and what need not
write has none, either.
"""

from collections.abc import Callable, Iterator
import contextlib
import enum
from typing import TypeVar

import libvirt
from lxml import etree

from nova_mdev_compat.common import time_limit
from nova_mdev_compat.daemons.annotator import plan as annotations
from nova_mdev_compat.host import node_devices
from nova_mdev_compat.late_check import annotation
from nova_mdev_compat.late_check import domain_xml

_Answer = TypeVar('_Answer')

_FLAGS = {
    annotations.LIVE: libvirt.VIR_DOMAIN_AFFECT_LIVE,
    annotations.CONFIG: libvirt.VIR_DOMAIN_AFFECT_CONFIG,
}


#: What libvirt's QEMU driver says to a question that has to wait for the end
#: of a job and does not: it waited for half a minute, or too many wait already
#: (``virDomainObjBeginJobInternal`` of its ``virdomainjob.c``).
_HAS_TO_WAIT = (
    libvirt.VIR_ERR_OPERATION_TIMEOUT,
    libvirt.VIR_ERR_OPERATION_FAILED,
)
#: And when it is asked about the job of a domain that is arriving
#: (``qemuDomainGetJobStatsInternal`` of its ``qemu_driver.c``).
_ARRIVES = libvirt.VIR_ERR_OPERATION_UNSUPPORTED
#: While QEMU starts, for a domain that starts or arrives.
_STARTS = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP]


class SilenceError(node_devices.LibvirtError):
    """libvirt does not answer."""


class DomainError(node_devices.LibvirtError):
    """libvirt refuses something about one domain; the message names it."""


class Outcome(enum.Enum):
    """What became of writing; its value is a word for people."""

    WRITTEN = 'written'
    BUSY = 'busy'
    GONE = 'gone'


class Domain:
    """One domain.

    :param ask: asks libvirt, but does not wait for ever
    """

    def __init__(self, domain: libvirt.virDomain, ask: time_limit.Patience):
        self._domain = domain
        self._ask = ask
        self.name: str = domain.name()

    def read(self) -> annotations.Seen | None:
        """Return what libvirt says of it, None where it is gone.

        :raises DomainError: libvirt refuses, or the description is none
        :raises SilenceError: libvirt does not answer
        """
        return self._about_it(self._read, None)

    def _read(self) -> annotations.Seen:
        inactive = libvirt.VIR_DOMAIN_XML_INACTIVE
        return annotations.Seen(
            self.name,
            self._domain.UUIDString(),
            self._parse(0) if self._domain.isActive() else None,
            self._parse(inactive) if self._domain.isPersistent() else None,
        )

    def _parse(self, flags: int) -> domain_xml.Domain:
        return domain_xml.parse(self._domain.XMLDesc(flags).encode())

    def write(self, plan: annotations.Plan) -> Outcome:
        """Do what is planned.

        :raises DomainError: libvirt refuses
        :raises SilenceError: libvirt does not answer
        """
        return self._about_it(lambda: self._write(plan), Outcome.GONE)

    def _write(self, plan: annotations.Plan) -> Outcome:
        # libvirt waits for a job, as a migration is one, and for half a
        # minute: nobody else could be served meanwhile.
        if plan.seen.live is not None and self._is_busy():
            return Outcome.BUSY
        try:
            self._domain.setMetadata(
                libvirt.VIR_DOMAIN_METADATA_ELEMENT,
                bare(plan.element()),
                annotation.KEY,
                annotation.NAMESPACE,
                sum(_FLAGS[where] for where in plan.where),
            )
        except libvirt.libvirtError as exc:
            # A job has begun meanwhile.
            if exc.get_error_code() in _HAS_TO_WAIT:
                return Outcome.BUSY
            raise
        return Outcome.WRITTEN

    def _is_busy(self) -> bool:
        """Tell whether the domain starts, arrives or has a job."""
        # Its state is no job's business. About its job one is told only when
        # QEMU has started, which takes minutes if the guest is large.
        if self._domain.state() == _STARTS:
            return True
        try:
            return bool(
                self._domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE
            )
        except libvirt.libvirtError as exc:
            code = exc.get_error_code()
            # A driver that knows no jobs has none.
            if code == libvirt.VIR_ERR_NO_SUPPORT:
                return False
            if code in (*_HAS_TO_WAIT, _ARRIVES):
                return True
            raise

    def _about_it(
        self, question: Callable[[], _Answer], gone: _Answer
    ) -> _Answer:
        """Ask libvirt about this domain, which may end meanwhile."""

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
            raise DomainError(
                f'domain {self.name}: {exc.get_error_message()}'
            ) from exc
        except domain_xml.DomainError as exc:
            raise DomainError(f'domain {self.name}: {exc}') from exc
        except SilenceError as exc:
            raise SilenceError(f'domain {self.name}: {exc}') from exc

    def _is_gone(self, error: libvirt.libvirtError) -> bool:
        """Tell whether an error is because the domain has ended."""
        code = error.get_error_code()
        if code != libvirt.VIR_ERR_OPERATION_INVALID:
            return bool(code == libvirt.VIR_ERR_NO_DOMAIN)
        try:
            return not self._domain.isActive()
        except libvirt.libvirtError as exc:
            return bool(exc.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN)


def bare(element: str | None) -> str | None:
    """Return a metadata element without its namespace.

    libvirt adds that to all elements that have none, with our prefix, and
    refuses an element that has that prefix already (``virXMLInjectNamespace``
    of its ``virxml.c``).
    """
    if element is None:
        return None
    root = etree.fromstring(element)
    for item in root.iter():
        item.tag = etree.QName(item).localname
    etree.cleanup_namespaces(root)
    return str(etree.tostring(root, encoding='unicode'))


class Host:
    """The domains of this host.

    :param uri: connection URI
    :param limit: for how many seconds libvirt may be silent
    :ivar name: libvirt's name of the host, once there was a connection
    """

    def __init__(self, uri: str, limit: float):
        self._uri = uri
        self._ask = time_limit.Patience(
            f'libvirt at {uri}', limit, SilenceError
        )
        self.name = ''

    @contextlib.contextmanager
    def domains(self, *, write: bool, running: bool) -> Iterator[list[Domain]]:
        """Return domains, while a connection is open.

        :param write: open it for writing, too
        :param running: only those that run
        :raises nodedev.LibvirtError: no connection, or no answer
        """
        node_devices.quiet()
        connect = libvirt.open if write else libvirt.openReadOnly
        flags = libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE if running else 0
        with contextlib.ExitStack() as stack:
            try:
                connection = self._ask.ask(lambda: connect(self._uri))
                stack.callback(self._close, connection)
                self.name = self._ask.ask(connection.getHostname)
                found = self._ask.ask(lambda: connection.listAllDomains(flags))
            except libvirt.libvirtError as exc:
                raise node_devices.LibvirtError(
                    f'libvirt at {self._uri}: {exc.get_error_message()}: see '
                    '[collector]libvirt_uri, whether the daemon runs, and '
                    'whether this user may use its '
                    f'{"read-write" if write else "read-only"} socket',
                ) from exc
            yield [Domain(domain, self._ask) for domain in found]

    def _close(self, connection: libvirt.virConnect) -> None:
        # A connection that is silent or broken ends with its last user.
        with contextlib.suppress(libvirt.libvirtError, SilenceError):
            self._ask.ask(connection.close)
