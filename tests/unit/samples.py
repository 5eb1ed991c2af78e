# SPDX-License-Identifier: Apache-2.0
"""Where test data is, and values that several tests start from."""

import pathlib

from nova_mdev_compat.core import identity
from nova_mdev_compat.host import parents
from nova_mdev_compat.rules import loader

ROOT = pathlib.Path(__file__).parents[2]
DATA = ROOT / 'tests' / 'data'
CAPTURES = DATA / 'libvirt-11.3'
VFIO_CAPTURES = DATA / 'vfio-libvirt-11.3'
GOOD_RULES = DATA / 'rules' / 'good'
BAD_RULES = DATA / 'rules' / 'bad'
MILD_RULES = DATA / 'rules' / 'mild'
SHIPPED_RULES = ROOT / 'etc' / 'nova-mdev-compat' / 'rules.d'

FACTS = {
    'driver': '550.90.07',
    'ecc': 'on',
    'kernel': '5.14.0-427.el9',
    'os': 'rhel-9.6',
    'subsystem': '10de:1482',
}
A16 = identity.Identity.of('10DE_2235', 'nvidia-558', FACTS)


def capture(name):
    """Return the text of a capture from a real libvirt."""
    return (CAPTURES / name).read_text('utf-8')


def rules(name):
    """Return vendor and rules of a good rule file."""
    found = loader.load_file(GOOD_RULES / name)
    return found.vendor, found.rules


def with_facts(**facts):
    """Return the sample identity with other facts on top; None takes away."""
    merged = {
        name: value
        for name, value in {**FACTS, **facts}.items()
        if value is not None
    }
    return identity.Identity.of(A16.parent, 'nvidia-558', merged)


def parent(name='pci_0000_84_00_0', **changes):
    """Return a parent that serves nvidia-558."""
    values = {
        'parent_id': '10DE_2235',
        'offered': ('nvidia-557', 'nvidia-558'),
        'target_type': 'nvidia-558',
        'device_api': parents.VFIO_PCI,
        'in_use': frozenset(),
        'facts': dict(FACTS),
        **changes,
    }
    return parents.MdevParent(name=name, **values)
