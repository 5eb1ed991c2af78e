# SPDX-License-Identifier: Apache-2.0
"""Merge "pip freeze" files of several Python versions into one.

The files are named after their version, as 3.11.txt, oldest first. A package
whose version is not the same everywhere gets environment markers.
"""

import collections
import pathlib
import sys

HEADER = """\
# Versions that are known to work together, made by "make constraints".
# Use it with: pip install --constraint constraints.txt ..."""


def main(files: list[str]) -> None:
    pythons = [pathlib.Path(name).stem for name in files]
    pins: dict[str, list[str]] = collections.defaultdict(list)
    for name, python in zip(files, pythons, strict=True):
        for line in pathlib.Path(name).read_text('utf-8').splitlines():
            pins[line].append(python)
    print(HEADER)
    for pin, having in sorted(
        pins.items(), key=lambda item: (item[0].lower(), item[1])
    ):
        # The newest stands for later ones.
        markers = ' or '.join(
            f'python_version {">=" if python == pythons[-1] else "=="} '
            f"'{python}'"
            for python in having
        )
        print(pin if having == pythons else f'{pin} ; {markers}')


if __name__ == '__main__':
    main(sys.argv[1:])
