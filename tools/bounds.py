# SPDX-License-Identifier: Apache-2.0
"""What is installed to test with old libraries.

There is a set of versions for each file in releases/distributions: what a
distribution ships, and ``lowest``, for which setup.cfg and requirements.txt
have the versions. Packages that neither has are as in constraints.txt, or
older where others want that::

    python tools/bounds.py                           the sets that there are
    python tools/bounds.py requirements SET EXTRAS   what is installed
    python tools/bounds.py constraints SET           what else may come

EXTRAS are separated by commas. A version that setup.cfg does not allow cannot
be installed: each requirement has its bounds, too. The exit status is 2, and
one line on stderr says why, where there is no such set or extra, or a file
makes no sense.
"""

from collections.abc import Iterator, Sequence
import configparser
import re
import sys

import releases

DIRECTORY = releases.DIRECTORY / 'distributions'
LOWEST = 'lowest'

_REQUIREMENT = re.compile(r'(?P<name>[A-Za-z0-9][\w.-]*)>=(?P<bound>[^\s,;]+)')


def sets() -> list[str]:
    """Return the names of all sets, the lowest first."""
    return sorted(
        (path.stem for path in DIRECTORY.glob('*.txt')),
        key=lambda name: (name != LOWEST, name),
    )


def pins(name: str) -> releases.Pins:
    """Return what a set's file pins.

    :raises releases.ReleaseError: there is no such set
    """
    if name not in sets():
        raise releases.ReleaseError(
            f'there is no set "{name}" in {DIRECTORY.name}/; there are: '
            + ', '.join(sets())
        )
    return releases.read(DIRECTORY / f'{name}.txt')


def direct(extras: Sequence[str]) -> Iterator[str]:
    """Return the requirements of this package, as they stand in its files.

    :raises releases.ReleaseError: there is no such extra
    """
    parser = configparser.ConfigParser()
    parser.read(releases.ROOT / 'setup.cfg', 'utf-8')
    texts = [(releases.ROOT / 'requirements.txt').read_text('utf-8')]
    for extra in extras:
        if extra not in parser['extras']:
            raise releases.ReleaseError(f'there is no extra "{extra}"')
        texts.append(parser['extras'][extra])
    for text in texts:
        for line in text.splitlines():
            if line.strip() and not line.startswith('#'):
                yield line.strip()


def requirements(name: str, extras: Sequence[str]) -> Iterator[str]:
    """Return what to install for a set: ``tqdm>=4.60.0,==4.67.1``.

    :raises releases.ReleaseError: there is no such set or extra, or a
        requirement has no lower bound
    """
    pinned = pins(name)
    for line in direct(extras):
        match = _REQUIREMENT.match(line)
        if match is None:
            raise releases.ReleaseError(f'"{line}" has no lower bound')
        package = releases.canonical(match['name'])
        if name == LOWEST:
            yield f'{line},=={match["bound"]}'
        elif package in pinned:
            yield f'{line},=={releases.version(pinned, package)}'
        else:
            yield line  # it is not in the distribution


def constraints(name: str) -> Iterator[str]:
    """Return a set's constraints for what is not named itself.

    :raises releases.ReleaseError: there is no such set
    """
    base = {
        package: [line.replace('==', '<=', 1) for line in lines]
        for package, lines in releases.read(releases.DEFAULT).items()
    }
    for lines in dict(sorted({**base, **pins(name)}.items())).values():
        yield from lines


def main(args: Sequence[str]) -> int:
    try:
        match args:
            case []:
                print(*sets())
            case ['requirements', name, extras]:
                print(*requirements(name, extras.split(',')), sep='\n')
            case ['constraints', name]:
                print(*constraints(name), sep='\n')
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except releases.ReleaseError as exc:
        print(f'bounds: {exc}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
