# SPDX-License-Identifier: Apache-2.0
"""Merge "pip freeze" files of several Python versions into one.

The files are named after their version, as 3.11.txt, and stand in order. A
package that has not the same version everywhere gets environment markers.
"""

import collections
import pathlib
import sys

HEADER = """\
# Versions that are known to work together, made by "make constraints".
# Use it with: pip install --constraint constraints.txt ..."""


def marker(pythons: list[str], newest: str) -> str:
    """Return what is true on these; the newest stands for later ones."""
    return ' or '.join(
        f"python_version {'>=' if python == newest else '=='} '{python}'"
        for python in pythons
    )


def main(files: list[str]) -> None:
    paths = [pathlib.Path(name) for name in files]
    pythons = [path.stem for path in paths]
    pins: dict[str, list[str]] = collections.defaultdict(list)
    for path in paths:
        for line in path.read_text(encoding='utf-8').splitlines():
            pins[line].append(path.stem)
    print(HEADER)
    for pin, having in sorted(
        pins.items(), key=lambda item: (item[0].lower(), item[1])
    ):
        if having == pythons:
            print(pin)
        else:
            print(f'{pin} ; {marker(having, pythons[-1])}')


if __name__ == '__main__':
    main(sys.argv[1:])
