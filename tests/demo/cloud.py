# SPDX-License-Identifier: Apache-2.0
"""A small cloud that live-migrates instances and tells what became of them.

It is the functional tests' cloud: Nova's API, conductor, scheduler and five
computes in this process, Placement on SQLite, and on every host a collector
that reads libvirt's test driver.
"""

import dataclasses

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import traits
from tests.functional import base
from tests import hardware

Board = hardware.Board

RULES = """
schema_version: "1.0"
vendor: "10de"
rules:
  - name: same board and type, driver from the 535 branch up to ours
    accepts:
      product: same
      type: same
      facts: {driver: {at_least: "535", at_most: same}}
"""

SOURCE = 'gpu-1'
HOSTS = {
    SOURCE: [Board(0, driver='535.54.03')],
    'gpu-2': [Board(0, product='2236', driver='550.54.14')],
    'gpu-3': [Board(0, driver='550.54.14')],
    'gpu-4': [Board(0, driver='525.60.13')],
    'gpu-5': [
        Board(0, product='2236', driver='550.90.07'),
        Board(1, driver='550.90.07'),
    ],
}
INSTANCES = 3


@dataclasses.dataclass
class Device:
    """A device, and whether it takes vGPUs of the source, as published."""

    host: str
    name: str
    framework: str
    type: str
    driver: str
    verdict: str
    why: str


@dataclasses.dataclass
class Move:
    """One live migration: which hosts Nova tried, where it ended."""

    instance: str
    tried: list[str]
    host: str
    device: str


@dataclasses.dataclass
class Story:
    """What a cloud with or without the filter was seen to do."""

    with_filter: bool
    devices: list[Device] = dataclasses.field(default_factory=list)
    moves: list[Move] = dataclasses.field(default_factory=list)

    def verdict(self, move):
        """Return what the device that a move ended on says about it."""
        (verdict,) = {
            device.verdict
            for device in self.devices
            if (device.host, device.name) == (move.host, move.device)
        }
        return verdict


def device(host, name, published, source):
    """Return a device, judged by what Placement says about it.

    :param published: the content of its traits, as source
    """
    (own,) = published.identities()
    (asking,) = source.identities()
    verdicts = [
        pattern.judge(asking) for pattern in published.accepts.values()
    ]
    accepted = any(verdicts)
    return Device(
        host,
        name,
        own.framework.lower(),
        identity.display_type(own.type),
        identity.display('driver', own.fact('driver')),
        'accepts' if accepted else 'refuses',
        'the source'
        if host == SOURCE
        else ''
        if accepted
        else '; '.join(map(str, verdicts)) or 'publishes no accept pattern',
    )


class Narrated:
    """Runs once, as a test case does, and fills in a story.

    Subclasses are test cases, too.
    """

    def __init__(self, story, tell):
        super().__init__('live_migrate')
        self.WITH_FILTER = story.with_filter
        self.story = story
        self.tell = tell

    def setUp(self):
        self.tell(
            'starting Placement, nova-api, nova-conductor and nova-scheduler '
            + (
                'with MdevCompatFilter'
                if self.WITH_FILTER
                else 'as Nova comes'
            )
        )
        super().setUp()

    def boot_and_move(self):
        self.tell(f'booting {INSTANCES} instances with a vGPU on {SOURCE}')
        servers = [self.boot(SOURCE) for _ in range(INSTANCES)]
        for number, server in enumerate(servers, 1):
            host = self.migrate(server)
            move = Move(
                f'instance {number}',
                list(self.checked),
                host,
                self.device_of(server, host),
            )
            self.story.moves.append(move)
            self.tell(
                f'{move.instance}: Nova tried {", ".join(move.tried)}; it '
                f'runs on {host} now'
            )
            # So that the scheduler sees who is fuller now.
            self._run_periodics()


class Cloud(Narrated, base.MdevCompatTestCase):
    """Hosts with mdevs."""

    def live_migrate(self):
        self.write_rules(RULES)
        for name, boards in HOSTS.items():
            self.tell(
                f'starting nova-compute on {name}; its collector publishes'
            )
            self.start_host(name, *boards)
        source = self.described(SOURCE, HOSTS[SOURCE][0])
        self.story.devices += [
            device(name, board.device, self.described(name, board), source)
            for name, boards in HOSTS.items()
            for board in boards
        ]
        self.boot_and_move()

    def described(self, host, board):
        uuid = self.provider(host, board.slot)
        return traits.describe(self._get_provider_traits(uuid))

    def device_of(self, server, host):
        (provider,) = self.devices_of(server)
        return provider.removeprefix(f'{host}_')
