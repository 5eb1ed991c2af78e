# SPDX-License-Identifier: Apache-2.0
"""Many at once."""

import collections

from tests.cloud import control
from tests.cloud.lab import expect


def drain(lab):
    """a host with 20 instances is drained, all at once"""
    names = [f'drain-{number:02d}' for number in range(1, 21)]
    with lab.instances(*names, host='gpu-1'):
        moves = lab.migrate(*names)
        lab.expect_all_moved(moves)
    return _where(moves)


def concurrent(lab):
    """50 live migrations at once, decided by both schedulers"""
    old = [f'old-{number:02d}' for number in range(1, 26)]
    new = [f'new-{number:02d}' for number in range(1, 26)]
    since = lab.log_sizes()
    with lab.instances(*old, host='gpu-1'), lab.instances(*new, host='gpu-3'):
        moves = lab.migrate(*old, *new)
        lab.expect_all_moved(moves)
    shares = [
        text.count('hosts accept it') for text in lab.scheduler_logs(since)
    ]
    expect(all(shares), f'one scheduler decided all: {shares}')
    return f'{_where(moves)}; decisions of {control.SCHEDULERS}: {shares}'


def _where(moves):
    hosts = collections.Counter(move.target[0] for move in moves.values())
    return ', '.join(
        f'{number} to {host}' for host, number in sorted(hosts.items())
    )
