# SPDX-License-Identifier: Apache-2.0
"""This package as it is without its extras.

Importing what only the extras bring fails in a process that begins with
``without()``, whatever is installed here.
"""

from importlib import metadata
import re

from packaging import requirements

PACKAGE = 'nova-mdev-compat'
BLOCK = """
import sys
for name in {names!r}:
    sys.modules[name] = None  # importing it fails from here on
"""


def without(*beside):
    """Return the code that begins such a process.

    :param beside: distributions that are there, with what they need
    """
    there = _needed([PACKAGE, *beside])
    extras = {
        _canonical(item.name)
        for item in _requirements(PACKAGE)
        if item.marker and not item.marker.evaluate({'extra': ''})
    }
    missing = extras - there
    found = sorted(
        module
        for module, names in metadata.packages_distributions().items()
        if missing.issuperset(map(_canonical, names))
    )
    # A distribution that is not installed here is none that needs blocking.
    assert {'tqdm', 'libvirt', 'lxml'} <= {*found}, found
    return BLOCK.format(names=found)


def _needed(names):
    """Return distributions, and all that they need without extras."""
    found = set()
    todo = [_canonical(name) for name in names]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [
                _canonical(item.name)
                for item in _requirements(name)
                if not item.marker or item.marker.evaluate({'extra': ''})
            ]
    return found


def _requirements(name):
    try:
        return list(
            map(requirements.Requirement, metadata.requires(name) or ())
        )
    except metadata.PackageNotFoundError:
        return []


def _canonical(name):
    return re.sub('[-_.]+', '-', name).lower()
