# SPDX-License-Identifier: Apache-2.0
"""Passes of one collector, measured.

Nothing but the collector is imported here, so that the memory of this process
is the collector's.
"""

import gc
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from oslo_log import log as logging

from nova_mdev_compat.cmd import collector as command
from nova_mdev_compat.daemons import collector
from nova_mdev_compat.daemons import host_reader
from nova_mdev_compat.daemons import state
from nova_mdev_compat.publication import publishers
from tests.benchmarks import timing

FIRST = 'first publication'
QUIET = 'quiet hour'
#: Until now the root spoke for all; from now on each speaks for itself.
DIFFERENT = 'one parent becomes different'
CHANGE = 'change in that one'
NAIVE = 'quiet, naive'
#: It takes long, and each pass is like the other.
NAIVE_PASSES = 3

CONFIG = """
[DEFAULT]
state_path = {home}
default_log_levels = nova_mdev_compat=ERROR
[collector]
libvirt_uri = test://{home}/node.xml
sysfs_root = {home}
hypervisor_hostname = host1
rules_dirs = {rules}
state_file = {home}/state.json
devices_file = {home}/devices.json
[devices]
enabled_mdev_types = nvidia-11
[placement]
auth_type = admin_token
token = admin
endpoint = {endpoint}
"""


class Placement:
    """Placement, in a process of its own; see collector_cloud."""

    def __init__(self, parents):
        self._process = subprocess.Popen(
            [
                sys.executable,
                '-m',
                'tests.benchmarks.collector_cloud',
                str(parents),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.host = self._hear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate()

    def requests(self):
        """Return how many there were since this was last called."""
        self._process.stdin.write('\n')
        self._process.stdin.flush()
        return self._hear()

    def _hear(self):
        return json.loads(self._process.stdout.readline())


class Host:
    """A host, and its collector."""

    def __init__(self, home, placement):
        self._placement = placement
        self._devices = placement.host['devices']
        self._node = home / 'node.xml'
        self.write('2235')
        config = home / 'collector.conf'
        config.write_text(CONFIG.format(home=home, **placement.host))
        self._conf = command.COMMAND.new_config()
        self._conf(['--config-file', str(config)])
        logging.setup(self._conf, 'nova-mdev-compat')
        self._reader = host_reader.HostReader(self._conf)
        self.forget()

    def forget(self):
        """Go on with a collector that remembers nothing of Placement."""
        found = collector.Collector(
            self._conf,
            publishers.load(self._conf),
            state.load(self._conf.collector),
        )
        self._loop = collector.CollectorLoop(
            found, self._reader, lambda _: None
        )

    def write(self, product):
        """Say what libvirt shows; ``product`` is the first parent's."""
        first, *others = self._devices
        first = first.replace('0x2235', f'0x{product}')
        self._node.write_text(f'<node>{"".join([first, *others])}</node>')

    def one_pass(self):
        self._loop.run_once()
        state = self._loop.state
        if state.error or len(state.published) != len(self._devices) + 1:
            raise AssertionError(f'a pass has failed: {state}')

    def naive_pass(self):
        self.forget()
        self.one_pass()

    def measure(self, case, run, passes):
        """Return what a number of passes cost."""
        self._placement.requests()
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        for number in range(passes):
            timing.progress(f'{len(self._devices)} parents: {case} {number}')
            run()
        cpu = time.process_time() - cpu
        wall = time.perf_counter() - wall
        timing.progress('')
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            'parents': len(self._devices),
            'case': case,
            'passes': passes,
            'requests': self._placement.requests(),
            'cpu_s': cpu,
            'wall_s': wall,
            'peak_mib': peak / 1024,
        }


def results(parents, passes):
    """Return what passes cost a host with some parents."""
    with (
        tempfile.TemporaryDirectory() as home,
        Placement(parents) as placement,
    ):
        host = Host(pathlib.Path(home), placement)
        found = [
            host.measure(FIRST, host.one_pass, 1),
            host.measure(QUIET, host.one_pass, passes),
        ]
        for case, product in ((DIFFERENT, '2236'), (CHANGE, '2237')):
            host.write(product)
            found.append(host.measure(case, host.one_pass, 1))
        # As the hour was that it is compared with.
        host.write('2235')
        host.one_pass()
        return [*found, host.measure(NAIVE, host.naive_pass, NAIVE_PASSES)]


if __name__ == '__main__':
    print(json.dumps(results(*map(int, sys.argv[1:]))))
