# SPDX-License-Identifier: Apache-2.0
"""What scenarios are written in: a cloud, its instances, and judgement."""

import contextlib

from tests.cloud import control
from tests.cloud import oracle
from tests.cloud import process
from tests.cloud import servers


class Wrong(Exception):
    """The cloud did something else than it should."""


def expect(condition, what):
    """Raise Wrong unless a condition holds.

    :param what: what is wrong otherwise
    """
    if not condition:
        raise Wrong(what)


class Lab:
    """A running cloud, in the hands of whoever tries it."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.plane = cloud.plane
        self.hosts = cloud.hosts
        self.servers = servers.Servers(cloud)
        self.admin, self.owner, self.other = (
            cloud.admin,
            cloud.owner,
            cloud.other,
        )

    @contextlib.contextmanager
    def instances(self, *names, host=None, **kwargs):
        """Have instances, for as long as this lasts."""
        try:
            yield self.servers.boot(names, host, **kwargs)
        finally:
            self.servers.delete(names)

    def devices(self):
        """Return what is known of devices, by host and device."""
        return {
            (host.name, board.device): oracle.Device(
                board.product, board.driver, host.oldest
            )
            for host in self.hosts.values()
            if host.collects
            for board in host.boards
        }

    def migrate(self, *names, host=None):
        """Live-migrate instances; judge where each of them landed.

        :returns: moves, by name
        :raises Wrong: one is where it must not be
        """
        devices = self.devices()
        moves = self.servers.migrate(names, host)
        for move in moves.values():
            self.judge(move, devices, devices)
        return moves

    def judge(self, move, before, after):
        """Raise Wrong if an instance went where nobody accepts it.

        :param before: devices when it went
        :param after: devices when it had come
        """
        (source_host, sources), (host, targets) = move.source, move.target
        if source_host == host:
            expect(
                sources == targets,
                f'{move.server} has stayed, its mdevs have not: {move}',
            )
            return
        expect(len(sources) == len(targets), f'mdevs got lost: {move}')
        for source in sources:
            for target in targets:
                expect(
                    oracle.accepts(
                        before[source_host, source], after.get((host, target))
                    ),
                    f'an incompatible landing: {move}',
                )

    def moved(self, moves):
        """Return how many have gone to another host."""
        return sum(move.source[0] != move.target[0] for move in moves.values())

    def expect_all_moved(self, moves):
        stayed = [
            move for move in moves.values() if move.source[0] == move.target[0]
        ]
        expect(not stayed, f'did not move: {stayed}')

    def expect_refused(self, name, host):
        """Ask for a host that must not be let through."""
        (move,) = self.migrate(name, host=host).values()
        expect(
            move.status == 'refused' and move.source == move.target,
            f'{host} was not refused: {move}',
        )

    def targets(self, name):
        """Return what "openstack mdev target list" says, by host."""
        # 1 is that there is none.
        rows = self.admin.rows(f'mdev target list {name}', (0, 1))
        return {row['host']: row for row in rows}

    def compatible(self, name):
        """Return the hosts that could take an instance now."""
        return {
            host
            for host, row in self.targets(name).items()
            if row['verdict'] == 'compatible'
        }

    def says(self, *words, since=0):
        """Return lines of the schedulers' logs that have all these words.

        :param since: as returned by log_sizes
        """
        return [
            line
            for text in self.scheduler_logs(since)
            for line in text.splitlines()
            if all(word in line for word in words)
        ]

    def scheduler_logs(self, since=0):
        logs = [
            self.plane.processes[name].read_log()
            for name in control.SCHEDULERS
        ]
        starts = since or [0] * len(logs)
        return [text[start:] for text, start in zip(logs, starts, strict=True)]

    def log_sizes(self):
        return [len(text) for text in self.scheduler_logs()]

    def wait_until(self, condition, what):
        return process.wait_for(condition, what, pause=0.5)
