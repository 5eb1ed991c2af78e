# SPDX-License-Identifier: Apache-2.0
"""Starts a cloud of real processes, tries things on it, and ends it.

Nothing is mocked but what no machine without a GPU has: the guests (Nova's
own fake virt driver) and the devices (libvirt's test driver).
"""

import argparse
import fcntl
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
from tests.cloud import playground
from tests.cloud import process
from tests.cloud import scenarios

HOME = pathlib.Path('.cloud/run').absolute()
#: Beside HOME, which is made anew.
PIDS = HOME.with_name('pids.json')
#: Locked while a cloud runs.
LOCK = HOME.with_name('lock')

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
    parser.add_argument(
        '--playground',
        action='store_true',
        help='no scenario: create instances, print commands to try, and '
        'leave the cloud running until Ctrl-C, which removes it',
    )
    return parser.parse_args(args)


def main(args=None):
    options = parse(args)
    with LOCK.open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                f'A cloud runs already in {HOME}: end it with Ctrl-C first',
                file=sys.stderr,
            )
            return 1
        if options.playground:
            return _play()
        return _try_scenarios(options)


def _play():
    """Run the playground until a signal, and leave nothing behind."""
    tell = _teller()
    status = 0
    try:
        _prepare(tell)
        with clouds.Cloud(HOME, tell) as cloud:
            process.remember(PIDS)
            tell('creating instances')
            playground.seed(labs.Lab(cloud))
            process.remember(PIDS)
            tell('ready')
            print(playground.guide(cloud, HOME), flush=True)
            signal.pause()
    except KeyboardInterrupt:
        tell('ended by hand')
    except BROKEN as exc:
        tell(f'The cloud broke: {exc}')
        status = 1
    finally:
        # A second Ctrl-C would leave processes behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        tell('ending all processes')
        left = process.end_all()
        PIDS.unlink(missing_ok=True)
        if not status:
            shutil.rmtree(HOME, ignore_errors=True)
    if left:
        tell(f'These would not end: {left}')
    tell('done')
    return int(bool(status or left))


def _teller():
    start = time.monotonic()

    def tell(text):
        print(f'[{time.monotonic() - start:5.1f} s] {text}', flush=True)

    return tell


def _try_scenarios(options):
    tell = _teller()
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
    # A shell that starts a job in the background lets it ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
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
    path = playground.write_openrc(cloud, HOME)
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
