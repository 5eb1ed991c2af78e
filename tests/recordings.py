# SPDX-License-Identifier: Apache-2.0
"""Writes the snapshots of two pages again: python -m tests.recordings.

tests/data/recordings has the five hosts of the tutorial, and
tests/data/recordings-new-board the three of "A rule for a new board". They are
made from what is said below and the shipped rules, because no such board is to
be had for a test.
"""

import json

from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication import snapshot
from nova_mdev_compat.rules import loader
from tests.unit import samples

DIRECTORY = samples.DATA / 'recordings'
NEW_BOARD = samples.DATA / 'recordings-new-board'
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
#: A100 SXM4 80 GB of two revisions, with ids as NVIDIA publishes them.
A100 = {
    'parent_id': '10DE_20B2',
    'offered': ('nvidia-697', 'nvidia-699', 'nvidia-700'),
    'target_type': 'nvidia-697',
}
REVISIONS = {
    'a100-1': {'subsystem': '10de:1463', 'mig': 'off'},
    'a100-2': {'subsystem': '10de:1463', 'mig': 'off'},
    'a100-3': {'subsystem': '10de:147f', 'mig': 'off'},
}
NO_DRIVER = (
    "nvidia-ml-py is not installed: pip install 'nova-mdev-compat[nvidia]'"
)


def host(name):
    """Return a host with two devices, under the shipped rules."""
    facts = {**FACTS, **{**HOSTS, **REVISIONS}[name]}
    board = A100 if name in REVISIONS else {}
    unknown = {
        fact: NO_DRIVER for fact, value in facts.items() if value is None
    }
    facts = {fact: value for fact, value in facts.items() if value}
    rules = loader.load([str(samples.SHIPPED_RULES)])
    return host_traits.HostSnapshot(
        name,
        tuple(
            host_traits.describe(
                samples.parent(device, facts=facts, unknown=unknown, **board),
                rules,
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
    for directory, names in ((DIRECTORY, HOSTS), (NEW_BOARD, REVISIONS)):
        directory.mkdir(exist_ok=True)
        for name in names:
            (directory / f'{name}.json').write_text(text(name), 'utf-8')


if __name__ == '__main__':
    main()
