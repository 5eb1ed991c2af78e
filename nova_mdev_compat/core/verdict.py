# SPDX-License-Identifier: Apache-2.0
"""The answer to "may this mdev move there", with its reasons in words."""

import dataclasses
import enum


class Status(enum.Enum):
    COMPATIBLE = 'compatible'
    INCOMPATIBLE = 'incompatible'
    UNKNOWN = 'unknown'


class Cause(enum.Enum):
    """What a reason is about."""

    PARENT = 'parent'
    TYPE = 'type'
    FACT = 'fact'
    MISSING = 'missing'
    VENDOR = 'vendor'


@dataclasses.dataclass(frozen=True)
class Reason:
    """Why a verdict is not 'compatible'.

    :ivar cause: what it is about
    :ivar text: one clause in an operator's words
    :ivar fact: the fact that it is about, empty if none; the text names it
        too
    """

    cause: Cause
    text: str
    fact: str = dataclasses.field(default='', compare=False)

    def __str__(self) -> str:
        return self.text


@dataclasses.dataclass(frozen=True)
class Verdict:
    kind: Status
    reasons: tuple[Reason, ...] = ()

    @classmethod
    def from_reasons(cls, reasons: tuple[Reason, ...]) -> 'Verdict':
        """Return what reasons amount to.

        Without a reason it is compatible. It is unknown if missing data is
        the only reason, and otherwise incompatible.
        """
        if not reasons:
            return cls(Status.COMPATIBLE)
        if all(reason.cause is Cause.MISSING for reason in reasons):
            return cls(Status.UNKNOWN, reasons)
        return cls(Status.INCOMPATIBLE, reasons)

    def __bool__(self) -> bool:
        return self.kind is Status.COMPATIBLE

    def __str__(self) -> str:
        return ', '.join(str(reason) for reason in self.reasons)
