# SPDX-License-Identifier: Apache-2.0
"""Loads vendor plugins, checks their classes, and calls them.

Every call has a time limit. Facts and patterns check themselves when a plugin
creates them. This module checks that they belong to the device and the plugin.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

from oslo_config import cfg

from nova_mdev_compat.common import plugins
from nova_mdev_compat.common import time_limit
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern as patterns
from nova_mdev_compat.core import traits
from nova_mdev_compat.vendors import base

NAMESPACE = 'nova_mdev_compat.vendors'
OPTION = '[collector]vendor_plugins'

#: Plugins by the name of their entry point.
Classes = Mapping[str, type[base.Vendor]]
#: The facts of a device, or why it could not be read.
Answer = base.Facts | exceptions.Failure

_Result = TypeVar('_Result')


class VendorError(exceptions.Failure):
    """A plugin raised or breaks its contract; the message names it."""


def load(names: Collection[str] = (plugins.ALL,)) -> Classes:
    """Return the classes of plugins by name.

    :param names: the plugins to load
    :raises exceptions.BadInput: see plugins.load and check
    """
    return check(plugins.load(NAMESPACE, OPTION, names))


def check(classes: Mapping[str, Any]) -> Classes:
    """Return plugin classes that keep the contract.

    :raises exceptions.BadInput: a class breaks the contract, or two declare
        the same vendor
    """
    for name, plugin in sorted(classes.items()):
        try:
            _check(plugin)
        except (AttributeError, TypeError, ValueError) as exc:
            raise exceptions.BadInput(
                f'{OPTION}: plugin {name!r} ({plugin!r}): {exc}'
            ) from exc
    by_vendor(classes)
    return classes


def by_vendor(classes: Classes) -> dict[str, str]:
    """Return the names of plugins by canonical vendor.

    :raises exceptions.BadInput: two plugins declare the same vendor
    """
    found: dict[str, str] = {}
    for name, plugin in sorted(classes.items()):
        for vendor in sorted(plugin.vendors):
            other = found.setdefault(identity.vendor(vendor), name)
            if other != name:
                raise exceptions.BadInput(
                    f'{OPTION}: plugins {other!r} and {name!r} both declare '
                    f'vendor {vendor!r}; name only one of them'
                )
    return found


def facts_of(classes: Classes, vendor: str | None) -> dict[str, str]:
    """Return the descriptions of the facts that collectors publish, by name.

    :param vendor: canonical; None for all vendors together
    """
    facts = dict(identity.FACTS)
    for plugin in _of_vendor(classes, vendor):
        facts.update(plugin.fact_names)
    return facts


def values_of(
    classes: Classes, vendor: str | None
) -> dict[str, frozenset[str]]:
    """Return the canonical values of facts that have a fixed set of values.

    :param vendor: canonical; None for all vendors together
    """
    found: dict[str, set[str]] = {}
    any_value = set()
    fixed = list(identity.FACT_VALUES.items())
    for plugin in _of_vendor(classes, vendor):
        any_value |= plugin.fact_names.keys() - plugin.fact_values.keys()
        fixed += plugin.fact_values.items()
    for name, values in fixed:
        found.setdefault(name, set()).update(map(identity.canonical, values))
    return {
        name: frozenset(values)
        for name, values in found.items()
        if name not in any_value
    }


def _of_vendor(
    classes: Classes, vendor: str | None
) -> list[type[base.Vendor]]:
    return [
        plugin
        for plugin in classes.values()
        if vendor is None or vendor in map(identity.vendor, plugin.vendors)
    ]


def _check(plugin: Any) -> None:
    """Check the class of a plugin.

    :raises AttributeError, TypeError, ValueError: it breaks the contract
    """
    if not (isinstance(plugin, type) and issubclass(plugin, base.Vendor)):
        raise TypeError(
            'it is not a subclass of nova_mdev_compat.vendors.base.Vendor'
        )
    if plugin.__abstractmethods__:
        missing = ', '.join(sorted(plugin.__abstractmethods__))
        raise TypeError(f'it has no {missing}()')
    for vendor in _texts('vendors', plugin.vendors):
        identity.vendor(vendor)
    names = {
        identity.fact_name(name)
        for name in base.Facts(plugin.fact_names).values
    }
    for name in names & identity.FACTS.keys():
        raise ValueError(f'the collector itself provides fact {name!r}')
    for name in plugin.fact_values.keys() - names:
        raise ValueError(
            f'its fact_values have {name!r}, which its '
            'fact_names do not declare'
        )
    for name, values in plugin.fact_values.items():
        for value in _texts(f'fact_values of {name!r}', values):
            identity.canonical(value)


def _texts(what: str, values: Collection[str]) -> Collection[str]:
    # A text is a collection of letters, which is not meant.
    if isinstance(values, str) or not all(
        isinstance(value, str) for value in values
    ):
        raise TypeError(
            f'its {what} are {values!r}; they must be a set of texts'
        )
    return values


class Vendors:
    """The plugins of this host.

    A plugin that cannot be created now is created at its next call.

    :param conf: the collector's options
    :param classes: plugins by name; the default is those in the options
    :ivar classes: plugins by name
    :raises exceptions.BadInput: a plugin cannot be used
    """

    def __init__(self, conf: cfg.ConfigOpts, classes: Classes | None = None):
        self.classes = (
            load(conf.collector.vendor_plugins)
            if classes is None
            else check(classes)
        )
        self._names = by_vendor(self.classes)
        self._plugins = {
            name: _Plugin(name, plugin, conf)
            for name, plugin in self.classes.items()
        }

    def name_for(self, device: base.Device) -> str | None:
        """Return the name of a device's plugin, None if it has none."""
        return self._names.get(identity.vendor_of(device.parent_id))

    def fact_names(self, device: base.Device) -> frozenset[str]:
        """Return the names of the facts that a device's plugin declares."""
        name = self.name_for(device)
        return frozenset(self.classes[name].fact_names if name else ())

    def facts(self, devices: Iterable[base.Device]) -> dict[str, Answer]:
        """Return the facts of devices by device name.

        A device without a plugin is left out. A device that its plugin cannot
        read now has a Failure in place of Facts. So have all devices of a
        plugin that does not answer, raises, or returns something else.
        """
        of_plugin: dict[str, list[base.Device]] = {}
        # The order of libvirt's list is different every time.
        for device in sorted(devices, key=lambda item: item.name):
            name = self.name_for(device)
            if name is not None:
                of_plugin.setdefault(name, []).append(device)
        found: dict[str, Answer] = {}
        for name, its_devices in of_plugin.items():
            found.update(self._plugins[name].facts(tuple(its_devices)))
        return found

    def accepts(
        self, device: base.Device, target: identity.Identity
    ) -> frozenset[patterns.Pattern] | None:
        """Return a device's patterns, None if rule files decide.

        :raises exceptions.Failure: the plugin cannot answer, or raised
        """
        name = self.name_for(device)
        if name is None:
            return None
        return self._plugins[name].accepts(device, target)


