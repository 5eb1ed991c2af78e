# SPDX-License-Identifier: Apache-2.0
"""What is installed to test with a release of OpenStack.

``releases/<OpenStack>.txt`` has what differs from constraints.txt. pip
refuses two pins of one package, so the one file is laid over the other here::

    python tools/releases.py                 the Novas that there are
    python tools/releases.py 29              constraints for Nova 29

The exit status is 2, and one line on stderr says why, where there is no such
release or a file makes no sense.
"""

from collections.abc import Mapping, Sequence
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
DEFAULT = ROOT / 'constraints.txt'
DIRECTORY = ROOT / 'releases'

NOVA = 'nova'
PLACEMENT = 'openstack-placement'

#: Lines by the package that they pin, as they stand in the file.
Pins = Mapping[str, Sequence[str]]

_PIN = re.compile(
    r'(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;]+)'
    r'(\s*;.*\S)?'
)


class ReleaseError(Exception):
    """A file makes no sense, or there is none; the message says which."""


def parse(text: str, where: str) -> Pins:
    """Return the pins of a constraints file.

    There may be several of one package, with environment markers.

    :param where: name of the file, for errors

    >>> parse('# why\\n\\nOslo.Utils==7.4.0\\n', 'x')
    {'oslo-utils': ['Oslo.Utils==7.4.0']}
    >>> parse('six>=1\\n', 'x')
    Traceback (most recent call last):
    ...
    releases.ReleaseError: x:1: "six>=1" is not PACKAGE==VERSION
    """
    found: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        pin = line.strip()
        if not pin or pin.startswith('#'):
            continue
        match = _PIN.fullmatch(pin)
        if match is None:
            raise ReleaseError(
                f'{where}:{number}: "{pin}" is not PACKAGE==VERSION'
            )
        found.setdefault(canonical(match['name']), []).append(pin)
    return found


def canonical(name: str) -> str:
    """Return a package's name as package indexes compare it (PEP 503).

    >>> canonical('Oslo.Utils'), canonical('os_vif')
    ('oslo-utils', 'os-vif')
    """
    return re.sub('[-_.]+', '-', name).lower()


def overlay(base: Pins, other: Pins) -> Pins:
    """Return pins, of which all of a package are the other's if it has any.

    >>> overlay({'a': ['a==1 ; x', 'a==2'], 'b': ['b==1']},
    ...         {'a': ['a==3'], 'c': ['c==1']})
    {'a': ['a==3'], 'b': ['b==1'], 'c': ['c==1']}
    """
    return dict(sorted({**base, **other}.items()))


def version(pins: Pins, package: str) -> str:
    """Return the version of a package that has one pin.

    >>> version({'nova': ['nova==29.4.0']}, 'nova')
    '29.4.0'

    :raises ReleaseError: it has none, or several
    """
    lines = pins.get(package, ())
    match = _PIN.fullmatch(lines[0]) if len(lines) == 1 else None
    if match is None:
        raise ReleaseError(f'{package} has {len(lines)} pins, not one')
    return match['version']


def major(pins: Pins) -> int:
    """Return the number of the Nova that is pinned: 29."""
    return int(version(pins, NOVA).partition('.')[0])


def read(path: pathlib.Path) -> Pins:
    """Return the pins of a file.

    :raises ReleaseError: it cannot be read, or makes no sense
    """
    try:
        return parse(path.read_text('utf-8'), path.name)
    except (OSError, UnicodeDecodeError) as exc:
        raise ReleaseError(f'{path.name}: {exc}') from exc


def releases() -> dict[int, tuple[str, Pins]]:
    """Return the releases by Nova's number: OpenStack's name, all pins.

    :raises ReleaseError: a file makes no sense, or two have one Nova
    """
    base = read(DEFAULT)
    found: dict[int, tuple[str, Pins]] = {}
    for path in sorted(DIRECTORY.glob('*.txt')):
        pins = overlay(base, read(path))
        try:
            number = major(pins)
        except ReleaseError as exc:
            raise ReleaseError(f'{path.name}: {exc}') from exc
        if number in found:
            raise ReleaseError(
                f'{path.name} and {found[number][0]}.txt have '
                f'the same Nova, {number}'
            )
        found[number] = (path.stem, pins)
    return found


def constraints(number: int) -> str:
    """Return the constraints file for a release, by Nova's number.

    :raises ReleaseError: there is no such release
    """
    known = releases()
    if number not in known:
        raise ReleaseError(
            f'there is no Nova {number} in {DIRECTORY.name}/; there are: '
            + ', '.join(map(str, sorted(known)))
        )
    name, pins = known[number]
    lines = [line for some in pins.values() for line in some]
    return (
        '\n'.join([f'# For OpenStack {name}, by tools/releases.py.', *lines])
        + '\n'
    )


def main(args: Sequence[str]) -> int:
    try:
        if args:
            sys.stdout.write(constraints(int(args[0])))
        else:
            print(*sorted(releases()))
    except ValueError:
        print(
            f'releases: "{args[0]}" is no number of a Nova: give it as 29',
            file=sys.stderr,
        )
        return 2
    except ReleaseError as exc:
        print(f'releases: {exc}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
