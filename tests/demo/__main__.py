# SPDX-License-Identifier: Apache-2.0
"""Live-migrate instances with vGPUs, without and with the filter."""

import argparse
import importlib
import os
import pathlib
import time
import unittest
import warnings

import prettytable

#: Modules, by the framework of the vGPUs that migrate.
CLOUDS = {'mdev': 'tests.demo.cloud', 'vfio': 'tests.demo.vfio_cloud'}
LOG = pathlib.Path('.demo/nova.log')


def main(framework):
    start = time.monotonic()
    out = _keep_stdout()

    def tell(text):
        print(
            f'[{time.monotonic() - start:5.1f} s] {text}', file=out, flush=True
        )

    tell(f'loading Nova; its log goes to {LOG}')
    # Takes seconds, and logs.
    cloud = importlib.import_module('tests.demo.cloud')
    kind = importlib.import_module(CLOUDS[framework])

    stories = [cloud.Story(False), cloud.Story(True)]
    for story in stories:
        _run(kind.Cloud(story, tell), out)
    print(
        '', _devices(stories[1]), '', _moves(stories), '', sep='\n', file=out
    )
    status = _judge(stories, out)
    others = ', '.join(
        f'"make demo ARGS={other}"' for other in CLOUDS if other != framework
    )
    print(f'{others} shows it with the other framework.', file=out)
    out.flush()
    return status


def _keep_stdout():
    """Send what Nova prints and logs to a file; return the real output."""
    warnings.simplefilter('ignore')
    LOG.parent.mkdir(exist_ok=True)
    out = os.fdopen(os.dup(1), 'w')
    with LOG.open('w') as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    return out


def _run(cloud, out):
    result = unittest.TestResult()
    cloud.run(result)
    for _, text in result.errors + result.failures:
        print(
            text[-5000:],
            f'The demo broke; more in {LOG}',
            sep='\n',
            file=out,
            flush=True,
        )
        os._exit(1)


def _devices(story):
    table = prettytable.PrettyTable(
        ['Host', 'Device', 'Framework', 'Type', 'Driver', 'Verdict', 'Why'],
        align='l',
        title='What the collectors published, about a vGPU of gpu-1',
    )
    for device in story.devices:
        table.add_row(
            [
                device.host,
                device.name,
                device.framework,
                device.type,
                device.driver,
                device.verdict,
                device.why,
            ]
        )
    return table


def _moves(stories):
    table = prettytable.PrettyTable(
        [
            'Filter',
            'Live migration',
            'Nova tried',
            'Runs on',
            'Device',
            'That device',
        ],
        align='l',
        title='Where the instances went',
    )
    for story in stories:
        for move in story.moves:
            table.add_row(
                [
                    'yes' if story.with_filter else 'no',
                    move.instance,
                    ', '.join(move.tried),
                    move.host,
                    move.device,
                    story.verdict(move),
                ]
            )
    return table


def _judge(stories, out):
    """Say what was shown; the exit status says whether it was."""
    refused = [
        [move for move in story.moves if story.verdict(move) != 'accepts']
        for story in stories
    ]
    for story, wrong in zip(stories, refused, strict=True):
        print(
            f'{"With" if story.with_filter else "Without"} the filter '
            f'{len(wrong)} of {len(story.moves)} instances went to a '
            'device that refuses them.',
            file=out,
        )
    without, with_filter = refused
    return 0 if without and not with_filter else 1


def _framework():
    parser = argparse.ArgumentParser(
        prog='make demo ARGS=…', description=__doc__
    )
    parser.add_argument(
        'framework',
        nargs='?',
        default='mdev',
        choices=CLOUDS,
        help='what the vGPUs are: mdevs (the default), or virtual functions',
    )
    return parser.parse_args().framework


if __name__ == '__main__':
    # Nova's threads would keep an ordinary exit waiting.
    os._exit(main(_framework()))
