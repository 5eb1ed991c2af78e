# SPDX-License-Identifier: Apache-2.0
"""The verdict for one source and one target, with reasons."""

import dataclasses
import enum


class Status(enum.Enum):
    COMPATIBLE = 'compatible'
    INCOMPATIBLE = 'incompatible'
    UNKNOWN = 'unknown'


class Cause(enum.Enum):
    """The subject of a reason."""

    PARENT = 'parent'
    TYPE = 'type'
    FACT = 'fact'
    MISSING = 'missing'
    VENDOR = 'vendor'


@dataclasses.dataclass(frozen=True)
class Reason:
    """Why a verdict is not 'compatible'.

    :ivar text: one clause for operators
    :ivar fact: the fact that fails or is unknown, empty for other causes; the
        text names it, too
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
        """Return the verdict that reasons lead to.

        It is compatible without a reason, unknown if data are missing and
        there is no other reason, and incompatible otherwise.
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
