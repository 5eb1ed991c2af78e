# SPDX-License-Identifier: Apache-2.0
"""What to write in place of a value with signs that a trait cannot carry.

Pure, and for error messages only: which values are refused is for
``identity.literal`` to say.
"""

from collections.abc import Sequence
import re

from nova_mdev_compat.core import identity
from nova_mdev_compat.rules import document

_RANGE = '{at_least: "550", below: "560"}'
_COMPARISON = re.compile(
    r'\s*(>=|=>|\u2265|>|<=|=<|\u2264|<|!=|<>|\u2260|!|==?)\s*'
    r'([0-9][^\s<>=!,&\u2260-\u2265]*)\s*(?:,|&&?|and\b|$)?\s*'
)
_KEYS = {
    '>=': 'at_least',
    '=>': 'at_least',
    '\u2265': 'at_least',
    '>': 'above',
    '<=': 'at_most',
    '=<': 'at_most',
    '\u2264': 'at_most',
    '<': 'below',
}
_EQUAL = frozenset({'=', '=='})
#: A version and all that begin with it: 550.*, 550+.
_BRANCH = re.compile(r'([0-9]+(?:\.[0-9]+)*)(?:\.?\*|\.?%)')
_ONWARDS = re.compile(r'([0-9]\S*?)\s*\+')
_LIST = re.compile(r'\s*[,;|]+\s*')


def instead_of_fact(text: str, fact: str, path: document.Path) -> str:
    """Return what to write for a fact.

    :param text: what was written
    :param path: where in the fact's value: (), (1,) in a list, ('below',)
    """
    if path and isinstance(path[0], str):
        # In a range what is meant may be the opposite: {except: ["550.*"]}.
        return f'here stands one version, and a range is {_RANGE} as a whole'
    version = identity.is_version_fact(fact)
    right = _version(text, fact) if version else _list(text)
    if right:
        return f'{"in place of the list, " * bool(path)}write {right}'
    if version:
        return f'a range is {_RANGE}; {_plain(text, fact)}'
    return f'list all values that are meant, {_plain(text, fact)}'


def instead_of_type(text: str, source: bool) -> str:
    """Return what to write for an mdev type.

    :param source: of source devices, for which a rule can say any
    """
    other = 'any' if source else 'leave it out for all'
    right = _list(text)
    return (
        f'write {right}'
        if right
        else f'name each type that is meant, or {other}; {_plain(text)}'
    )


def _plain(text: str, fact: str = '') -> str:
    plain = identity.display(fact, identity.canonical(text)).lower()
    return f'or, where the sign means nothing, "{plain}"'


def _version(text: str, fact: str) -> str:
    """Return a range or list of versions, as a rule file has it."""
    ends = identity.version_range(text, fact)
    if ends:
        return f'{{at_least: "{ends[0]}", at_most: "{ends[1]}"}}'
    branch = _BRANCH.fullmatch(text)
    if branch:
        return f'{{at_least: "{branch[1]}", below: "{_next(branch[1])}"}}'
    onwards = _ONWARDS.fullmatch(text)
    if onwards:
        # The kernel's own sign of a tree with changes, or "and newer".
        return f'{{at_least: "{onwards[1]}"}} or "{onwards[1]}"'
    return _comparisons(text) or _list(text, fact)


def _next(version: str) -> str:
    """Return the branch after one: 551, 550.55."""
    *first, last = version.split('.')
    return '.'.join([*first, str(int(last) + 1)])


def _comparisons(text: str) -> str:
    found, end = [], 0
    while match := _COMPARISON.match(text, end):
        found.append((match[1], match[2]))
        end = match.end()
    if not found or end < len(text):
        return ''
    if [sign for sign, _ in found if sign in _EQUAL]:
        return f'"{found[0][1]}"' if len(found) == 1 else ''
    parts = [
        f'{_KEYS[sign]}: "{version}"'
        for sign, version in found
        if sign in _KEYS
    ]
    parts += _except([version for sign, version in found if sign not in _KEYS])
    return f'{{{", ".join(parts)}}}'


def _except(versions: Sequence[str]) -> list[str]:
    return [f'except: {_quoted(versions)}'] if versions else []


def _list(text: str, fact: str = '') -> str:
    """Return a list of values, where a text is one of good values."""
    parts = _LIST.split(text.strip())
    try:
        good = [part for part in parts if identity.literal(part, fact)]
    except identity.IdentityError:
        return ''
    return _quoted(good) if len(good) > 1 else ''


def _quoted(values: Sequence[str]) -> str:
    quoted = ', '.join(f'"{value}"' for value in values)
    return f'[{quoted}]'
