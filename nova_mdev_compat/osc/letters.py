# SPDX-License-Identifier: Apache-2.0
"""Reason letters: which facts keep a target from accepting a source."""

from collections.abc import Iterable
import dataclasses

from nova_mdev_compat.core.verdict import Cause
from nova_mdev_compat.core.verdict import Reason


@dataclasses.dataclass(frozen=True)
class Letter:
    """What a letter stands for.

    :ivar sign: one character
    :ivar word: what differs, for a legend
    :ivar hardware: only another board changes it
    """

    sign: str
    word: str
    hardware: bool = False


_DRIVER = Letter('D', 'driver')
_VARIANT = Letter('S', 'board variant', hardware=True)
_GSP = Letter('G', 'GPU System Processor')
_PROTOCOL = Letter('V', 'vGPU protocol version')

#: By the cause of a reason, if it names no fact.
CAUSES = {
    Cause.PARENT: Letter('B', 'board', hardware=True),
    Cause.TYPE: Letter('T', 'mdev type'),
    Cause.VENDOR: Letter('N', 'accepts nothing'),
    Cause.MISSING: Letter('?', 'nothing is published'),
}
#: By the fact that a reason names.
FACTS = {
    'framework': Letter('F', 'framework'),
    'driver': _DRIVER,
    'module': _DRIVER,
    'intree': _DRIVER,
    'managerversion': _DRIVER,
    'ecc': Letter('E', 'ECC'),
    'os': Letter('O', 'host operating system'),
    'kernel': Letter('K', 'kernel'),
    'firmware': Letter('W', 'firmware'),
    'mig': Letter('M', 'MIG mode'),
    'gsp': _GSP,
    'gspversion': _GSP,
    'minvgpuversion': _PROTOCOL,
    'maxvgpuversion': _PROTOCOL,
    'subsystem': _VARIANT,
    'psid': _VARIANT,
    'revision': _VARIANT,
}
#: A fact of a vendor plugin that has no letter of its own.
OTHER = Letter('X', 'another fact')
_ORDER = [*dict.fromkeys((*CAUSES.values(), *FACTS.values(), OTHER))]


def of(reason: Reason) -> Letter:
    """Return the letter of a reason."""
    if reason.fact:
        return FACTS.get(reason.fact, OTHER)
    return CAUSES[reason.cause]


def text(reasons: Iterable[Reason]) -> str:
    """Return the letters of reasons: ``B``, ``DE``, ``E?``.

    A letter that is followed by ``?`` is a fact that is not published.
    """
    missing: dict[Letter, bool] = {}
    for reason in reasons:
        letter = of(reason)
        unknown = reason.cause is Cause.MISSING and bool(reason.fact)
        # A contradiction is stronger than a fact that is unknown.
        missing[letter] = unknown and missing.get(letter, True)
    return ''.join(
        letter.sign + '?' * missing[letter] for letter in in_order(missing)
    )


def in_order(letters: Iterable[Letter]) -> list[Letter]:
    """Return letters, each once, in the order of the legend."""
    return sorted(set(letters), key=_ORDER.index)


def legend(reasons: Iterable[Reason]) -> list[tuple[str, str]]:
    """Return the signs that reasons have, each with its meaning."""
    reasons = list(reasons)
    found = [
        (letter.sign, letter.word) for letter in in_order(map(of, reasons))
    ]
    unknown = sorted(
        {
            one.fact
            for one in reasons
            if one.fact and one.cause is Cause.MISSING
        }
    )
    if unknown:
        found.append(
            ('?', f'after a letter: not published ({", ".join(unknown)})')
        )
    return found
