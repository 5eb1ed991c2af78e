# SPDX-License-Identifier: Apache-2.0
"""What the Nova that is installed does otherwise than the newest.

All of it is in releases/differences.yaml, with its reason.
"""

from importlib import metadata
import pathlib

import yaml

FILE = pathlib.Path(__file__).parents[2] / 'releases/differences.yaml'
#: Number of the Nova that is installed.
NOVA = int(metadata.version('nova').partition('.')[0])

_RELEASES = {
    item['name']: item['releases']
    for item in yaml.safe_load(FILE.read_text('utf-8'))
}


def here(name):
    """Tell whether a difference applies to the Nova that is installed."""
    return NOVA in _RELEASES[name]


def leave_out(name):
    """Decorate a class whose tests are about what some Novas do not have.

    It has no tests with a Nova to which the difference applies. They are not
    skipped, because a skipped test counts as a failure.
    """

    def decorate(cls):
        if here(name):
            for test in [
                item for item in vars(cls) if item.startswith('test')
            ]:
                delattr(cls, test)
        return cls

    return decorate
