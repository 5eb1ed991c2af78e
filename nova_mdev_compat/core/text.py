# SPDX-License-Identifier: Apache-2.0
"""Lists and numbers in messages."""

from collections.abc import Collection, Iterable

#: Number of names in a message; the rest is counted.
LIMIT = 10


def join(
    names: Iterable[object],
    limit: int = LIMIT,
    noun: str = '',
    separator: str = ', ',
) -> str:
    """Return names as one text: ``a, b and 4 more hosts``.

    :param names: in order; the text for no names is ``none``
    :param limit: number of names to show; the rest is counted
    :param noun: for the rest, in the singular
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


def named(names: Collection[str], noun: str) -> str:
    """Return how many there are, and which: ``2 hosts (a, b)``."""
    return f'{count(len(names), noun)} ({join(sorted(names))})'
