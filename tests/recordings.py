# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/recordings anew: python -m tests.recordings.

Five hosts as the tutorial has them. They are made from what is said below and
the shipped rules, because no such board is to be had for a test.
"""

import json

from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication import snapshot
from nova_mdev_compat.rules import loader
from tests.unit import samples

DIRECTORY = samples.DATA / 'recordings'
INSTALLED = '/usr/share/nova-mdev-compat/rules.d'

FACTS = {
    'module': 'nvidia',
    'driver': '550.90.05',
    'os': 'rhel-9.6',
    'kernel': '5.14.0-570.12.1.el9_6.x86_64',
    'subsystem': '10de:145a',
    'ecc': 'on',
    'mig': 'unsupported',
}
#: What an A40's boards are on each host, as far as it is not FACTS.
HOSTS = {
    'gpu-1': {'driver': '535.183.04'},
    'gpu-2': {'driver': '535.183.04'},
    'gpu-3': {},
    'gpu-4': {'ecc': 'off'},
    'gpu-5': {'ecc': None, 'mig': None},
}
NO_DRIVER = (
    "nvidia-ml-py is not installed: pip install 'nova-mdev-compat[nvidia]'"
)


def host(name):
    """Return a host with two boards, under the shipped rules."""
    facts = {**FACTS, **HOSTS[name]}
    unknown = {
        fact: NO_DRIVER for fact, value in facts.items() if value is None
    }
    facts = {fact: value for fact, value in facts.items() if value}
    rules = loader.load([str(samples.SHIPPED_RULES)])
    return host_traits.HostSnapshot(
        name,
        tuple(
            host_traits.describe(
                samples.parent(device, facts=facts, unknown=unknown), rules
            )
            for device in ('pci_0000_84_00_4', 'pci_0000_84_00_5')
        ),
    )


def text(name):
    """Return a recording, with rule files where a package puts them."""
    recorded = json.loads(snapshot.dump(host(name)))
    for parent in recorded['parents']:
        for rule in parent['rules']:
            rule['source'] = rule['source'].replace(
                str(samples.SHIPPED_RULES), INSTALLED
            )
    return json.dumps(recorded, indent=2) + '\n'


def main():
    DIRECTORY.mkdir(exist_ok=True)
    for name in HOSTS:
        (DIRECTORY / f'{name}.json').write_text(text(name), 'utf-8')


if __name__ == '__main__':
    main()
