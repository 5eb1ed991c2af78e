# SPDX-License-Identifier: Apache-2.0
"""Starts a cloud of real processes, tries things on it, and ends it.

Nothing is mocked but what no machine without a GPU has: the guests (Nova's
own fake virt driver) and the devices (libvirt's test driver).
"""

import argparse
import logging
import pathlib
import shutil
import signal
import sys
import time

import fixtures
import prettytable

from tests.cloud import client
from tests.cloud import cloud as clouds
from tests.cloud import lab as labs
from tests.cloud import process
from tests.cloud import scenarios

HOME = pathlib.Path('.cloud/run').absolute()
#: Beside HOME, which is made anew.
PIDS = HOME.with_name('pids.json')


#: What stops the whole; of fixtures, where one of several parts has failed.
BROKEN = (process.Failure, client.Refused, fixtures.MultipleExceptions)


def parse(args):
    parser = argparse.ArgumentParser(
        'python -m tests.cloud', description=__doc__.split('\n\n')[0]
    )
    parser.add_argument(
        '--short',
        action='store_true',
        help='only what shows that the parts work together',
    )
    parser.add_argument(
        '--only',
        metavar='NAME',
        action='append',
        default=[],
        choices=[one.__name__ for one in scenarios.ALL],
        help='only this scenario; can be given several times: '
        + ', '.join(one.__name__ for one in scenarios.ALL),
    )
    parser.add_argument(
        '--keep',
        action='store_true',
        help='leave the cloud running until Ctrl-C, and say how to use it',
    )
    return parser.parse_args(args)


def main(args=None):
    options = parse(args)
    start = time.monotonic()

    def tell(text):
        print(f'[{time.monotonic() - start:5.1f} s] {text}', flush=True)

    _prepare(tell)
    rows = []
    try:
        with clouds.Cloud(HOME, tell) as cloud:
            process.remember(PIDS)
            rows = [
                _try(one, labs.Lab(cloud), tell) for one in _chosen(options)
            ]
            if options.keep:
                _keep(cloud, tell)
    except BROKEN as exc:
        tell(f'The cloud broke: {exc}')
        rows.append(('cloud', 'FAILED', 0, str(exc)))
    finally:
        tell('ending all processes')
        left = process.end_all()
        PIDS.unlink(missing_ok=True)
    return _report(rows, left, tell)


def _chosen(options):
    if options.only:
        return [one for one in scenarios.ALL if one.__name__ in options.only]
    return scenarios.SHORT if options.short else scenarios.ALL


def _prepare(tell):
    # pifpaf says of each process that it had ended by itself.
    logging.getLogger('pifpaf').setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))
    ended = process.forget(PIDS)
    if ended:
        tell(f'ended {ended} processes that an earlier run had left')
    process.adopt_orphans()
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    tell(f'logs and configuration are in {HOME}')


def _try(scenario, lab, tell):
    """Run a scenario; return its row of the table."""
    tell(scenario.__doc__)
    start = time.monotonic()
    try:
        verdict, seen = 'ok', scenario(lab)
    except Exception as exc:  # the others are tried all the same
        logging.exception('%s', scenario.__name__)
        verdict, seen = 'FAILED', f'{type(exc).__name__}: {exc}'
    process.remember(PIDS)
    seconds = time.monotonic() - start
    tell(f'  {verdict} after {seconds:.0f} s: {seen}')
    return scenario.__name__, verdict, seconds, seen


def _keep(cloud, tell):
    path = HOME / 'openrc'
    path.write_text(
        ''.join(
            f'export {name}={value}\n'
            for name, value in cloud.admin.environ.items()
            if name != 'HOME'
        )
    )
    tell(
        f'. {path}; {sys.prefix}/bin/openstack mdev device list   '
        '(Ctrl-C ends all)'
    )
    try:
        signal.pause()
    except KeyboardInterrupt:
        tell('ended by hand')


def _report(rows, left, tell):
    table = prettytable.PrettyTable(
        ['Scenario', 'Verdict', 'Seconds', 'What was seen'], align='l'
    )
    table.max_width['What was seen'] = 100
    for name, verdict, seconds, seen in rows:
        table.add_row([name, verdict, f'{seconds:.0f}', seen[:300]])
    print(table)
    failed = sum(verdict != 'ok' for _, verdict, _, _ in rows)
    if left:
        tell(f'These would not end: {left}')
    tell('done')
    print(f'{len(rows) - failed} passed, {failed} failed')
    return int(bool(failed or left or not rows))


if __name__ == '__main__':
    sys.exit(main())
