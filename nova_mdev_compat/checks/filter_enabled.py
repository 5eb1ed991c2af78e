# SPDX-License-Identifier: Apache-2.0
"""Whether nova-scheduler runs the filter, and whether the filter refuses.

Does not import Nova: commands.py passes in what Nova knows.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
import re

from oslo_config import cfg
from oslo_upgradecheck.upgradecheck import Code
from oslo_upgradecheck.upgradecheck import Result

from nova_mdev_compat.common import metrics
from nova_mdev_compat.conf import mdev_compat as options
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import text

NAME = 'MdevCompatFilter'
#: The function that provides it, with Nova's own filters.
PATH = 'nova_mdev_compat.filters.all_filters'
#: The first Nova that live-migrates mdevs (2024.1).
OLDEST = 29
#: The releases that the functional tests run with: the files of releases/.
#: The supported range, in setup.cfg, goes from the first to the last.
TESTED = (29, 31, 33, 34)
#: Longest part of another filter's error that is shown, in characters.
_MAX_ERROR = 300


def version(nova: str) -> Iterator[Result]:
    """Check that this package works with a version of Nova, ``34.0.0``."""
    match = re.match('[0-9]+', nova)
    number = int(match[0]) if match else None
    if number in TESTED:
        return
    if number is not None and number < OLDEST:
        yield Result(
            Code.FAILURE,
            f'Nova {nova} does not live-migrate mdevs: {OLDEST} (2024.1) is '
            'the first release that does',
        )
        return
    releases = text.join(TESTED)
    if number is None:
        problem = (
            f'the version of this Nova, "{nova}", is not a release; tested '
            f'releases are {releases}'
        )
    elif number > TESTED[-1]:
        problem = f'Nova {nova} is newer than all tested releases ({releases})'
    else:
        problem = (
            f'Nova {nova} is in the supported range, but is not one of the '
            f'tested releases ({releases})'
        )
    yield Result(
        Code.WARNING,
        f'{problem}: start with [{options.GROUP.name}]mode = '
        f"{options.PERMISSIVE} and read nova-scheduler's log",
    )


def load(
    paths: Iterable[str], get_classes: Callable[[list[str]], Iterable[type]]
) -> tuple[set[str], dict[str, str]]:
    """Load filters as Nova's ``HostManager.__init__`` does.

    :param paths: ``[filter_scheduler]available_filters``
    :param get_classes: of Nova's HostFilterHandler
    :returns: names of the filters; errors, by the path that cannot be loaded
    :raises oslo_config.cfg.Error: an option of this filter has a wrong value
    """
    found, broken = set(), {}
    for path in paths:
        try:
            classes = list(get_classes([path]))
            for item in classes:
                if item.__name__ == NAME:
                    item()
        except cfg.Error:
            raise
        except Exception as exc:  # a third-party filter can raise anything
            broken[path] = _first_line(exc)
        else:
            found |= {item.__name__ for item in classes}
    return found, broken


def _first_line(exc: Exception) -> str:
    # importutils puts a traceback into the message of its own ImportError; the
    # error before it is enough.
    error = (exc.__context__ if isinstance(exc, ImportError) else None) or exc
    lines = str(error).strip().splitlines() or ['']
    line = ' '.join(lines[0].split())[:_MAX_ERROR]
    return f'{type(error).__name__}: {line}'.removesuffix(': ')


def filters(
    enabled: Collection[str],
    available: Collection[str],
    broken: Mapping[str, str],
) -> Iterator[Result]:
    """Check that nova-scheduler would start, and with the filter.

    :param enabled: names of filters
    :param available: names of the filters that could be loaded
    :param broken: errors, by entry of ``available_filters``
    """
    for path, why in sorted(broken.items()):
        yield Result(
            Code.FAILURE,
            'nova-scheduler cannot load [filter_scheduler]available_filters = '
            f'{path}: {why}',
        )
    # It is unknown which filters a broken entry would provide.
    if NAME not in available and not broken:
        yield Result(
            Code.FAILURE,
            f'add "available_filters = {PATH}" to [filter_scheduler]; it '
            "includes Nova's own filters",
        )
    if NAME not in enabled:
        yield Result(
            Code.FAILURE,
            f'{NAME} is not enabled: add it to '
            '[filter_scheduler]enabled_filters',
        )
    unknown = set(enabled) - set(available) - {NAME}
    if unknown and not broken:
        yield Result(
            Code.FAILURE,
            'nova-scheduler does not start: no entry of '
            '[filter_scheduler]available_filters provides '
            f'{text.join(sorted(unknown))}',
        )


def counters(path: str | None) -> Iterator[Result]:
    """Check that decisions can be counted, if that is wanted.

    :param path: ``[mdev_compat]metrics_file``
    """
    try:
        metrics.check(path, f'[{options.GROUP.name}]metrics_file')
    except exceptions.BadInput as exc:
        yield Result(Code.WARNING, f'decisions are not counted: {exc}')


def mode(value: str) -> Iterator[Result]:
    """Check that the filter refuses hosts."""
    if value == options.PERMISSIVE:
        yield Result(
            Code.WARNING,
            f'the filter refuses nothing: [{options.GROUP.name}]mode is '
            f'{value}; set it to {options.ENFORCING} once the log shows what '
            'you expect',
        )
