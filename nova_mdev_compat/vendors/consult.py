# SPDX-License-Identifier: Apache-2.0
"""Asking vendor plugins; what they answer is checked before it counts."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from oslo_config import cfg

from nova_mdev_compat.common import time_limit
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.core import traits
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import loader

#: What is known of a device, or why it could not be read.
Answer = base.Facts | exceptions.Failure

_Answer = TypeVar('_Answer')


#: Which question a plugin is asked, for errors.
_FACTS = 'asked for facts'


class VendorError(exceptions.Failure):
    """A plugin raised, or broke its contract; the message names it."""


class Vendors:
    """The plugins of this host.

    One that cannot be started now is started again when it is next asked.

    :param conf: the collector's options
    :ivar classes: by name
    :raises exceptions.BadInput: plugins that cannot be used
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self.classes = loader.load(conf.collector.vendor_plugins)
        self._names = loader.by_vendor(self.classes)
        self._plugins = {
            name: _Plugin(name, plugin, conf)
            for name, plugin in self.classes.items()
        }

    def name_for(self, device: base.Device) -> str | None:
        """Return the name of the plugin that speaks for a device."""
        return self._names.get(identity.vendor_of(device.parent_id))

    def fact_names(self, device: base.Device) -> frozenset[str]:
        """Return the names of the facts that a device's plugin gives.

        There are none where no plugin speaks for it.
        """
        name = self.name_for(device)
        return frozenset() if name is None else self._plugins[name].fact_names

    def facts(self, devices: Iterable[base.Device]) -> dict[str, Answer]:
        """Return what plugins know of devices, by device name.

        A device that no plugin speaks for is not in it. One that its plugin
        cannot read now has the reason, a Failure, in place of Facts; so have
        all devices of a plugin that does not answer, raises, or breaks its
        contract as a whole.
        """
        of_plugin: dict[str, list[base.Device]] = {}
        # libvirt lists devices in another order every time.
        for device in sorted(devices, key=lambda item: item.name):
            name = self.name_for(device)
            if name is not None:
                of_plugin.setdefault(name, []).append(device)
        found: dict[str, Answer] = {}
        for name, its_devices in of_plugin.items():
            found.update(self._plugins[name].facts(tuple(its_devices)))
        return found

    def accepts(
        self,
        device: base.Device,
        target: identity.Identity,
    ) -> frozenset[pat.Pattern] | None:
        """Return a plugin's own answer for a device, None if it has none.

        :raises exceptions.Failure: the plugin cannot say, or raised
        """
        name = self.name_for(device)
        if name is None:
            return None
        return self._plugins[name].accepts(device, target)


