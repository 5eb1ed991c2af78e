# SPDX-License-Identifier: Apache-2.0
"""What every cloud with vGPUs does."""

import json

from tests.cloud import control
from tests.cloud.lab import expect
from tests.cloud import playground
from tests.cloud import process


def installed(lab):
    """what is installed works with this Nova and this Placement"""
    done = process.output(
        [
            control.BIN / 'nova-mdev-compat-status',
            '--config-file',
            lab.plane.etc / f'{control.SCHEDULERS[0]}.conf',
            'upgrade',
            'check',
            '--json',
        ],
        lab.plane.home,
    )
    expect(done.returncode == 1, done.stdout + done.stderr)
    checks = json.loads(done.stdout)['checks']
    (warning,) = [check for check in checks if check['result'] != 0]
    expect('gpu-5' in warning['details'], warning)
    return (
        f'nova-mdev-compat-status: {len(checks) - 1} checks succeed, and '
        f'"{warning["details"]}"'
    )


def one_kind(lab):
    """an instance goes to hosts of its kind, and never to an older driver"""
    with lab.instances('vm', host='gpu-1'):
        said = {
            host: row['verdict'] for host, row in lab.targets('vm').items()
        }
        expect(
            said
            == {
                'gpu-2': 'compatible',
                'gpu-3': 'compatible',
                'gpu-4': 'incompatible',
                'gpu-5': 'unknown',
            },
            said,
        )
        lab.expect_all_moved(lab.migrate('vm'))
        here = lab.servers.all()['vm'].host
        # Its driver is newer now than that of gpu-1.
        (other,) = {'gpu-2', 'gpu-3'} - {here}
        expect(
            {
                host
                for host, row in lab.targets('vm').items()
                if row['verdict'] == 'compatible'
            }
            == {other},
            lab.targets('vm'),
        )
        lab.expect_all_moved(lab.migrate('vm'))
    return f'gpu-1 to {here} to {other}; the list of targets said so'


def named_host(lab):
    """a host named by the operator is refused when it does not accept"""
    with lab.instances('vm', host='gpu-3'):
        for host in ('gpu-1', 'gpu-4', 'gpu-5'):
            lab.expect_refused('vm', host)
        lab.expect_all_moved(lab.migrate('vm', host='gpu-2'))
    return 'refused: older driver, other product, nothing published'


def two_boards(lab):
    """on a host of two products, each instance gets the right one"""
    with (
        lab.instances('a1', 'a2', 'a3', host='gpu-1'),
        lab.instances('b1', 'b2', 'b3', host='gpu-4'),
    ):
        moves = lab.migrate('a1', 'a2', 'a3', 'b1', 'b2', 'b3', host='gpu-2')
        lab.expect_all_moved(moves)
    return '6 instances came to gpu-2, 3 to each board'


def two_mdevs(lab):
    """an instance with two mdevs goes where both are accepted"""
    with lab.instances('pair', host='gpu-1', flavor='vgpu2'):
        moves = lab.migrate('pair')
        lab.expect_all_moved(moves)
        lab.expect_refused('pair', 'gpu-4')
    return f'to {moves["pair"].target[0]}, {moves["pair"].target[1]}'


def silence(lab):
    """boots, resizes, cold migrations and others are left alone"""
    since = lab.log_sizes()
    with (
        lab.instances('plain', host='gpu-1', flavor='plain'),
        lab.instances('cold', 'shelved', host='gpu-1'),
        lab.instances('hidden', host='gpu-5'),
    ):
        for host in ('gpu-5', 'gpu-4'):
            lab.servers.order(['plain'], host)
            lab.servers.wait_for_rest(['plain'])
            expect(lab.servers.all()['plain'].host == host, host)
        _resize(lab)
        lab.owner.run('server shelve shelved')
        lab.servers.wait_for_rest(['shelved'], 'SHELVED_OFFLOADED')
        lab.owner.run('server unshelve shelved')
        lab.servers.wait_for_rest(['shelved'])
    decided = lab.says('MdevCompatFilter', since=since) + lab.says(
        'nova_mdev_compat', since=since
    )
    expect(not decided, decided)
    return 'not a line of the filter in any log'


def _resize(lab):
    uuid = lab.servers.all()['cold'].uuid
    lab.admin.run(f'server migrate --host gpu-4 {uuid}')
    lab.servers.wait_for_rest(['cold'], 'VERIFY_RESIZE')
    lab.owner.run('server migration confirm cold')
    lab.servers.wait_for_rest(['cold'])
    expect(lab.servers.all()['cold'].host == 'gpu-4', 'a cold migration')
    lab.owner.run('server resize --flavor vgpu-bigger cold')
    lab.servers.wait_for_rest(['cold'], 'VERIFY_RESIZE')
    lab.owner.run('server resize confirm cold')
    lab.servers.wait_for_rest(['cold'])


def try_playground(lab):
    """the commands that "make playground" prints do what it says"""
    try:
        playground.seed(lab)
        number = playground.try_all(lab)
        lab.servers.wait_for_rest(playground.INSTANCES)
        host = lab.servers.all()['vm-old'].host
        expect(host == 'gpu-3', f'vm-old is on {host}')
    finally:
        lab.servers.delete(playground.INSTANCES)
    return f'{number} commands'
