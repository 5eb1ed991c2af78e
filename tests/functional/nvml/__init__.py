# SPDX-License-Identifier: Apache-2.0
"""A stand-in for NVIDIA's libnvidia-ml.so.1; libnvidia-ml.c describes it."""

import pathlib
import subprocess

import fixtures

SOURCE = pathlib.Path(__file__).parent / 'libnvidia-ml.c'
LIBRARY = 'libnvidia-ml.so.1'


class Library(fixtures.Fixture):
    """A directory with the stand-in, or what is to be there instead.

    :param defines: macros for the compiler
    """

    def __init__(self, *defines):
        super().__init__()
        self._defines = defines

    def _setUp(self):
        self.path = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        subprocess.run(
            [
                'gcc',
                '-Wall',
                '-Wextra',
                '-Werror',
                '-shared',
                '-fPIC',
                *(f'-D{name}' for name in self._defines),
                f'-Wl,-soname,{LIBRARY}',
                '-o',
                self.path / LIBRARY,
                SOURCE,
            ],
            check=True,
        )
