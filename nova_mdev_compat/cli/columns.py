# SPDX-License-Identifier: Apache-2.0
"""How devices look, for people and for programs."""

from typing import Any, TYPE_CHECKING

from cliff import columns

from nova_mdev_compat.core import equivalence
from nova_mdev_compat.core import identity as ident
from nova_mdev_compat.core.identity import Identity

if TYPE_CHECKING:
    Column = columns.FormattableColumn[Any]
else:
    #: It takes no type before cliff 4.9.
    Column = columns.FormattableColumn

#: Hosts that are named before the others are only counted.
_NAMED = 3


class Devices(Column):
    """The devices of a kind.

    All of them for programs; for people one by its name, and several by
    their hosts and how many they are.

    :param mdev_type: the type that is meant, where they have several
    """

    def __init__(self, kind: equivalence.Kind, mdev_type: str = ''):
        super().__init__([str(member) for member in kind.members])
        self._hosts = sorted(kind.by_host)
        self._type = mdev_type

    def human_readable(self) -> str:
        if len(self._value) == 1:
            shown = str(self._value[0])
        else:
            shown = f'{self._names()} ({len(self._value)} devices)'
        return f'{shown} {self._type}'.rstrip()

    def _names(self) -> str:
        names = ', '.join(self._hosts[:_NAMED])
        others = len(self._hosts) - _NAMED
        return names if others <= 0 else f'{names} and {others} more hosts'

    def machine_readable(self) -> Any:
        if not self._type:
            return self._value
        return [f'{member} {self._type}' for member in self._value]


def source(kind: equivalence.Kind, identity: Identity) -> Devices:
    """Return a column for the devices of a kind as sources."""
    return Devices(
        kind,
        ident.display_type(identity.type) if len(kind.sources) > 1 else '',
    )
