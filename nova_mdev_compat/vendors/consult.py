# SPDX-License-Identifier: Apache-2.0
"""Asking vendor plugins; what they answer is checked before it counts."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from oslo_config import cfg

from nova_mdev_compat import exceptions
from nova_mdev_compat import identity as ident
from nova_mdev_compat import pattern as pat
from nova_mdev_compat import traits
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import loader

_Answer = TypeVar('_Answer')


class VendorError(exceptions.Failure):
    """A plugin raised, or broke its contract; the message names it."""


class Vendors:
    """The plugins of this host.

    :param conf: the collector's options
    :raises exceptions.BadInput: plugins that cannot be used
    """

    def __init__(self, conf: cfg.ConfigOpts):
        classes = loader.load(conf.collector.vendor_plugins)
        self._names = loader.by_vendor(classes)
        self._plugins = {name: _ask(name, 'nothing yet', plugin, conf)
                         for name, plugin in classes.items()}

    def name_for(self, device: base.Device) -> str | None:
        """Return the name of the plugin that speaks for a device."""
        return self._names.get(ident.vendor_of(device.parent_id))

    def facts(self, devices: Iterable[base.Device]) -> dict[str, base.Facts]:
        """Return what plugins know of devices, by device name.

        A device that no plugin speaks for is not in it.

        :raises exceptions.Failure: a plugin cannot say, or raised
        """
        of_plugin: dict[str, list[base.Device]] = {}
        for device in devices:
            name = self.name_for(device)
            if name is not None:
                of_plugin.setdefault(name, []).append(device)
        found: dict[str, base.Facts] = {}
        for name, its_devices in of_plugin.items():
            plugin = self._plugins[name]
            answer = _ask(name, 'facts', plugin.facts, its_devices)
            for device in its_devices:
                found[device.name] = _check_facts(name, plugin, device, answer)
        return found

    def accepts(self, device: base.Device, target: ident.Identity,
                ) -> frozenset[pat.Pattern] | None:
        """Return a plugin's own answer for a device, None if it has none.

        :raises exceptions.Failure: the plugin cannot say, or raised
        """
        name = self.name_for(device)
        if name is None:
            return None
        plugin = self._plugins[name]
        answer = _ask(name, f'what {device.name} accepts', plugin.accepts,
                      device, target)
        if answer is None:
            return None
        try:
            patterns = frozenset(answer)
        except TypeError as exc:
            raise _broken(name, device, f'no patterns: {answer!r}') from exc
        for pattern in patterns:
            _check_pattern(name, device, pattern)
        return patterns


def _ask(name: str, what: str, question: Callable[..., _Answer],
         *args: Any) -> _Answer:
    try:
        return question(*args)
    except exceptions.Failure:
        raise
    except cfg.Error as exc:
        raise exceptions.BadInput(f'vendor plugin {name!r}: {exc}') from exc
    except (Exception, SystemExit) as exc:  # it is somebody else's code
        raise VendorError(
            f'vendor plugin {name!r}, asked for {what}: '
            f'{type(exc).__name__}: {exc}; this is a bug of it') from exc


def _check_facts(name: str, plugin: base.Vendor, device: base.Device,
                 answer: Mapping[str, base.Facts]) -> base.Facts:
    """Return facts that keep the contract; those not mentioned are unknown."""
    facts = (answer.get(device.name) if isinstance(answer, Mapping) else None)
    if not isinstance(facts, base.Facts):
        raise _broken(name, device, f'no Facts: {facts!r}')
    for said in (facts.values, facts.unknown):
        for fact, text in said.items():
            if fact not in plugin.fact_names:
                raise _broken(name, device, f'the fact {fact!r}, which its '
                              'fact_names does not announce')
            if not isinstance(text, str):
                raise _broken(name, device, f'{fact} = {text!r}, no text')
    return base.Facts(facts.values, {
        fact: facts.unknown.get(fact, f'plugin {name} does not say')
        for fact in plugin.fact_names if fact not in facts.values})


def _check_pattern(name: str, device: base.Device, pattern: object) -> None:
    if not isinstance(pattern, pat.Pattern):
        raise _broken(name, device, f'no pattern: {pattern!r}')
    try:
        traits.encode_pattern(pattern)
    except (traits.TraitError, AttributeError, TypeError) as exc:
        raise _broken(name, device,
                      f'a pattern that no trait can carry: {exc}') from exc
    vendor = ident.vendor_of(device.parent_id)
    if pattern.parent != f'{vendor}_{pat.ANY}' and (
            ident.vendor_of(pattern.parent) != vendor):
        raise _broken(name, device, 'a pattern for another vendor: '
                      f'{ident.display_parent(pattern.parent)}')


def _broken(name: str, device: base.Device, what: str) -> VendorError:
    return VendorError(f'vendor plugin {name!r} breaks its contract for '
                       f'{device.name}: it answered {what}')