class _Plugin:
    """A vendor's plugin, and what it may answer.

    Each question is put in full where its time is limited and whatever it
    raises is caught: an answer may be lazy.
    """

    def __init__(
        self, name: str, plugin: type[base.Vendor], conf: cfg.ConfigOpts
    ):
        self._name = name
        # What the loader has checked; an instance could say something else.
        self.fact_names = frozenset(plugin.fact_names)
        self._patience = time_limit.Patience(
            f'vendor plugin {name!r}', conf.collector.vendor_timeout
        )
        self._class, self._conf = plugin, conf
        self._plugin: base.Vendor | None = None
        self._not_started: exceptions.Failure | None = None
        try:
            self._start()
        except exceptions.BadInput:
            raise
        except exceptions.Failure as exc:
            self._not_started = exc

    def _start(self) -> base.Vendor:
        """Return the plugin, which is made if that has not been done.

        :raises exceptions.Failure: it cannot be made
        """
        if self._not_started is not None:
            failure, self._not_started = self._not_started, None
            raise failure
        if self._plugin is None:
            self._plugin = self._ask(
                'when it was started', lambda: self._class(self._conf)
            )
        return self._plugin

    def facts(self, devices: tuple[base.Device, ...]) -> dict[str, Answer]:
        def answer() -> dict[str, Answer]:
            said = plugin.facts(devices)
            if not isinstance(said, Mapping):
                raise self._broken(None, f'no mapping: {said!r}')
            return {device.name: self._one(device, said) for device in devices}

        try:
            plugin = self._start()
            return self._ask(_FACTS, answer)
        except exceptions.Failure as exc:
            return {device.name: exc for device in devices}

    def accepts(
        self,
        device: base.Device,
        target: identity.Identity,
    ) -> frozenset[pat.Pattern] | None:
        if self._class.accepts is base.Vendor.accepts:
            return None  # it leaves all answers to the rule files
        plugin = self._start()

        def answer() -> frozenset[pat.Pattern] | None:
            said = plugin.accepts(device, target)
            return None if said is None else self._patterns(device, said)

        return self._ask(f'asked what {device.name} accepts', answer)

    def _ask(self, what: str, question: Callable[[], _Answer]) -> _Answer:
        try:
            return self._patience.ask(question)
        except exceptions.Failure:
            raise
        except (Exception, SystemExit) as exc:  # it is somebody else's code
            raise self._failure(what, exc) from exc

    def _failure(self, what: str, exc: BaseException) -> exceptions.Failure:
        """Return what something that the plugin raised comes to."""
        if isinstance(exc, exceptions.Failure):
            return exc
        if isinstance(exc, cfg.Error):
            return exceptions.BadInput(f'vendor plugin {self._name!r}: {exc}')
        return VendorError(
            f'vendor plugin {self._name!r}, {what}: '
            f'{type(exc).__name__}: {exc}; this is a bug of it'
        )

    def _one(self, device: base.Device, said: Mapping[Any, Any]) -> Answer:
        """Return what is said of one device, which affects no other."""
        try:
            return self._facts(device, said.get(device.name))
        except (Exception, SystemExit) as exc:  # a mapping may be lazy
            return self._failure(_FACTS, exc)

    def _facts(self, device: base.Device, facts: object) -> Answer:
        """Return facts that keep the contract, or the plugin's own Failure.

        Those not mentioned are unknown.
        """
        if isinstance(facts, exceptions.Failure):
            return facts
        if not isinstance(facts, base.Facts):
            raise self._broken(device, f'no Facts: {facts!r}')
        values = self._texts(device, facts.values)
        unknown = self._texts(device, facts.unknown)
        for fact, value in values.items():
            try:
                traits.encode_fact(fact, identity.canonical(value))
            except (identity.IdentityError, traits.TraitError) as exc:
                raise self._broken(
                    device,
                    f'{fact} = {value!r}, a value that '
                    f'no trait can carry: {exc}',
                ) from exc
        return base.Facts(
            values,
            {
                fact: unknown.get(fact) or f'plugin {self._name} does not say'
                for fact in sorted(self.fact_names - values.keys())
            },
        )

    def _texts(self, device: base.Device, said: object) -> dict[str, str]:
        """Return texts by fact; only facts that are announced have any."""
        if not isinstance(said, Mapping):
            raise self._broken(device, f'Facts of no mapping: {said!r}')
        texts = dict(said)
        for fact, text in texts.items():
            if fact not in self.fact_names:
                raise self._broken(
                    device,
                    f'the fact {fact!r}, which its '
                    'fact_names does not announce',
                )
            if not isinstance(text, str):
                raise self._broken(device, f'{fact} = {text!r}, no text')
        return texts

    def _patterns(
        self, device: base.Device, said: object
    ) -> frozenset[pat.Pattern]:
        """Return patterns that keep the contract."""
        # A text is iterable too: it has letters.
        if isinstance(said, str) or not isinstance(said, Iterable):
            raise self._broken(device, f'no patterns: {said!r}')
        patterns = list(said)
        for pattern in patterns:
            self._check_pattern(device, pattern)
        return frozenset(patterns)

    def _check_pattern(self, device: base.Device, pattern: object) -> None:
        if not isinstance(pattern, pat.Pattern):
            raise self._broken(device, f'no pattern: {pattern!r}')
        try:
            traits.encode_pattern(pattern)
        except (traits.TraitError, AttributeError, TypeError) as exc:
            raise self._broken(
                device, f'a pattern that no trait can carry: {exc}'
            ) from exc
        vendor = identity.vendor_of(device.parent_id)
        if pattern.parent != f'{vendor}_{pat.ANY}' and (
            identity.vendor_of(pattern.parent) != vendor
        ):
            raise self._broken(
                device,
                'a pattern for another vendor: '
                f'{identity.display_parent(pattern.parent)}',
            )

    def _broken(self, device: base.Device | None, what: str) -> VendorError:
        whose = '' if device is None else f' for {device.name}'
        return VendorError(
            f'vendor plugin {self._name!r} breaks its contract{whose}: it '
            f'answered {what}'
        )
