# SPDX-License-Identifier: Apache-2.0
"""The numbers that an operator plans with."""

import pathlib

from tests.benchmarks import tables

PATH = (
    pathlib.Path(__file__).parents[2]
    / 'doc/source/operator/sizing-numbers.inc'
)
HOSTS = 100, 1000, 10000
#: Seconds: the default of [collector]interval.
INTERVAL = 60
#: A number and its unit stay in one line.
SPACE = '\N{NO-BREAK SPACE}'


def sizing(document):
    """Return two tables: of clouds of three sizes, and of one host."""

    def median(benchmark, case, unit, **sizes):
        found = [
            one['median']
            for section in document['benchmarks']
            if section['name'] == benchmark
            for one in section['measurements']
            if one['case'] == case
            and one['unit'] == unit
            and sizes.items() <= one['sizes'].items()
        ]
        return found[0] if found else None

    def shown(value, unit='s'):
        return (
            'not measured'
            if value is None
            else f'{tables.number(value)}{SPACE}{unit}'.rstrip()
        )

    def of_hosts(benchmark, case, unit='s'):
        return [
            shown(median(benchmark, case, unit, hosts=hosts), unit)
            for hosts in HOSTS
        ]

    case = 'steady state, 60 s'
    cores = sum(
        median('fleet', case, f'CPU s of {one}', hosts=1000) / 60
        for one in ('Placement', 'MariaDB')
    )
    one_pass = 'CPU ms of Placement a host'
    first = median('fleet', 'first publication', one_pass, hosts=1000) / 1000
    clouds = [
        [
            'Nova schedules a live migration, without the filter',
            *of_hosts('scheduling', 'request without the filter'),
        ],
        [
            'the filter in that time, first migration',
            *of_hosts('scheduling', 'the filter itself, cold cache'),
        ],
        [
            'the filter, further ones within ``cache_ttl``',
            *of_hosts('scheduling', 'the filter itself, warm cache'),
        ],
        [
            '``openstack mdev target list``',
            *of_hosts('target_list', 'target list'),
        ],
        [
            "collectors' requests to Placement a second (hosts / interval)",
            *(tables.number(hosts / INTERVAL) for hosts in HOSTS),
        ],
        [
            'processor cores for these, Placement and MariaDB together',
            *(
                tables.number(cores * hosts / 1000)
                + ('' if hosts == 1000 else ' (computed)')
                for hosts in HOSTS
            ),
        ],
        [
            "Placement's CPU time for the first publication of all hosts",
            *(
                f'{tables.number(first * hosts)}{SPACE}s'
                + ('' if hosts == 1000 else ' (computed)')
                for hosts in HOSTS
            ),
        ],
    ]
    quiet, boards = 'quiet hour', (2, 256)
    one_host = [
        [
            name,
            *(
                shown(median('collector_cost', of, unit, parents=n), short)
                for n in boards
            ),
        ]
        for name, of, unit, short in (
            ('memory of the collector', quiet, 'MiB at most', 'MiB'),
            ('CPU time of a pass', quiet, 'CPU ms a pass', 'ms'),
            ('requests of a pass', quiet, 'requests a pass', ''),
            (
                'requests of the first publication',
                'first publication',
                'requests a pass',
                '',
            ),
        )
    ]
    return '\n'.join(
        [
            '.. Written by python -m tests.benchmarks.report.',
            '',
            *tables.table(
                ['', *(f'{hosts:,} hosts' for hosts in HOSTS)], clouds
            ),
            *tables.table(['', *(f'{n} parents' for n in boards)], one_host),
            f'Measured {document["created"][:10]}: {tables.machine(document)}.',
            '',
        ]
    )
