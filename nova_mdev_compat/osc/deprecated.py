# SPDX-License-Identifier: Apache-2.0
"""Commands under their old names, which the next release removes."""

import argparse

from nova_mdev_compat.osc import command
from nova_mdev_compat.osc import compat
from nova_mdev_compat.osc import stranded


class _Renamed(command.Lister):
    """A command under its old name.

    :cvar old: this name, without "openstack"
    :cvar new: the name that replaces it
    """

    deprecated = True
    old = new = ''

    def get_description(self) -> str:
        return f'Deprecated: use "openstack {self.new}".'

    def run(self, parsed_args: argparse.Namespace) -> int:
        self.say(
            f'"openstack {self.old}" is deprecated, and will be removed in the '
            f'next release: use "openstack {self.new}"'
        )
        return super().run(parsed_args)


class CompatMatrix(_Renamed, compat.Matrix):
    old = 'mdev compat matrix'
    new = 'mdev compatibility list'


class StrandedList(_Renamed, stranded.ListStranded):
    old = 'mdev stranded list'
    new = 'mdev stranded instance list'
