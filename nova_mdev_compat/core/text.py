# SPDX-License-Identifier: Apache-2.0
"""Lists and numbers as messages show them."""

from collections.abc import Iterable

#: A message names this many, and counts the rest.
LIMIT = 10


def join(
    names: Iterable[object],
    limit: int = LIMIT,
    noun: str = '',
    separator: str = ', ',
) -> str:
    """Return names as one text: ``a, b and 4 more hosts``.

    :param names: in the order to show; ``none`` is the text for no names
    :param limit: how many are named; the rest is counted
    :param noun: what one of the rest is, in the singular
    """
    shown = [str(name) for name in names]
    rest = len(shown) - limit
    if rest <= 0:
        return separator.join(shown) or 'none'
    more = count(rest, f'more {noun}') if noun else f'{rest} more'
    return f'{separator.join(shown[:limit])} and {more}'


def count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 host``, ``2 hosts``."""
    return f'{number} {noun}{"" if number == 1 else "s"}'
