# SPDX-License-Identifier: Apache-2.0
"""What libvirt waits for, where nova-mdev-guard is one of its hooks.

Whole processes, as libvirt starts them, one kind after the other so that
whatever else the machine does meets all of them.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

from nova_mdev_compat.core import identity
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file
from tests.benchmarks import options
from tests.benchmarks import results
from tests.benchmarks import timing
from tests import mdev_tree
from tests.unit import samples

HOOK = (
    pathlib.Path(__file__).parents[2]
    / 'etc/libvirt/hooks/qemu.d/nova-mdev-guard'
)
#: What the guard may take beyond an empty hook, in seconds.
ALLOWED = 0.25
EMPTY, OTHER, WITHOUT, ACCEPTED, REFUSED = (
    'empty hook',
    'another operation',
    'migration without mdevs',
    'migration that is accepted',
    'migration that is refused',
)
#: What has to keep to that, by a word for its ratio.
LIMITED = {WITHOUT: 'without-mdevs', ACCEPTED: 'accepted', REFUSED: 'refused'}
#: The mdev in sysfs; the domain has another one, which is left out.
MDEV = '11111111'


def measure(rounds):
    """Measure each case so many times.

    :param rounds: of each
    """
    with tempfile.TemporaryDirectory() as directory:
        cases = _cases(pathlib.Path(directory))
        took = {name: [] for name in cases}
        for number in range(rounds):
            timing.progress(f'round {number + 1} of {rounds}')
            for name, case in cases.items():
                took[name].append(_time(*case))
    return results.Found(
        tuple(
            results.Measurement(
                name, 'ms', tuple(seconds * 1e3 for seconds in some), {}
            )
            for name, some in took.items()
        ),
        (
            results.paired(
                'guard-other-operation',
                'the hook at other operations, of an empty hook',
                took[OTHER],
                took[EMPTY],
            ),
            *(
                results.paired(
                    f'guard-{word}',
                    f'{name}: what it takes beyond an empty hook, '
                    f'of {ALLOWED * 1e3:.0f} ms',
                    [
                        one - empty
                        for one, empty in zip(
                            took[name], took[EMPTY], strict=True
                        )
                    ],
                    [ALLOWED] * rounds,
                )
                for name, word in LIMITED.items()
            ),
        ),
    )


def _cases(home):
    """Return arguments of _time by case, for a destination in a directory."""
    uuid, parent, mdev_type = mdev_tree.add(
        home / 'sys', mdev_tree.capture(MDEV)
    )
    devices_file.write(
        home / 'devices.json',
        devices_file.DevicesFile(
            'here',
            time.time(),
            {
                parent: devices_file.DeviceEntry(
                    frozenset({'CUSTOM_MDEV_V1', 'CUSTOM_MDEV_TYPE_LABGPU_1'}),
                    {
                        'CUSTOM_MDEV_ACCEPT_1234_11E8__LABGPU_1__DRIVER_GE_1': (
                            'a rule',
                        )
                    },
                )
            },
        ),
    )
    accepted, refused = (
        _domain(
            domain_xml.AnnotatedDevice(
                uuid,
                identity.Identity.of(
                    '1234_11E8', mdev_type, {'driver': driver}
                ),
            )
        )
        for driver in ('1.0', '0.9')
    )
    empty = _script(home / 'empty', 'exit 0')
    path = _commands(home)
    return {
        EMPTY: (empty, 'migrate', accepted, path, 0),
        OTHER: (HOOK, 'start', accepted, path, 0),
        WITHOUT: (HOOK, 'migrate', accepted.replace(b'mdev', b'usb'), path, 0),
        ACCEPTED: (HOOK, 'migrate', accepted, path, 0),
        REFUSED: (HOOK, 'migrate', refused, path, 1),
    }


def _domain(mdev):
    """Return the XML of a domain with an mdev."""
    text = samples.capture('domain-mdev-live.xml')
    element = f'<metadata>{domain_xml.write_annotation([mdev])}</metadata>'
    return (
        text.replace("type='mdev'", "type='usb'", 1)
        .replace('<memory ', f'{element}<memory ', 1)
        .encode()
    )


def _commands(home):
    """Return a PATH in which the guard has options of its own."""
    (home / 'guard.conf').write_text(
        f'[collector]\nsysfs_root = {home}/sys\n'
        f'devices_file = {home}/devices.json\n'
    )
    (home / 'bin').mkdir()
    command = pathlib.Path(sys.executable).parent / 'nova-mdev-guard'
    _script(
        home / 'bin/nova-mdev-guard',
        f'shift; exec {command} --config-file {home}/guard.conf "$@"',
    )
    return f'{home}/bin:{os.defpath}'


def _script(path, text):
    path.write_text(f'#!/bin/sh\n{text}\n')
    path.chmod(0o755)
    return path


def _time(script, operation, domain, path, status):
    """Return for how many seconds libvirt would have waited."""
    start = time.perf_counter()
    done = subprocess.run(
        [script, 'vg', operation, 'begin', '-'],
        input=domain,
        env={'PATH': path},
        check=False,
        capture_output=True,
    )
    took = time.perf_counter() - start
    if done.returncode != status:
        raise AssertionError(
            f'{script} ends with {done.returncode}: {done.stderr.decode()}'
        )
    return took


BENCHMARK = options.Benchmark(
    'guard_cost',
    'what nova-mdev-guard costs libvirt',
    (options.Size('rounds', 40, 5, 'of each case'),),
    measure,
)

if __name__ == '__main__':
    sys.exit(BENCHMARK.main())
