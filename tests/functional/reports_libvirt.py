# SPDX-License-Identifier: Apache-2.0
"""The collector's command on a stand-in for the connection to libvirt.

For what libvirt's test driver cannot read: devices without PCI ids, types
without a device API, mdevs that are only defined, mdevs as a libvirt of other
times describes them. A report's directory has one XML file for each device in
nodes/, as ``virsh nodedev-dumpxml`` prints it, and for each running domain in
domains/. The comment ``inactive`` makes a device one that is only defined.
"""

import pathlib
import sys

import libvirt
from lxml import etree

from nova_mdev_compat.cmd import collector

CAPABILITIES = {
    libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV_TYPES: 'mdev_types',
    libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV: 'mdev',
}


class Item:
    """A node device or a domain."""

    def __init__(self, path):
        self._text = path.read_text('utf-8')
        self._tree = etree.fromstring(self._text.encode())

    def name(self):
        return self._tree.findtext('name')

    def UUIDString(self):
        return self._tree.findtext('uuid')

    def XMLDesc(self, flags=0):
        return self._text

    def isActive(self):
        return not [
            item
            for item in self._tree.getroottree().xpath('//comment()')
            if item.text.strip() == 'inactive'
        ]

    def capabilities(self):
        return {item.get('type') for item in self._tree.iter('capability')}


class Connection:
    """As a read-only connection to QEMU's driver."""

    def __init__(self, report):
        self._report = report

    def getHostname(self):
        path = self._report / 'hostname'
        return path.read_text('utf-8').strip() if path.exists() else 'gpu-1'

    def _items(self, directory):
        return [
            Item(path)
            for path in sorted((self._report / directory).glob('*.xml'))
        ]

    def listAllDevices(self, flags=0):
        """Return devices, with libvirt's meaning of the flags.

        A group of flags of which none is given filters nothing
        (``virNodeDeviceObjListExport``).
        """
        wanted = {name for bit, name in CAPABILITIES.items() if flags & bit}
        active = flags & libvirt.VIR_CONNECT_LIST_NODE_DEVICES_ACTIVE
        inactive = flags & libvirt.VIR_CONNECT_LIST_NODE_DEVICES_INACTIVE
        return [
            item
            for item in self._items('nodes')
            if (not wanted or item.capabilities() & wanted)
            and (
                not (active or inactive)
                or (active if item.isActive() else inactive)
            )
        ]

    def listAllDomains(self, flags=0):
        return self._items('domains')

    def close(self):
        pass


def main():
    report, *args = sys.argv[1:]
    libvirt.openReadOnly = lambda _uri: Connection(pathlib.Path(report))
    return collector.main(args)


if __name__ == '__main__':
    sys.exit(main())
