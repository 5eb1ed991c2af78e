# SPDX-License-Identifier: Apache-2.0
"""sysfs as a kernel with mdevs has it, made of what libvirt said there.

No machine that runs the tests is sure to have mdevs. The captures have each
mdev's directory, type and parent; the links are those of the kernel's
Documentation/driver-api/vfio-mediated-device.rst, and of the listings in
tests/data/libvirt-11.3.
"""

import pathlib

from lxml import etree

from tests.unit import samples


def capture(uuid):
    """Return what libvirt said of an mdev, by the beginning of its UUID."""
    (path,) = samples.CAPTURES.glob(f'mdev-mdev_{uuid}*.xml')
    return path.read_text('utf-8')


def add(root, text):
    """Add an mdev to a sysfs.

    :param root: its root
    :param text: the mdev's node-device XML
    :returns: UUID, libvirt's name of the parent, mdev type
    """
    device = etree.fromstring(text)
    home = pathlib.Path(root, device.findtext('path').removeprefix('/sys/'))
    mdev_type = device.find('capability/type').get('id')
    parent = device.findtext('parent')
    _add(root, home, f'bus/{parent.partition("_")[0]}', mdev_type)
    return home.name, parent, mdev_type


def add_below(
    root,
    parent,
    subsystem,
    mdev_type,
    uuid='11111111-1111-4111-8111-111111111111',
):
    """Add an mdev of a parent that no capture has.

    :param parent: its path below /sys/devices
    :param subsystem: the parent's, by its path below /sys
    :returns: UUID
    """
    _add(
        root, pathlib.Path(root, 'devices', parent, uuid), subsystem, mdev_type
    )
    return uuid


def _add(root, home, subsystem, mdev_type):
    types = home.parent / 'mdev_supported_types' / mdev_type
    types.mkdir(parents=True, exist_ok=True)
    (types / 'device_api').write_text('vfio-pci\n')
    home.mkdir(parents=True)
    (home / 'mdev_type').symlink_to(f'../mdev_supported_types/{mdev_type}')
    _link(home.parent / 'subsystem', pathlib.Path(root, subsystem))
    _link(pathlib.Path(root, 'bus/mdev/devices', home.name), home)


def _link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(target)
