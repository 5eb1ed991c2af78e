# SPDX-License-Identifier: Apache-2.0
"""What the filter saves, where one host of many is compatible.

Nova checks, on the host that the scheduler has picked, whether the mdev
type's name is the same, and picks another one where it is not. What else
could be incompatible it does not look at.
"""

import sys

from tests.benchmarks import options
from tests.benchmarks import results
from tests.benchmarks import savings_cloud
from tests.benchmarks import timing

ALONE = 'Nova alone'
OURS = 'with the filter'


def measure(hosts, rounds, landings):
    """Measure clouds of several sizes.

    :param hosts: how many there are to go to
    :param rounds: places of the compatible host in the order of hosts
    :param landings: migrations where Nova cannot tell hosts apart
    """
    parts = []
    for size in hosts:
        timing.say(f'{size} hosts, of one mdev type or another')
        parts.append(_measure(savings_cloud.TYPES, size, _by_type, rounds))
    timing.say(f'{hosts[0]} hosts of one mdev type, and different boards')
    parts.append(
        _measure(savings_cloud.IDENTITY, hosts[0], _by_identity, landings)
    )
    return sum(parts, results.NOTHING)


def _measure(others, size, measure, number):
    """Measure a cloud of its own: one that grows gets slow in one process."""
    found = []

    def story(cloud):
        cloud.grow(size)
        found.append(measure(cloud, size, number))

    savings_cloud.run(others, story)
    return found[0]


def _by_type(cloud, size, rounds):
    """Measure where Nova's own check catches all that do not fit."""
    found = {ALONE: [], OURS: []}
    for position in positions(size, rounds):
        for label, some in found.items():
            timing.progress(f'{size} hosts, {label}: position {position}')
            some.append(cloud.land(label == OURS, position))
            if not some[-1].compatible:
                raise AssertionError(f'{label}: it runs on another type')
    return results.Found(
        tuple(
            results.Measurement(
                f'types differ, {label}',
                unit,
                tuple(getattr(one, attribute) for one in some),
                {'hosts': size},
            )
            for label, some in found.items()
            for unit, attribute in (('s', 'seconds'), ('checks', 'checks'))
        ),
        tuple(
            results.paired(
                f'savings-{size}-{attribute}',
                f'{attribute} with the filter, of those of Nova alone',
                *(
                    [getattr(one, attribute) for one in found[label]]
                    for label in (OURS, ALONE)
                ),
            )
            for attribute in ('seconds', 'checks')
        ),
    )


def positions(size, rounds):
    """Return places for the compatible host, from the first to the last."""
    return [
        round((size - 1) * number / max(1, rounds - 1))
        for number in range(rounds)
    ]


def _by_identity(cloud, size, rounds):
    """Count where the instance lands if only the filter can tell."""
    wrong = {ALONE: [], OURS: []}
    for position in positions(size, rounds):
        for label, some in wrong.items():
            cloud.go_home()
            timing.progress(f'{size} hosts, {label}: position {position}')
            landing = cloud.land(label == OURS, position)
            some.append(float(not landing.compatible))
    return results.Found(
        tuple(
            results.Measurement(
                f'identities differ, {label}: incompatible landings',
                f'of {rounds}',
                (sum(some),),
                {'hosts': size},
            )
            for label, some in wrong.items()
        ),
        (
            results.Ratio(
                f'savings-{size}-incompatible',
                'incompatible landings with the filter, of all',
                (sum(wrong[OURS]) / rounds,),
            ),
        ),
    )


BENCHMARK = options.Benchmark(
    'savings',
    'one compatible host of many: Nova alone, and the filter',
    (
        options.Size(
            'hosts',
            (10, 50, 100),
            (10,),
            'how many there are to go to, ascending',
        ),
        options.Size(
            'rounds',
            3,
            3,
            'places of the compatible host in the order of hosts',
        ),
        options.Size(
            'landings',
            10,
            4,
            'migrations where only the filter can tell hosts apart',
        ),
    ),
    measure,
)

if __name__ == '__main__':
    sys.exit(BENCHMARK.main())
