# SPDX-License-Identifier: Apache-2.0
"""Packages that are installed for one test."""

import functools
import importlib
from importlib import metadata
import pathlib
import sys
import textwrap

import fixtures
from stevedore import _cache


class Packages(fixtures.Fixture):
    """Packages that are installed for one test.

    :param modules: texts of the modules that they have, as for write
    :param beside_ours: entry points of all installed packages are found, too;
        that takes a while
    """

    def __init__(self, modules=None, beside_ours=False):
        super().__init__()
        self._modules = modules or {}
        self._beside_ours = beside_ours

    def _setUp(self):
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.useFixture(fixtures.PythonPathEntry(str(self.home)))
        # Neither what stevedore keeps in the user's home, nor what it has
        # kept in this process.
        cache = _cache.Cache(str(self.home / 'cache'))
        self.useFixture(
            fixtures.MonkeyPatch(
                'stevedore._cache.get_group_all', cache.get_group_all
            )
        )
        if not self._beside_ours:
            self.useFixture(
                fixtures.MonkeyPatch(
                    'importlib.metadata.distributions',
                    functools.partial(
                        metadata.distributions, path=[str(self.home)]
                    ),
                )
            )
        self.useFixture(
            fixtures.MonkeyPatch(
                'stevedore.extension.ExtensionManager.ENTRY_POINT_CACHE', {}
            )
        )
        self.addCleanup(self._forget)
        for name, text in self._modules.items():
            self.write(name, text)

    def _forget(self):
        for name, module in list(sys.modules.items()):
            if str(getattr(module, '__file__', None)).startswith(
                f'{self.home}/'
            ):
                del sys.modules[name]

    def write(self, name, text):
        """Write the module ``a_plugin_<name>``."""
        (self.home / f'a_plugin_{name}.py').write_text(textwrap.dedent(text))
        importlib.invalidate_caches()

    def install(self, package, namespace, entry_points):
        """Install a package.

        :param entry_points: values, ``a_plugin_good:Thing``, by name
        """
        directory = self.home / f'{package}-1.0.dist-info'
        directory.mkdir()
        (directory / 'METADATA').write_text(
            f'Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n'
        )
        (directory / 'entry_points.txt').write_text(
            f'[{namespace}]\n'
            + ''.join(
                f'{name} = {value}\n' for name, value in entry_points.items()
            )
        )
