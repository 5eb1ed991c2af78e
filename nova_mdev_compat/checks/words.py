# SPDX-License-Identifier: Apache-2.0
"""How results name what was found. Pure."""

from collections.abc import Collection

from oslo_upgradecheck import upgradecheck

#: Names that are told before the others are only counted.
_TOLD = 10


def some(names: Collection[str]) -> str:
    """Return names, the first of them where they are many."""
    told = ', '.join(sorted(names)[:_TOLD])
    others = len(names) - _TOLD
    return f'{told} and {others} more' if others > 0 else told


def success(details: str | None = None) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.SUCCESS, details)


def warning(details: str) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.WARNING, details)


def failure(details: str) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.FAILURE, details)


def worst(results: Collection[upgradecheck.Result]) -> upgradecheck.Result:
    """Return results as one, with all that they say."""
    said = [result.details for result in results if result.details]
    return upgradecheck.Result(
        max((result.code for result in results),
            default=upgradecheck.Code.SUCCESS), '; '.join(said) or None)
