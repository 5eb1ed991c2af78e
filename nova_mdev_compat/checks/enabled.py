# SPDX-License-Identifier: Apache-2.0
"""Would nova-scheduler run the filter, and would that refuse? Pure."""

from collections.abc import Collection, Iterator, Mapping
import re

from nova_mdev_compat.checks import words
from nova_mdev_compat.conf import mdev_compat as options

NAME = 'MdevCompatFilter'
PATH = f'nova_mdev_compat.filters.{NAME}'
#: The first Nova that live-migrates mdevs (2024.1).
OLDEST = 29
#: Those that the functional tests run with: the files of releases/. The
#: supported range, in setup.cfg, goes from the first to the last.
TESTED = (29, 31, 33, 34)


def version(text: str) -> words.Finding:
    """Return whether this works with a version of Nova, ``34.0.0``."""
    match = re.match('[0-9]+', text)
    number = int(match[0]) if match else None
    if number in TESTED:
        return words.success()
    if number is not None and number < OLDEST:
        return words.failure(
            f'Nova {text} does not live-migrate mdevs: {OLDEST} (2024.1) is '
            'the first that does'
        )
    return words.warning(
        f"{_untested(text, number)}: read nova-scheduler's log, with "
        f'[{options.GROUP.name}]mode = {options.PERMISSIVE} at first'
    )


def _untested(text: str, number: int | None) -> str:
    tested = ', '.join(map(str, TESTED))
    if number is None:
        return (
            f'this Nova has the version "{text}", and this was tested '
            f'with Nova {tested}'
        )
    if number > TESTED[-1]:
        return (
            f'Nova {text} is newer than all that this was tested with '
            f'({tested})'
        )
    return (
        f'Nova {text} is in the supported range, between releases that '
        f'this was tested with ({tested}), and was not tested itself'
    )


def filters(
    enabled: Collection[str],
    available: Collection[str],
    broken: Mapping[str, str],
) -> words.Finding:
    """Return whether nova-scheduler would start, and with the filter.

    :param enabled: names of filters
    :param available: names of the filters that could be loaded
    :param broken: why not, by entry of ``available_filters``
    """
    return words.worst(
        [
            *_broken(broken),
            *_ours(enabled, available, bool(broken)),
            *_others(enabled, available, bool(broken)),
        ]
    )


def _broken(broken: Mapping[str, str]) -> Iterator[words.Finding]:
    for path, why in sorted(broken.items()):
        yield words.failure(
            'nova-scheduler cannot load '
            f'[filter_scheduler]available_filters = {path}: {why}'
        )


def _ours(
    enabled: Collection[str], available: Collection[str], broken: bool
) -> Iterator[words.Finding]:
    if NAME not in available and not broken:
        yield words.failure(
            f'add "available_filters = {PATH}" to [filter_scheduler], beside '
            'the line for all_filters'
        )
    if NAME not in enabled:
        yield words.failure(
            f'{NAME} is not enabled: add it to '
            '[filter_scheduler]enabled_filters'
        )


def _others(
    enabled: Collection[str], available: Collection[str], broken: bool
) -> Iterator[words.Finding]:
    unknown = set(enabled) - set(available) - {NAME}
    if unknown and not broken:
        yield words.failure(
            'nova-scheduler does not start: nothing in '
            '[filter_scheduler]available_filters brings '
            f'{words.some(unknown)}'
        )


def mode(text: str) -> words.Finding:
    """Return whether the filter refuses anything."""
    if text == options.PERMISSIVE:
        return words.warning(
            f'the filter refuses nothing: [{options.GROUP.name}]mode is '
            f'{text}; set {options.ENFORCING} once its log says what you '
            'expect'
        )
    return words.success()
