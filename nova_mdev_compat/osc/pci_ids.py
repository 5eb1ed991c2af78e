# SPDX-License-Identifier: Apache-2.0
"""Names of PCI vendors and products, from the database of the system.

See pci.ids(5). Debian and Ubuntu have it in the package pci.ids, RPM
distributions in hwdata. A system without it is not an error: devices then have
their ids only.
"""

from collections.abc import Iterable, Mapping
import dataclasses
import pathlib
import re

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity

PATHS = (
    pathlib.Path('/usr/share/hwdata/pci.ids'),
    pathlib.Path('/usr/share/misc/pci.ids'),
)
_VENDOR = re.compile(r'([0-9a-f]{4})  (\S.*)')
_PRODUCT = re.compile(r'\t([0-9a-f]{4})  (\S.*)')
#: The name under which a chip is sold: "GA102GL [A40]".
_SOLD_AS = re.compile(r'.*\[([^][]+)\]')


@dataclasses.dataclass(frozen=True)
class Names:
    """Names of products.

    :ivar products: by parent id
    :ivar vendors: by vendor, ``10DE``
    """

    products: Mapping[str, str] = dataclasses.field(default_factory=dict)
    vendors: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def short(self, parent: str) -> str:
        """Return the name that a product is sold under, empty if unknown."""
        name = self.products.get(parent, '')
        sold_as = _SOLD_AS.fullmatch(name)
        return sold_as.group(1) if sold_as else name

    def label(self, parent: str) -> str:
        """Return a parent id with its name: ``A40 10de:2235``."""
        return (
            f'{self.short(parent)} {identity.display_parent(parent)}'.strip()
        )

    def heading(self, parent: str) -> str:
        """Return all that is known: ``NVIDIA Corporation GA102GL [A40]``."""
        vendor = self.vendors.get(identity.vendor_of(parent), '')
        product = self.products.get(parent, '')
        return ' '.join(filter(None, (vendor, product)))


def parse(lines: Iterable[str]) -> Names:
    """Return the names of a database."""
    products, vendors = {}, {}
    vendor = ''
    for line in lines:
        if found := _VENDOR.match(line):
            vendor = found.group(1).upper()
            vendors[vendor] = found.group(2).strip()
        elif vendor and (found := _PRODUCT.match(line)):
            number, name = found.groups()
            products[f'{vendor}_{number.upper()}'] = name.strip()
        elif not line.startswith(('\t', '#')) and line.strip():
            # "C 03  Display controller" begins the classes.
            vendor = ''
    return Names(products, vendors)


def read(path: pathlib.Path | None = None) -> Names:
    """Return the names of a database, or of the system's if none is given.

    :raises exceptions.BadInput: the database that is given cannot be read
    """
    for one in [path] if path else PATHS:
        try:
            with one.open(encoding='utf-8', errors='replace') as file:
                return parse(file)
        except OSError as exc:
            if path:
                raise exceptions.BadInput(
                    f'{path} cannot be read: {exc.strerror}'
                ) from exc
    return Names()
