# SPDX-License-Identifier: Apache-2.0
"""Which vendor plugins there are; all of them keep the contract."""

from collections.abc import Collection, Mapping
import re

from nova_mdev_compat.common import plugins
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.vendors import base

NAMESPACE = 'nova_mdev_compat.vendors'
OPTION = '[collector]vendor_plugins'

Classes = Mapping[str, type[base.Vendor]]


def load(names: Collection[str] = (plugins.ALL,)) -> Classes:
    """Return vendor plugins by name; none of them is made yet.

    :param names: those that are wanted
    :raises exceptions.BadInput: one is not there, is there twice, does not
        load or breaks the contract; or two speak for one vendor
    """
    found: Classes = plugins.load(NAMESPACE, OPTION, names)
    for name, plugin in sorted(found.items()):
        fault = _fault(plugin)
        if fault:
            raise exceptions.BadInput(
                f'{OPTION}: plugin {name!r} ({plugin!r}): {fault}'
            )
    by_vendor(found)
    return found


def by_vendor(classes: Classes) -> dict[str, str]:
    """Return the names of plugins by canonical vendor.

    :raises exceptions.BadInput: two speak for one vendor
    """
    found: dict[str, str] = {}
    for name, plugin in sorted(classes.items()):
        for vendor in sorted(plugin.vendors):
            other = found.setdefault(identity.vendor(vendor), name)
            if other != name:
                raise exceptions.BadInput(
                    f'{OPTION}: plugins {other!r} and {name!r} both speak '
                    f'for vendor {vendor!r}; name only one of them'
                )
    return found


def facts_of(classes: Classes, vendor: str | None) -> dict[str, str]:
    """Return the facts that collectors publish, each with what it is.

    :param vendor: canonical; None for those of all vendors together
    """
    facts = dict(identity.FACTS)
    for plugin in classes.values():
        if vendor is None or _speaks_for(plugin, vendor):
            facts.update(plugin.fact_names)
    return facts


def values_of(
    classes: Classes, vendor: str | None
) -> dict[str, frozenset[str]]:
    """Return all canonical values of those facts that have few.

    :param vendor: canonical; None for the facts of all vendors
    """
    values = {
        name: frozenset(map(identity.canonical, some))
        for name, some in identity.FACT_VALUES.items()
    }
    any_value = set()
    for plugin in classes.values():
        if vendor is None or _speaks_for(plugin, vendor):
            any_value |= plugin.fact_names.keys() - plugin.fact_values.keys()
            for name, some in plugin.fact_values.items():
                values[name] = values.get(name, frozenset()).union(
                    map(identity.canonical, some)
                )
    return {
        name: some for name, some in values.items() if name not in any_value
    }


def _speaks_for(plugin: type[base.Vendor], vendor: str) -> bool:
    return vendor in map(identity.vendor, plugin.vendors)


def _fault(plugin: object) -> str | None:
    """Return how a plugin breaks the contract."""
    if not (isinstance(plugin, type) and issubclass(plugin, base.Vendor)):
        return 'it is not a subclass of nova_mdev_compat.vendors.base.Vendor'
    missing = [
        name for name in ('vendors', 'fact_names') if not hasattr(plugin, name)
    ]
    if missing:
        return f'it does not say its {" and ".join(missing)}'
    if plugin.__abstractmethods__:
        return f'it has no {", ".join(sorted(plugin.__abstractmethods__))}()'
    return (
        _vendors_fault(plugin.vendors)
        or _facts_fault(plugin.fact_names)
        or _values_fault(plugin.fact_values, plugin.fact_names)
    )


def _vendors_fault(vendors: object) -> str | None:
    # A text is a collection too: of letters, none of which is a vendor.
    if isinstance(vendors, str) or not isinstance(vendors, Collection):
        return f'its vendors are {vendors!r}; they must be a set of names'
    for vendor in vendors:
        if not _is_vendor(vendor):
            return (
                f'its vendor {vendor!r} must be a PCI vendor id, '
                "'10de', or the subsystem of devices without PCI ids, "
                "'mtty'"
            )
    return None


def _is_vendor(vendor: object) -> bool:
    try:
        return isinstance(vendor, str) and bool(identity.vendor(vendor))
    except identity.IdentityError:
        return False


def _facts_fault(fact_names: object) -> str | None:
    if not isinstance(fact_names, Mapping):
        return (
            f'its fact_names are {fact_names!r}; they must be a mapping '
            'of names to what they are'
        )
    for name, text in fact_names.items():
        if not isinstance(name, str) or not isinstance(text, str):
            return f'its fact_names have {name!r}: {text!r}, not two texts'
        try:
            identity.fact_name(name)
        except identity.IdentityError as exc:
            return f'its fact_names: {exc}'
        if name in identity.FACTS:
            return f'its fact_names: the collector itself gives {name!r}'
    return None


def _values_fault(
    fact_values: object, fact_names: Mapping[str, str]
) -> str | None:
    if not isinstance(fact_values, Mapping):
        return (
            f'its fact_values are {fact_values!r}; they must be a mapping '
            'of names of facts to sets of values'
        )
    for name, values in fact_values.items():
        if name not in fact_names:
            return (
                f'its fact_values have {name!r}, which its fact_names '
                'do not announce'
            )
        # A text is a collection too.
        if isinstance(values, str) or not isinstance(values, Collection):
            return f'its fact_values have {name!r}: {values!r}, not a set'
        for value in values:
            if not (
                isinstance(value, str) and re.search('[0-9A-Za-z]', value)
            ):
                return (
                    f'its fact_values have {name!r}: {value!r}, which '
                    'no trait can carry'
                )
    return None