class _Plugin:
    """A plugin that is called with a time limit. All exceptions are caught."""

    def __init__(
        self, name: str, plugin: type[base.Vendor], conf: cfg.ConfigOpts
    ):
        self._name, self._class, self._conf = name, plugin, conf
        self._time_limit = time_limit.TimeLimit(
            f'vendor plugin {name!r}', conf.collector.vendor_timeout
        )
        self._plugin: base.Vendor | None = None
        self._not_started: exceptions.Failure | None = None
        try:
            self._start()
        except exceptions.BadInput:
            raise
        except exceptions.Failure as exc:
            self._not_started = exc

    def _start(self) -> base.Vendor:
        """Return the plugin; create it first if necessary.

        :raises exceptions.Failure: it cannot be created
        """
        if self._not_started is not None:
            failure, self._not_started = self._not_started, None
            raise failure
        if self._plugin is None:
            self._plugin = self._ask(
                'when it was started', lambda: self._class(self._conf)
            )
        return self._plugin

    def _ask(self, what: str, question: Callable[[], _Result]) -> _Result:
        try:
            return self._time_limit.ask(question)
        except exceptions.Failure:
            raise
        except cfg.Error as exc:
            raise exceptions.BadInput(
                f'vendor plugin {self._name!r}: {exc}'
            ) from exc
        except (Exception, SystemExit) as exc:  # any error of a plugin
            raise VendorError(
                f'vendor plugin {self._name!r}, {what}: '
                f'{type(exc).__name__}: {exc}; this is a bug in the plugin'
            ) from exc

    def facts(self, devices: tuple[base.Device, ...]) -> dict[str, Answer]:
        try:
            plugin = self._start()
            found = self._ask('asked for facts', lambda: plugin.facts(devices))
            if not isinstance(found, Mapping):
                raise self._broken('', f'{found!r} instead of a mapping')
        except exceptions.Failure as exc:
            return {device.name: exc for device in devices}
        return {
            device.name: self._checked(device.name, found.get(device.name))
            for device in devices
        }

    def _checked(self, device: str, facts: object) -> Answer:
        """Return the facts of a device, or why they are invalid.

        Facts that are declared and missing are unknown.
        """
        if isinstance(facts, exceptions.Failure):
            return facts
        if not isinstance(facts, base.Facts):
            return self._broken(device, f'{facts!r} instead of Facts')
        declared = self._class.fact_names
        for fact in sorted({*facts.values, *facts.unknown}, key=str):
            if fact not in declared:
                return self._broken(
                    device,
                    f'the fact {fact!r}, which its fact_names do not declare',
                )
        for fact, value in facts.values.items():
            try:
                traits.encode_fact(fact, identity.canonical(value))
            except (identity.IdentityError, traits.TraitError) as exc:
                return self._broken(
                    device,
                    f'{fact} = {value!r}, a value that no trait can carry: '
                    f'{exc}',
                )
        return base.Facts(
            facts.values,
            {
                fact: facts.unknown.get(fact)
                or f'plugin {self._name} gives no reason'
                for fact in sorted(declared.keys() - facts.values.keys())
            },
        )

    def accepts(
        self, device: base.Device, target: identity.Identity
    ) -> frozenset[patterns.Pattern] | None:
        if self._class.accepts is base.Vendor.accepts:
            return None  # no need to create it
        plugin = self._start()

        def answer() -> list[patterns.Pattern] | None:
            # A generator runs while it is read: the time limit covers that.
            found = plugin.accepts(device, target)
            return None if found is None else list(found)

        found = self._ask(f'asked what {device.name} accepts', answer)
        if found is None:
            return None
        vendor = identity.vendor_of(device.parent_id)
        for pattern in found:
            if not isinstance(pattern, patterns.Pattern):
                raise self._broken(
                    device.name, f'{pattern!r} instead of a pattern'
                )
            if pattern.parent != f'{vendor}_{patterns.ANY}' and (
                identity.vendor_of(pattern.parent) != vendor
            ):
                raise self._broken(
                    device.name,
                    'a pattern for another vendor: '
                    f'{identity.display_parent(pattern.parent)}',
                )
            try:
                traits.encode_pattern(pattern)
            except traits.TraitError as exc:
                raise self._broken(
                    device.name, f'a pattern that no trait can carry: {exc}'
                ) from exc
        return frozenset(found)

    def _broken(self, device: str, what: str) -> VendorError:
        whose = device and f' for {device}'
        return VendorError(
            f'vendor plugin {self._name!r} breaks its contract{whose}: it '
            f'returned {what}'
        )
