# SPDX-License-Identifier: Apache-2.0
"""Devices and options that the tests of plugins share."""

from nova_mdev_compat.cmd import collector
from nova_mdev_compat.vendors import base


def device(bus, parent_id, *types):
    """Return a board with one PCI function, which is at the start of a bus."""
    address = f'0000:{bus}:00.0'
    return base.Device(
        f'pci_0000_{bus}_00_0', parent_id, address, address, frozenset(types)
    )


LAB = device('03', '1B36_0005', 'labgpu-1')


def config(test, **options):
    """Return the collector's options, some of them with other values."""
    conf = collector.COMMAND.new_config()
    conf([], default_config_files=[], default_config_dirs=[])
    for name, value in options.items():
        conf.set_override(name, value, 'collector')
        # Groups of options are shared by all objects.
        test.addCleanup(conf.clear_override, name, 'collector')
    return conf
