# SPDX-License-Identifier: Apache-2.0
"""Why there is no order of upgrades, in an operator's words. Pure."""

import collections
from collections.abc import Iterable, Iterator, Sequence

from nova_mdev_compat.core import matching
from nova_mdev_compat.upgrade.board import Stay
from nova_mdev_compat.upgrade.fleet import Fleet
from nova_mdev_compat.upgrade.fleet import Host
from nova_mdev_compat.upgrade import landing
from nova_mdev_compat.upgrade import order
from nova_mdev_compat.upgrade.problem import Loss
from nova_mdev_compat.upgrade.problem import When

#: Names, reasons, hosts and instances that are told before the others are
#: only counted.
TOLD = 3

#: Whether a host is beside the point, not to be upgraded; and its devices.
_Profile = tuple[bool, landing.Profile]

_IN_VAIN = matching.but('no other host would take it from there')


def named(names: Sequence[str], what: str = 'host') -> str:
    """Return some names: ``a, b, c and 4 more hosts``."""
    more = len(names) - TOLD
    if more <= 0:
        return ' and '.join(filter(None, [', '.join(names[:-1]), *names[-1:]]))
    return f'{", ".join(names[:TOLD])} and {number(more, f"more {what}")}'


def number(count: int, what: str) -> str:
    """Return a number of things: ``1 host``, ``2 hosts``."""
    return f'{count} {what}{"" if count == 1 else "s"}'


class Obstacles:
    """Knows the names of what a plan only counts."""

    def __init__(self, fleet: Fleet):
        self._fleet = fleet
        self._problem = fleet.problem
        self._hosts: list[list[Host]] = [[] for _ in fleet.problem.groups]
        for host in fleet.hosts:
            self._hosts[host.group].append(host)
        self._known: dict[tuple[int, ...], collections.Counter[_Profile]] = {}

    def lines(self, end: order.DeadEnd) -> Iterator[str]:
        """Say why no upgrade is possible when some have been made."""
        done = [
            host.name
            for hosts, upgraded in zip(self._hosts, end.done, strict=True)
            for host in hosts[:upgraded]
        ]
        when = f'with {named(done)} upgraded' if done else 'at first'
        for group, losses in end.losses[:TOLD]:
            if group is None:
                when, who = 'whatever the order', ''
            else:
                who = f'{self._next(group, end.done)} cannot be upgraded: '
            yield f'{when}, {who}' + '; '.join(
                self._some(list(self._clauses(losses, group, end.done)))
            )
        if len(end.losses) > TOLD:
            yield (
                f'{when}, nor can {len(end.losses) - TOLD} others be upgraded'
            )

    def _some(self, clauses: Sequence[str]) -> Iterator[str]:
        yield from clauses[:TOLD]
        if len(clauses) > TOLD:
            yield (
                'and '
                + number(len(clauses) - TOLD, 'more kind')
                + ' of instances'
            )

    def _next(self, group: int, done: Sequence[int]) -> str:
        first, *others = self._hosts[group][done[group] :]
        if not others:
            return first.name
        return f'{first.name} (or {len(others)} like it)'

    def _clauses(
        self,
        losses: Iterable[Loss],
        group: int | None,
        done: Sequence[int],
    ) -> Iterator[str]:
        after = list(done)
        if group is not None:
            after[group] += 1
        steps = [
            self._problem.steps(one)
            for one in range(len(self._problem.groups))
        ]
        for loss in losses:
            who = self._who(loss)
            if loss.when is When.NOW:
                yield (
                    f'no other host would then take {who}: '
                    f'{self.why(loss.at, after)}'
                )
            else:
                yield (
                    f'{who} could get nowhere where another host takes '
                    f'them at last: {self.why(loss.at, steps)}'
                )

    def _who(self, loss: Loss) -> str:
        kind, stay = loss.start
        hosts = [
            host.name
            for group, hosts in zip(
                self._problem.groups, self._hosts, strict=True
            )
            if group.kind == kind and stay in group.stays
            for host in hosts
        ]
        who = f'the instances of {named(sorted(hosts))} ({self._what(stay)})'
        _, _, there = loss.at
        return (
            who
            if there == stay
            else (f'{who}, by then on {self._what(there)}')
        )

    def _what(self, stay: Stay) -> str:
        return matching.describe(
            self._fleet.landing.devices[device].identities for device in stay
        )

    def why(self, at: tuple[int, bool, Stay], done: Sequence[int]) -> str:
        """Return what all other hosts say, those to be upgraded first.

        :param at: where an instance is: a kind of hosts, whether upgraded,
            and how it is there
        :param done: upgraded hosts by group
        """
        kind, upgraded, stay = at
        counts: collections.Counter[tuple[bool, str]] = collections.Counter()
        own = self._own(kind, upgraded, done)
        for (beside, profile), hosts in self._present(tuple(done)).items():
            said = self._fleet.landing.judge(stay, profile)
            counts[beside, str(said) or _IN_VAIN] += hosts - (
                (beside, profile) == own
            )
        return _reasons(counts)

    def _own(
        self, kind: int, upgraded: bool, done: Sequence[int]
    ) -> _Profile | None:
        """Return what one host of a kind is, upgraded or not."""
        for only in (upgraded, True):
            for group, hosts in enumerate(self._hosts):
                if self._problem.groups[group].kind == kind:
                    some = (
                        hosts[: done[group]] if only else hosts[done[group] :]
                    )
                    if some:
                        return _profile(some[0], only)
        return None

    def _present(self, done: tuple[int, ...]) -> collections.Counter[_Profile]:
        """Return what hosts there are, and how many of each."""
        if done not in self._known:
            self._known[done] = collections.Counter(
                _profile(host, number < upgraded)
                for hosts, upgraded in zip(self._hosts, done, strict=True)
                for number, host in enumerate(hosts)
            )
        return self._known[done]


def _profile(host: Host, upgraded: bool) -> _Profile:
    devices = host.new if upgraded and host.new else host.old
    return host.new is None, frozenset(devices)


def _reasons(counts: collections.Counter[tuple[bool, str]]) -> str:
    """Return reasons with how many hosts have them.

    :param counts: by whether the hosts are beside the point, and reason
    """
    told = [
        (hosts, text)
        for (_, text), hosts in sorted(
            counts.items(), key=lambda one: (one[0][0], -one[1], one[0])
        )
        if hosts
    ]
    clauses = [
        f'{text} ({number(hosts, "host")})' for hosts, text in told[:TOLD]
    ]
    rest = sum(hosts for hosts, _ in told[TOLD:])
    if rest:
        clauses.append(f'other reasons ({number(rest, "host")})')
    return ', '.join(clauses) or 'there is no other'
