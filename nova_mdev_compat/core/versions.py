# SPDX-License-Identifier: Apache-2.0
"""The order of canonical versions of drivers, kernels and firmware.

packaging.version does not help: a kernel release (``5_14_0_427_EL9_X86_64``)
is not a PEP 440 version, and a trait name does not keep separators.
"""

import re

_PART = re.compile(r'[0-9]+|[A-Z]+')
_PRERELEASE = frozenset({'ALPHA', 'BETA', 'DEV', 'PRE', 'RC'})

Key = tuple[tuple[int, int, str], ...]


def key(version: str) -> Key:
    """Return a sort key: 550_9 < 550_54_14 < 550_127_5, 6_1_0_RC1 < 6_1.

    Numbers compare as numbers and are newer than words. A longer version is
    newer, unless it continues with a pre-release word. Zeros are ignored if
    no number follows them.

    :param version: a canonical value
    """
    parts: list[tuple[int, int, str]] = []
    for part in _PART.findall(version):
        if part.isdigit():
            parts.append((2, int(part), ''))
        else:
            _drop_zeros(parts)
            parts.append((-1 if part in _PRERELEASE else 1, 0, part))
    _drop_zeros(parts)
    return (*parts, (0, 0, ''))


def _drop_zeros(parts: list[tuple[int, int, str]]) -> None:
    while parts and parts[-1] == (2, 0, ''):
        parts.pop()


def is_version(text: str) -> bool:
    """Tell whether a canonical value starts with a digit, as versions do."""
    return text[:1].isdigit()
