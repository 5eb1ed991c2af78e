# SPDX-License-Identifier: Apache-2.0
"""What a check finds, and how it names that. Pure."""

from collections.abc import Collection
import dataclasses
import enum
import re

#: Names that are told before the others are only counted.
_TOLD = 10

#: oslo.config's words for a wrong value, which name no section.
_WRONG_VALUE = re.compile(
    r'Value for option (?P<option>\S+) from LocationInfo\(.*, '
    r"detail='(?P<file>.*)'\) is not valid: (?P<why>.*)",
    re.DOTALL,
)


class Code(enum.IntEnum):
    """As oslo.upgradecheck's, which comes with Nova and not without it."""

    SUCCESS = 0
    WARNING = 1
    FAILURE = 2


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a check found.

    :ivar details: what is the matter and what to do next, or a remark on a
        success
    """

    code: Code
    details: str | None = None


def success(details: str | None = None) -> Finding:
    return Finding(Code.SUCCESS, details)


def warning(details: str) -> Finding:
    return Finding(Code.WARNING, details)


def failure(details: str) -> Finding:
    return Finding(Code.FAILURE, details)


def worst(findings: Collection[Finding]) -> Finding:
    """Return findings as one, with all that they say, the worst first."""
    ordered = sorted(findings, key=lambda one: -one.code)
    said = [one.details for one in ordered if one.details]
    return Finding(
        max((one.code for one in ordered), default=Code.SUCCESS),
        '; '.join(said) or None,
    )


def some(names: Collection[str]) -> str:
    """Return names in order, only the first of them where they are many."""
    told = ', '.join(sorted(names)[:_TOLD])
    others = len(names) - _TOLD
    return f'{told} and {others} more' if others > 0 else told


def count(names: Collection[str], what: str) -> str:
    """Return how many there are, and which: ``2 hosts (a, b)``.

    :param what: one of them, ``host``
    """
    plural = '' if len(names) == 1 else 's'
    return f'{len(names)} {what}{plural} ({some(names)})'


def config_error(message: str, section: str | None = None) -> str:
    """Return what is wrong in a configuration file: where, what, why.

    :param message: oslo.config's
    :param section: of the option that it is about
    """
    match = _WRONG_VALUE.fullmatch(message)
    if match is None:
        return message
    where = f'[{section}]' if section else ''
    return f'{match["file"]}: {where}{match["option"]}: {match["why"]}'


def line(exc: BaseException) -> str:
    """Return the first line of what an error says, its kind if nothing."""
    lines = str(exc).strip().splitlines()
    return ' '.join(lines[0].split())[:300] if lines else type(exc).__name__
