# SPDX-License-Identifier: Apache-2.0
"""Parts that die, and come back."""

import time

from tests.cloud import control
from tests.cloud import hosts
from tests.cloud.lab import expect

#: What nova-scheduler logs when it starts.
STARTED = 'Starting scheduler node'
OLD = '535.54.03'
#: Seconds of an operator's ten minutes, in passes of the collector.
TEN_MINUTES = 10 * hosts.INTERVAL


def ghost(lab):
    """a device that vanished takes nothing, though Placement offers it"""
    host = lab.hosts['gpu-3']
    kept, gone = list(host.boards), host.boards[1]
    names = [f'ghost-{number}' for number in range(1, 7)]
    with lab.instances(*names, host='gpu-1'):
        host.lose(gone.slot)
        try:
            lab.wait_until(
                lambda: not lab.cloud.accepts(host.name, gone),
                f'take back what {gone} accepted',
            )
            lab.cloud.settle()
            lab.expect_all_moved(lab.migrate(*names, host='gpu-3'))
        finally:
            host.boards = kept
            host.show_boards()
    lab.wait_until(
        lambda: lab.cloud.accepts(host.name, gone), f'publish {gone} again'
    )
    lab.cloud.settle()
    return f'{len(names)} instances came to the other device of gpu-3'


def collector_killed(lab):
    """a collector that is dead for ten minutes leaves what it has said"""
    host = lab.hosts['gpu-2']
    before = lab.cloud.published()
    with (
        lab.instances('old', host='gpu-1'),
        lab.instances('new', host='gpu-3'),
    ):
        host.collector.kill()
        time.sleep(TEN_MINUTES)
        expect(lab.cloud.published() == before, 'something was taken away')
        lab.expect_all_moved(lab.migrate('old', host='gpu-2'))
        lab.expect_all_moved(lab.migrate('old', host='gpu-3'))
        # What happens to the host meanwhile counts once it is back.
        driver, host.driver = host.driver, OLD
        host.collector.start()
        lab.cloud.wait_until_published()
        lab.expect_refused('new', 'gpu-2')
    host.driver = driver
    lab.cloud.wait_until_published()
    return f'{TEN_MINUTES // hosts.INTERVAL} passes missed, then caught up'


def scheduler_killed(lab):
    """a scheduler is killed in the middle of migrations, and restarted"""
    scheduler = lab.plane.processes[control.SCHEDULERS[0]]
    starts = scheduler.read_log().count(STARTED)

    def is_back():
        return scheduler.read_log().count(STARTED) > starts

    return _in_the_middle(
        lab,
        scheduler,
        lambda: lab.wait_until(is_back, 'see the scheduler start again'),
    )


def placement_killed(lab):
    """Placement is killed in the middle of migrations, and restarted"""
    placement = lab.plane.processes['placement-api']
    return _in_the_middle(
        lab, placement, lambda: lab.plane.wait_for_api('placement')
    )


def _in_the_middle(lab, part, wait):
    """Kill a part while instances move; move those that it stopped."""
    names = [f'vm-{number:02d}' for number in range(1, 13)]
    since = lab.log_sizes()

    def bounce():
        lab.wait_until(
            lambda: lab.says('hosts accept it', since=since),
            'decide the first migration',
        )
        part.kill()
        part.start()
        wait()

    with lab.instances(*names, host='gpu-1'):
        devices = lab.devices()
        moves = lab.servers.migrate(names, meanwhile=bounce)
        stayed = [
            move for move in moves.values() if move.source[0] == move.target[0]
        ]
        # Nova takes the source's allocations from an instance first, and
        # cannot give them back where Placement is away then.
        lost = [move for move in stayed if not move.target[1]]
        for move in moves.values():
            if move not in lost:
                lab.judge(move, devices, devices)
        again = [move.server for move in stayed if move not in lost]
        lab.servers.revive(again)
        if again:
            lab.expect_all_moved(lab.migrate(*again))
    return (
        f'{len(names) - len(stayed)} of {len(names)} went at once, '
        f'{len(again)} at the second try, {len(lost)} lost allocations to '
        'Nova; none landed wrong'
    )
