# SPDX-License-Identifier: Apache-2.0
"""Every order of upgrades, tried with each host and each instance by name.

Nothing here is shared with the search that it checks: a world says where an
instance can move while some hosts have been upgraded, and that is all.
"""

import abc
import itertools

from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.fleet import acceptance


class World(abc.ABC):
    """Hosts by number, and instances.

    :ivar todo: hosts to upgrade
    :ivar instances: where each is: a host, and how it is there
    """

    @abc.abstractmethod
    def moves(self, position, upgraded):
        """Return where one move leads to."""

    @abc.abstractmethod
    def must_leave(self, position):
        """Tell whether a host cannot be upgraded with an instance so."""

    def tracks(self):
        """Return where each instance can be, of those that count."""
        return [
            frozenset({one})
            for one in self.instances
            if self.moves(one, frozenset())
        ]

    def after(self, track, upgraded, host):
        """Return where an instance can be after a step; not stranded."""
        reached, todo = set(track), list(track)
        while todo:
            for position in self.moves(todo.pop(), upgraded):
                if position not in reached:
                    reached.add(position)
                    todo.append(position)
        return frozenset(
            one
            for one in reached
            if not (one[0] == host and self.must_leave(one))
            and self.moves(one, upgraded | {host})
        )

    def is_good(self, order):
        """Tell whether an order strands nobody."""
        tracks, upgraded = self.tracks(), frozenset()
        for host in order:
            tracks = [self.after(one, upgraded, host) for one in tracks]
            upgraded |= {host}
        return all(tracks)

    def exists(self):
        """Tell whether some order does."""
        return self._exists(frozenset(), self.tracks())

    def _exists(self, upgraded, tracks):
        left = [host for host in self.todo if host not in upgraded]
        if not left:
            return True
        for host in left:
            after = [self.after(one, upgraded, host) for one in tracks]
            if all(after) and self._exists(upgraded | {host}, after):
                return True
        return False


class TableWorld(World):
    """Of a problem's kinds and groups."""

    def __init__(self, problem):
        self._problem = problem
        self.groups = [
            number
            for number, group in enumerate(problem.groups)
            for _ in range(group.size)
        ]
        self.todo = [
            host
            for host in range(len(self.groups))
            if self._kind(host).new is not None
        ]
        self.instances = [
            (host, stay)
            for host, group in enumerate(self.groups)
            for stay in problem.groups[group].stays
        ]

    def _kind(self, host):
        return self._problem.kinds[
            self._problem.groups[self.groups[host]].kind
        ]

    def moves(self, position, upgraded):
        host, stay = position
        return [
            (other, landed)
            for other in range(len(self.groups))
            if other != host
            for landed in self._problem.lands(
                stay,
                self._kind(other).new
                if other in upgraded
                else self._kind(other).old,
            )
        ]

    def must_leave(self, position):
        host, stay = position
        return self._problem.leaves(stay, self._kind(host))

    def order(self, runs):
        """Return the hosts that runs of a plan upgrade."""
        left = list(self.groups)
        hosts = []
        for run in runs:
            for _ in range(run.number):
                hosts.append(left.index(run.group))
                left[hosts[-1]] = None
        return hosts


class CloudWorld(World):
    """Of a cloud, its hosts as they would be, and its instances."""

    def __init__(self, upgrade, instances):
        self._upgrade = upgrade
        self.hosts = [host for host in upgrade.cloud.hosts if host.parents]
        self._after = [upgrade.after.get(host.uuid) for host in self.hosts]
        self.todo = [number for number, host in enumerate(self._after) if host]
        uuids = [host.uuid for host in self.hosts]
        self.instances = [
            self.position(
                uuids.index(one.host.uuid),
                one.host,
                [parent for parent, _, _ in one.mdevs],
            )
            for one in instances
        ]

    def position(self, number, host, parents):
        return number, tuple(host.parents.index(one) for one in parents)

    def _host(self, number, upgraded):
        return (self._after if number in upgraded else self.hosts)[number]

    def moves(self, position, upgraded):
        number, devices = position
        host = self._host(number, upgraded)
        held = [
            (host.parents[device].identities, f'C{index}', 1)
            for index, device in enumerate(devices)
        ]
        if not all(identities for identities, _, _ in held):
            return []
        needs = sorted(
            acceptance.needs(held),
            key=lambda need: int(need.resource_class[1:]),
        )
        return [
            (other, landed)
            for other in range(len(self.hosts))
            if other != number
            for landed in self._landings(other, upgraded, needs)
        ]

    def _landings(self, number, upgraded, needs):
        host = self._host(number, upgraded)
        if not host.published:
            return []
        return itertools.product(
            *(
                [
                    device
                    for device, parent in enumerate(host.parents)
                    if acceptance.accepts(Offer.of(parent.said), need)
                ]
                for need in needs
            )
        )

    def must_leave(self, position):
        number, devices = position
        host = self.hosts[number]
        return any(
            self._upgrade.changes(host, host.parents[device])
            for device in devices
        )
