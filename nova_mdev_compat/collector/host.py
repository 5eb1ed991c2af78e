# SPDX-License-Identifier: Apache-2.0
"""This host, read and judged: what a pass publishes."""

from collections.abc import Mapping
import dataclasses
import queue
import threading

from oslo_config import cfg
from oslo_log import log as logging

from nova_mdev_compat.collector import nodedev
from nova_mdev_compat.collector import parents as par
from nova_mdev_compat.collector import publication
from nova_mdev_compat.collector import rules as collector_rules
from nova_mdev_compat.collector import sysfs
from nova_mdev_compat.collector import system
from nova_mdev_compat.collector import xml
from nova_mdev_compat.conf import nova as nova_options

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Host:
    """What was found on this host.

    :ivar name: hypervisor hostname
    """

    name: str
    parents: tuple[publication.ParentTraits, ...]


class Reader:
    """Reads this host again and again.

    :raises exceptions.BadInput: nova.conf says what Nova would refuse
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._types = nova_options.mdev_types(conf)
        self._libvirt = Patience(conf.collector.libvirt_timeout)
        self.rules = collector_rules.Rules(conf.collector.rules_dirs)
        for mdev_type in self._types.ignored:
            LOG.warning('nova.conf: mdev type %s is enabled without '
                        '[mdev_%s]device_addresses, and %s is the default '
                        'already; Nova ignores it', mdev_type, mdev_type,
                        self._types.default)

    def read(self) -> Host:
        """Return what this host is and accepts.

        :raises exceptions.BadInput: rules or a device are wrong
        :raises exceptions.Failure: libvirt or sysfs cannot be read
        """
        options = self._conf.collector
        rules = self.rules.current()
        found = self._libvirt.read(options.libvirt_uri)
        tree = sysfs.Sysfs(options.sysfs_root)
        shared = system.facts()

        def facts_of(device: xml.ParentDevice) -> Mapping[str, str]:
            return {**shared, **tree.facts(device)}

        parents = par.build(found.parents, found.mdevs, found.used,
                            self._types, facts_of, tree.subsystem)
        return Host(options.hypervisor_hostname or found.hostname, tuple(
            publication.describe(parent, rules) for parent in parents))


def name(conf: cfg.ConfigOpts) -> str:
    """Return the host's name alone.

    :raises nodedev.LibvirtError: only libvirt knows, and does not say
    """
    options = conf.collector
    if options.hypervisor_hostname:
        return str(options.hypervisor_hostname)
    return Patience(options.libvirt_timeout).read(options.libvirt_uri).hostname


class Patience:
    """Asks libvirt, but not for ever.

    libvirt's calls have no time limit. One that does not return is left to
    itself, in a thread that does not keep the process alive, and no other
    is made before it has returned.

    :param limit: seconds
    """

    def __init__(self, limit: float):
        self._limit = limit
        self._asking: threading.Thread | None = None

    def read(self, uri: str) -> nodedev.HostDevices:
        """Return what libvirt knows of this host.

        :raises nodedev.LibvirtError: it says nothing, or no
        """
        if self._asking is not None and self._asking.is_alive():
            raise nodedev.LibvirtError(
                f'libvirt at {uri} still has not answered an earlier question')
        answers: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._asking = threading.Thread(
            target=_ask, args=(uri, answers), daemon=True, name='libvirt')
        self._asking.start()
        try:
            answer = answers.get(timeout=self._limit)
        except queue.Empty:
            raise nodedev.LibvirtError(
                f'libvirt at {uri} has not answered for {self._limit} '
                'seconds') from None
        if isinstance(answer, nodedev.HostDevices):
            return answer
        assert isinstance(answer, BaseException)
        raise answer


def _ask(uri: str, answers: 'queue.SimpleQueue[object]') -> None:
    try:
        answers.put(nodedev.read(uri))
    except BaseException as exc:  # whatever it is, the asker has to know
        answers.put(exc)
