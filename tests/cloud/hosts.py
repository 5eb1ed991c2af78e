# SPDX-License-Identifier: Apache-2.0
"""Compute hosts: nova-compute, and a collector beside it.

nova-compute runs Nova's own fake virt driver, since a guest with an mdev needs
a device that no test machine has. That driver knows no devices: their
resource providers are made as Nova's libvirt driver makes them, which
nova-compute leaves alone. The collector is what an operator installs, and
reads libvirt's test driver.
"""

import pathlib

from tests.cloud import control
from tests.cloud import process
from tests import hardware

#: How many mdevs a board can have.
CAPACITY = 64
#: Between two passes of a collector; the default is a minute.
INTERVAL = 2

COMPUTE = """
[DEFAULT]
host = {name}
state_path = {home}/nova
compute_driver = fake.FakeDriverWithoutFakeNodes
sync_power_state_interval = -1
instances_path = {home}/instances
[oslo_concurrency]
lock_path = {home}/lock
[devices]
enabled_mdev_types = nvidia-11
"""
COLLECTOR = """
[DEFAULT]
log_dir =
[collector]
libvirt_uri = test://{home}/node.xml
sysfs_root = {home}/sys
hypervisor_hostname = {name}
rules_dirs = {home}/rules.d
state_file = {home}/state.json
devices_file = {home}/devices.json
interval = {interval}
"""
RULES = """
schema_version: "1.0"
vendor: "10de"
rules:
  - name: same product and type, driver from {oldest} up to ours
    accepts:
      facts: {{driver: {{at_least: "{oldest}", at_most: same}}}}
"""


class Host:
    """A compute host.

    :ivar boards: its devices, as they are now
    :ivar collects: it has a collector
    :ivar oldest: driver that its rules take
    """

    def __init__(self, plane, name, boards, collects=True):
        self.name = name
        self.boards = boards
        self.collects = collects
        self._plane = plane
        self.home = plane.home / name
        for part in ('sys', 'rules.d', 'nova', 'lock', 'instances'):
            (self.home / part).mkdir(parents=True, exist_ok=True)
        self.show_boards()
        self.write_rules()
        for file, text in (
            ('nova.conf', COMPUTE),
            ('collector.conf', COLLECTOR),
        ):
            (self.home / file).write_text(
                text.format(name=name, home=self.home, interval=INTERVAL)
            )

    # What the host has

    @property
    def driver(self):
        """Version of the boards' driver; it is one module's."""
        (version,) = {board.driver for board in self.boards}
        return version

    @driver.setter
    def driver(self, driver):
        for board in self.boards:
            board.driver = driver
        hardware.write_sysfs(self.home / 'sys', self.boards)

    def lose(self, slot):
        """Let a board vanish, as one that falls off its bus does."""
        self.boards = [board for board in self.boards if board.slot != slot]
        self.show_boards()

    def show_boards(self):
        _replace(self.home / 'node.xml', hardware.node_xml(self.boards))
        hardware.write_sysfs(self.home / 'sys', self.boards)

    def write_rules(self, oldest='535'):
        """Say from which driver on this host accepts."""
        self.oldest = oldest
        _replace(
            self.home / 'rules.d/nvidia.yaml', RULES.format(oldest=oldest)
        )

    def provider(self, board):
        """Return the name of a board's resource provider."""
        return f'{self.name}_{board.device}'

    # What runs there

    def start_compute(self):
        self._plane.start(
            f'{self.name}-compute',
            [control.BIN / 'nova-compute', *self._configuration('nova.conf')],
        )

    def start_collector(self):
        if self.collects:
            self._plane.start(
                f'{self.name}-collector',
                [
                    control.BIN / 'nova-mdev-collector',
                    *self._configuration('nova.conf', 'collector.conf'),
                ],
            )

    @property
    def collector(self) -> process.Process:
        return self._plane.processes[f'{self.name}-collector']

    @property
    def compute(self) -> process.Process:
        return self._plane.processes[f'{self.name}-compute']

    def _configuration(self, *own):
        paths = [
            self._plane.etc / 'nova.conf',
            *(self.home / name for name in own),
        ]
        return [arg for path in paths for arg in ('--config-file', path)]


def _replace(path: pathlib.Path, text: str) -> None:
    new = path.with_name(f'.{path.name}.new')
    new.write_text(text)
    new.replace(path)
