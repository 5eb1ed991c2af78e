# SPDX-License-Identifier: Apache-2.0
"""Constraints of the releases of OpenStack that are tested.

``releases/<OpenStack>.txt`` has what differs from constraints.txt. pip
refuses two pins of one package, so one file replaces the pins of the other
here::

    python tools/releases.py                 the supported Novas
    python tools/releases.py 29              constraints for Nova 29

The exit status is 2 if there is no such release or a file is invalid.
"""

from collections.abc import Mapping
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
DEFAULT = ROOT / 'constraints.txt'
DIRECTORY = ROOT / 'releases'

#: Lines as they are in the file, by canonical package name. A package may
#: have several, with environment markers.
Pins = Mapping[str, list[str]]


class ReleaseError(Exception):
    """There is no such release, or a file is invalid; the message says why."""


def canonical(name: str) -> str:
    """Return a package's name as package indexes compare it (PEP 503)."""
    return re.sub('[-_.]+', '-', name).lower()


def read(path: pathlib.Path) -> Pins:
    """Return the pins of a file.

    :raises ReleaseError: a line is not a pin
    """
    found: dict[str, list[str]] = {}
    for line in path.read_text('utf-8').splitlines():
        if line.strip() and not line.startswith('#'):
            match = re.fullmatch(r'([\w.-]+)==[^\s;]+(\s*;.+)?', line.strip())
            if match is None:
                raise ReleaseError(
                    f'{path.name}: "{line}" is not PACKAGE==VERSION'
                )
            found.setdefault(canonical(match[1]), []).append(line.strip())
    return found


def version(pins: Pins, package: str) -> str:
    """Return the version of a package with one pin."""
    (line,) = pins[package]
    return line.partition('==')[2]


def releases() -> dict[int, tuple[str, Pins]]:
    """Return the name and all pins of each release, by Nova's number."""
    base, found = read(DEFAULT), {}
    for path in sorted(DIRECTORY.glob('*.txt')):
        pins = {**base, **read(path)}
        found[int(version(pins, 'nova').partition('.')[0])] = path.stem, pins
    return found


def constraints(number: str) -> str:
    """Return the constraints file for a release, by Nova's number.

    :raises ReleaseError: there is no such release
    """
    known = releases()
    if number not in map(str, known):
        raise ReleaseError(
            f'there is no Nova {number} in {DIRECTORY.name}/; there are: '
            + ', '.join(map(str, sorted(known)))
        )
    name, pins = known[int(number)]
    return '\n'.join(
        [
            f'# For OpenStack {name}, by tools/releases.py.',
            *(line for _, lines in sorted(pins.items()) for line in lines),
        ]
    )


def main(args: list[str]) -> int:
    try:
        print(
            constraints(args[0])
            if args
            else ' '.join(map(str, sorted(releases())))
        )
    except ReleaseError as exc:
        print(f'releases: {exc}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
